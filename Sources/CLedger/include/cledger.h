/*
 * cledger.h: the ledger, which worker (Swift), agents and SQL functions (C) share. It says
 * which server serves which client, what of a session is saved, and why a client keeps its
 * server. Inside PostgreSQL the ledger is in shared memory, in the launcher in the process's own.
 *
 * Both tables have fixed slots. Slot 0 belongs to no client and no server: code without a slot
 * writes there, and what it writes means nothing. Every field names its writer; all read and
 * write fields of 4 or 8 bytes atomically. A reference names a slot's user: the slot's
 * generation is in its upper half, the slot's number in the lower; reference 0 is no user.
 */
#ifndef CARPOOL_LEDGER_H
#define CARPOOL_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLEDGER_HOT __attribute__((swift_attr("@_noLocks")))

#define CLEDGER_VERSION 1

/* Why a client keeps its server after the end of its transaction: bits of pins. */
enum
{
	CLEDGER_PIN_ADVISORY_LOCK = 1 << 0,
	CLEDGER_PIN_TEMPORARY_OBJECT = 1 << 1,
	CLEDGER_PIN_HELD_CURSOR = 1 << 2,
	CLEDGER_PIN_LISTEN = 1 << 3,
	CLEDGER_PIN_SETSEED = 1 << 4,
	CLEDGER_PIN_LOADED_LIBRARY = 1 << 5,
	CLEDGER_PIN_LANGUAGE = 1 << 6,	/* a function whose session globals can't be known */
	CLEDGER_PIN_REPLICATION = 1 << 7,	/* origin or slot of the session */
	CLEDGER_PIN_BACKUP = 1 << 8,
	CLEDGER_PIN_SETTING = 1 << 9,	/* a kind of state below that the self-test found not to work */
	CLEDGER_PIN_STATEMENT = 1 << 10,
	CLEDGER_PIN_SEQUENCE = 1 << 11
};
#define CLEDGER_PIN_REASONS 12

/* Beside them: a new login of the server's role would take on other facts than the server has. */
#define CLEDGER_STALE (1u << 31)

/* Static variables of async.c, which the first backend that needs them finds; see asyncvariables.c. */
enum
{
	CLEDGER_LISTEN_CHANNELS,
	CLEDGER_PENDING_NOTIFIES
};
#define CLEDGER_VARIABLES 2
/* Instead of an address: no backend can find the variable. */
#define CLEDGER_NOT_FOUND 1

/*
 * In failed_tests: agents can't find the unnamed statement. They pin a client that may have one
 * for STATEMENT.
 */
#define CLEDGER_UNNAMED_FAILED (1u << 31)

/* The worker's server logins over TCP have this startup parameter; the size of its value counts the NUL. */
#define CLEDGER_TOKEN_PARAMETER "carpool.token"
#define CLEDGER_TOKEN_SIZE 40

/* What the worker sends to a server before a client's first byte: `message`. */
enum
{
	CLEDGER_NO_MESSAGE,
	/*
	 * How the client's session starts, for its first server: 4 bytes of length in network
	 * order (these four included), then two lists, each ended by a NUL. The first has what
	 * ALTER ROLE and ALTER DATABASE had set at the login: CLEDGER_ROLE_…, a name and a value
	 * ended by NUL. The second has the client's startup parameters: a name and a value ended
	 * by NUL, named as in the startup packet, "options" already taken apart.
	 */
	CLEDGER_START,				/* the agent does not answer; an error ends the server */
	/*
	 * The agent answers with the ParameterStatus of every reported setting, or with an
	 * ErrorResponse; then with ReadyForQuery.
	 */
	CLEDGER_START_AND_ANSWER,
	/*
	 * 4 bytes of length, which is 4: the backend, logged in as the cluster's owner, becomes
	 * the role of `become`. The agent answers with ParameterStatus and ReadyForQuery. An
	 * error ends the server; its SQLSTATE is 0A000 if another way to log in would succeed.
	 */
	CLEDGER_BECOME,
	/*
	 * 4 bytes of length, which is 4: the backend becomes the hub of its database. It
	 * answers with ReadyForQuery; an error ends the server.
	 */
	CLEDGER_HUB
};

/*
 * What an agent says to the worker, among the messages for a client. Body: one of these,
 * then numbers in network order as noted.
 */
#define CLEDGER_AGENT_MESSAGE '*'
enum
{
	/*
	 * An agent sends it before the ReadyForQuery of a client that listens or did: the worker
	 * sends the client nothing more until the hub has answered. 4 bytes: the hub's slot; 4: its
	 * process; 4: the number of the request; 1: whether the client listens from now on.
	 */
	CLEDGER_AGENT_LISTENS = 'L',
	/*
	 * The hub sends a notification. 4: process_id; 8: reference of the client that receives it;
	 * then the body of NotificationResponse.
	 */
	CLEDGER_AGENT_NOTIFICATION = 'N',
	/* The hub has a notification that the client's encoding can't express: 4, 8 bytes as above. */
	CLEDGER_AGENT_UNWRITABLE = 'U',
	/* The hub has sent every notification from before the request of this number. 4 bytes. */
	CLEDGER_AGENT_READ = 'R'
};

/* The scope of a setting, the weakest first; a list has only the strongest setting of a name. */
enum
{
	CLEDGER_ROLE_GLOBAL = 1,	/* ALTER ROLE ALL */
	CLEDGER_ROLE_DATABASE,		/* ALTER DATABASE */
	CLEDGER_ROLE_USER,			/* ALTER ROLE */
	CLEDGER_ROLE_DATABASE_USER, /* ALTER ROLE … IN DATABASE */
	/* no name and value follow: the worker doesn't know the settings, the agent has to read them */
	CLEDGER_ROLE_UNKNOWN
};

/* Room for something that agents save for a client apart from its session; agents write it. */
typedef struct CledgerRoom
{
	uint64_t	pointer;		/* dsa_pointer; 0: none yet */
	uint32_t	lock;			/* guards all fields but saves */
	uint32_t	size;			/* bytes in use; 0: the room is empty */
	uint32_t	generation;		/* of the client that the contents belong to */
	uint32_t	saves;			/* counts the changes of the contents */
} CledgerRoom;

/*
 * What the worker writes and what agents write are in cache lines of their own: else each
 * would fetch unchanged fields from the other's processor. Padding separates the lines, as
 * Swift does not import types with such an alignment.
 */
#define CLEDGER_LINE 64

typedef struct CledgerClient
{
	/* the worker writes these */
	uint32_t	generation;		/* counts the uses of the slot; odd while in use */
	uint32_t	process_id;		/* as in the client's BackendKeyData */
	uint32_t	server;			/* slot of the client's latest server; 0: none */
	uint32_t	database;		/* OIDs of the client's login */
	uint32_t	role;
	uint8_t		thread;			/* engine thread */
	uint8_t		family;			/* AF_INET, AF_INET6 or AF_UNIX */
	uint16_t	port;			/* host order */
	uint8_t		address[16];	/* network order; AF_INET: the first four */
	/* agents and worker, seldom: which values of the reported settings the client knows; 0: not known */
	uint32_t	reports;
	/* agents, seldom: that setting of the session, in milliseconds; 0: none */
	uint32_t	idle_session_timeout;
	uint64_t	environment;	/* agents, seldom: as CledgerServer's; 0: not known */
	uint64_t	login;			/* number of the client's login: CledgerHeader.logins then */

	/* the agents write these */
	uint64_t	state;			/* dsa_pointer of the saved session (saved.c); 0: as after login */
	uint32_t	state_generation;	/* of the client that the state belongs to */
	uint32_t	saves;			/* counts the changes of state */
	CledgerRoom unnamed;		/* the client's unnamed statement */
	CledgerRoom channels;		/* the channels that the client listens to */
} CledgerClient;

typedef struct CledgerServer
{
	/* the worker writes these */
	uint64_t	client;			/* the client that the server serves; before the client's first byte */
	uint32_t	message;		/* CLEDGER_…, before client; the agent sets it back */
	uint32_t	become;			/* OID of the role of CLEDGER_BECOME */
	uint64_t	cancelled;		/* the client whose statement SIGUSR2 ends; before the signal */
	uint32_t	is_shared;		/* the server serves several roles in turn; before `become` */
	uint8_t		worker_rest[36];

	/* the agent writes these, seldom */
	int32_t		pid;			/* the backend's process; 0: the slot is free */
	uint32_t	pins;			/* CLEDGER_PIN_…, CLEDGER_STALE; before each ReadyForQuery */
	uint32_t	role;			/* OID of the role that the backend runs as */
	uint32_t	database;
	uint32_t	is_hub;			/* the backend reads the notifications of its database for clients */
	uint32_t	is_cancellable; /* the backend obeys `cancelled` at SIGUSR2; else do not send it */
	uint64_t	environment;	/* in which the backend made its caches, see environment.c; 0: in several */
	uint64_t	identity;		/* fingerprint of the login's facts: role name, superuser or not */
	uint8_t		agent_rest[24];

	/* the agent's counters */
	uint64_t	attached;		/* times another client than the last was attached */
	uint64_t	saved;			/* times the agent saved a session */
	uint64_t	loaded;			/* times the agent loaded a session */
	uint64_t	pinned;			/* transactions that ended with a pin */
	uint64_t	ended;			/* while test_times_agents is on: ends of transactions, */
	uint64_t	ended_ns;		/* nanoseconds that they took, */
	uint64_t	attach_ns;		/* and nanoseconds that attaching clients took */
	uint32_t	hub_requests;	/* all agents of the database: counts their requests to the hub */
	uint32_t	hub_answered;	/* the hub: the latest request up to which it has read */
} CledgerServer;

_Static_assert(offsetof(CledgerClient, state) == CLEDGER_LINE, "the agents' line of a client");
_Static_assert(sizeof(CledgerClient) == 2 * CLEDGER_LINE, "two lines a client");
_Static_assert(offsetof(CledgerServer, pid) == CLEDGER_LINE, "the agent's line of a server");
_Static_assert(offsetof(CledgerServer, attached) == 2 * CLEDGER_LINE, "the counters' line of a server");
_Static_assert(sizeof(CledgerServer) == 3 * CLEDGER_LINE, "three lines a server");

typedef struct CledgerHeader
{
	uint32_t	version;
	uint32_t	client_slots;	/* slot 0 included */
	uint32_t	server_slots;
	int32_t		worker;			/* worker: its process; 0: none runs */
	uint64_t	size;			/* bytes of the whole ledger */
	uint32_t	starts;			/* worker: counts its starts */
	uint32_t	failed_tests;	/* agents: CLEDGER_PIN_… whose self-test failed, CLEDGER_UNNAMED_FAILED */
	uint32_t	state_tranche;	/* postmaster: LWLock tranche of the saved sessions' area */
	uint32_t	libraries;		/* agents: counts the entries that they add to the list of libraries */
	uint64_t	library_list;	/* agents: dsa_pointer of its first entry */
	uint64_t	state_area;		/* agents: dsa_handle of the saved sessions, plus 1; 0: none yet */
	uint64_t	variables[CLEDGER_VARIABLES];	/* agents: the addresses, equal in all processes */
	uint32_t	channel_saves;	/* agents: counts changes of any client's channels */
	uint32_t	masks_names;	/* postmaster: what isn't ASCII in an application_name becomes ? */
	char		token[CLEDGER_TOKEN_SIZE];	/* worker: agents know it by this over TCP; new at each start */
	uint64_t	pins[CLEDGER_PIN_REASONS];	/* agents: how often a pin of each reason began */
	uint64_t	logins;			/* worker: counts the clients that have entered a pool */
	uint64_t	wrong_sessions; /* agents: how often one stopped a client's message in another's session */
	uint64_t	state_bytes;	/* agents: bytes of all saved sessions */
	uint64_t	secret[2];		/* postmaster: key of the fingerprints; no client may foresee it */
} CledgerHeader;

/* Offset of the clients' entries, in memory that begins at a cache line. */
#define CLEDGER_CLIENTS ((sizeof(CledgerHeader) + CLEDGER_LINE - 1) / CLEDGER_LINE * CLEDGER_LINE)

/* Returns how many bytes a ledger of so many clients and servers takes. */
static inline size_t
cledger_size(uint32_t clients, uint32_t servers)
{
	return CLEDGER_CLIENTS + (clients + 1) * sizeof(CledgerClient) +
		(servers + 1) * sizeof(CledgerServer);
}

/* Returns the name of a reason for people; number: of its bit, below CLEDGER_PIN_REASONS. */
static inline const char *
cledger_pin_name(int number)
{
	static const char *const names[CLEDGER_PIN_REASONS] = {
		"advisory lock", "temporary object", "held cursor", "listen", "setseed", "loaded library",
		"language", "replication", "backup", "setting", "statement", "sequence"
	};

	return names[number];
}

/* Makes an empty ledger in zeroed memory of cledger_size(clients, servers) bytes. */
static inline void
cledger_init(void *memory, uint32_t clients, uint32_t servers)
{
	CledgerHeader *ledger = memory;

	ledger->version = CLEDGER_VERSION;
	ledger->client_slots = clients + 1;
	ledger->server_slots = servers + 1;
	ledger->size = cledger_size(clients, servers);
}

/* Returns the worker's token; "" if the worker has none. */
static inline const char *
cledger_token(const CledgerHeader *ledger)
{
	return ledger->token;
}

/* Returns the entry of a slot, or that of slot 0 if the ledger has no such slot. */
CLEDGER_HOT static inline CledgerClient *
cledger_client(CledgerHeader *ledger, uint32_t slot)
{
	return (CledgerClient *) ((char *) ledger + CLEDGER_CLIENTS) + (slot < ledger->client_slots ? slot : 0);
}

CLEDGER_HOT static inline CledgerServer *
cledger_server(CledgerHeader *ledger, uint32_t slot)
{
	return (CledgerServer *) ((CledgerClient *) ((char *) ledger + CLEDGER_CLIENTS) + ledger->client_slots) +
		(slot < ledger->server_slots ? slot : 0);
}

/* Returns the reference to the user of a slot in this generation. */
static inline uint64_t
cledger_reference(uint32_t slot, uint32_t generation)
{
	return (uint64_t) generation << 32 | slot;
}

/* The worker notes a client's latest server, and writes only if that is another than before. */
CLEDGER_HOT static inline void
cledger_client_served(CledgerHeader *ledger, uint64_t client, uint32_t server)
{
	CledgerClient *entry = cledger_client(ledger, (uint32_t) client);

	if (entry->server != server)
		__atomic_store_n(&entry->server, server, __ATOMIC_RELAXED);
}

/* Returns the latest environment of a client's session, by which the worker chooses servers; 0: not known. */
CLEDGER_HOT static inline uint64_t
cledger_client_environment(CledgerHeader *ledger, uint64_t client)
{
	return __atomic_load_n(&cledger_client(ledger, (uint32_t) client)->environment, __ATOMIC_RELAXED);
}

/* Returns the number of the reported values that a client knows, see reports.c; 0: not known. */
static inline uint32_t
cledger_client_reports(CledgerHeader *ledger, uint64_t client)
{
	return __atomic_load_n(&cledger_client(ledger, (uint32_t) client)->reports, __ATOMIC_RELAXED);
}

/* The worker notes that it has told a client the values that `reports` numbers. */
static inline void
cledger_client_knows(CledgerHeader *ledger, uint64_t client, uint32_t reports)
{
	__atomic_store_n(&cledger_client(ledger, (uint32_t) client)->reports, reports, __ATOMIC_RELAXED);
}

/* Returns after how many idle milliseconds the client's session has to end; 0: never. */
static inline uint32_t
cledger_client_idle_timeout(CledgerHeader *ledger, uint64_t client)
{
	return __atomic_load_n(&cledger_client(ledger, (uint32_t) client)->idle_session_timeout,
						   __ATOMIC_RELAXED);
}

/* An agent or the worker notes that time, and writes only if it is another than before. */
static inline void
cledger_client_may_idle(CledgerHeader *ledger, uint64_t client, uint32_t milliseconds)
{
	CledgerClient *entry = cledger_client(ledger, (uint32_t) client);

	if (entry->idle_session_timeout != milliseconds)
		__atomic_store_n(&entry->idle_session_timeout, milliseconds, __ATOMIC_RELAXED);
}

/* An agent notes the environment of a client's session, and writes only if it is another than before. */
static inline void
cledger_client_is_in(CledgerHeader *ledger, uint64_t client, uint64_t environment)
{
	CledgerClient *entry = cledger_client(ledger, (uint32_t) client);

	if (entry->environment != environment)
		__atomic_store_n(&entry->environment, environment, __ATOMIC_RELAXED);
}

/* Returns the environment in which a server made its caches; 0: in several. */
CLEDGER_HOT static inline uint64_t
cledger_server_environment(const CledgerServer *server)
{
	return __atomic_load_n(&server->environment, __ATOMIC_RELAXED);
}

/* The worker says which message it sends before the bytes of the client that it attaches next. */
CLEDGER_HOT static inline void
cledger_announce(CledgerServer *server, uint32_t message)
{
	__atomic_store_n(&server->message, message, __ATOMIC_RELEASE);
}

/*
 * The worker notes which client a server serves, before it forwards the client's first byte.
 * It writes only if that is another client than before, so that the line can stay in the cache
 * of the agent's processor.
 */
CLEDGER_HOT static inline void
cledger_attach(CledgerServer *server, uint64_t client)
{
	if (server->client != client)
		__atomic_store_n(&server->client, client, __ATOMIC_RELEASE);
}

/* The worker notes the client whose statement has to end, before it sends the signal. */
static inline void
cledger_cancel(CledgerServer *server, uint64_t client)
{
	__atomic_store_n(&server->cancelled, client, __ATOMIC_RELEASE);
}

/* Returns the client whose statement has to end; for the agent's signal handler. */
static inline uint64_t
cledger_cancelled(const CledgerServer *server)
{
	return __atomic_load_n(&server->cancelled, __ATOMIC_ACQUIRE);
}

/* Returns true if a process is the server of this entry and its agent handles SIGUSR2. */
static inline bool
cledger_takes_cancels(const CledgerServer *server, int32_t pid)
{
	return pid != 0 && __atomic_load_n(&server->pid, __ATOMIC_ACQUIRE) == pid &&
		__atomic_load_n(&server->is_cancellable, __ATOMIC_ACQUIRE) != 0;
}

/* Returns the client that a server serves. */
static inline uint64_t
cledger_attached(const CledgerServer *server)
{
	return __atomic_load_n(&server->client, __ATOMIC_ACQUIRE);
}

/* Returns true if a server may serve no other client after this one; read it as pins. */
static inline bool
cledger_is_stale(const CledgerServer *server)
{
	return (__atomic_load_n(&server->pins, __ATOMIC_ACQUIRE) & CLEDGER_STALE) != 0;
}

/* Returns true if a server can go from client to client as it is: without pins, and not stale. */
CLEDGER_HOT static inline bool
cledger_may_rest(const CledgerServer *server)
{
	return __atomic_load_n(&server->pins, __ATOMIC_ACQUIRE) == 0;
}

/* Returns why a server's client keeps it, CLEDGER_PIN_…; read it after the server's ReadyForQuery. */
CLEDGER_HOT static inline uint32_t
cledger_pins(const CledgerServer *server)
{
	return __atomic_load_n(&server->pins, __ATOMIC_ACQUIRE) & ~CLEDGER_STALE;
}

#endif
