/*
 * cledger.h: the ledger, which worker (Swift), agents and SQL functions (C) share: who is
 * served by whom, what of a session is saved, and why a client keeps its server. Inside
 * PostgreSQL it is in shared memory, in the launcher in the process's own.
 *
 * Fixed slots. Slot 0 of each table is nobody's: what is written there means nothing, so
 * that who has no slot needs no question. Every field says who writes it; a field of 4 or
 * 8 bytes is read and written atomically. A slot's user is told by a reference: its
 * generation in the upper half, its number in the lower; 0 is nobody.
 */
#ifndef CARPOOL_LEDGER_H
#define CARPOOL_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLEDGER_HOT __attribute__((swift_attr("@_noLocks")))

#define CLEDGER_VERSION 1

/* Why a client keeps its server beyond the end of its transaction: bits of pins. */
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

/* Beside them: a login of the server's role would not get any more what its own has got. */
#define CLEDGER_STALE (1u << 31)

/* Static variables of async.c, found by the first backend that needed them; see asyncvariables.c. */
enum
{
	CLEDGER_LISTEN_CHANNELS,
	CLEDGER_PENDING_NOTIFIES
};
#define CLEDGER_VARIABLES 2
/* Instead of an address: it can't be found. */
#define CLEDGER_NOT_FOUND 1

/* In failed_tests: the unnamed statement is not found; who may have one is pinned for STATEMENT. */
#define CLEDGER_UNNAMED_FAILED (1u << 31)

/* The startup parameter of the worker's server logins over TCP, and the size of its value, NUL included. */
#define CLEDGER_TOKEN_PARAMETER "carpool.token"
#define CLEDGER_TOKEN_SIZE 40

/* What stands in front of a client's first byte on a server's socket: message. */
enum
{
	CLEDGER_NO_MESSAGE,
	/*
	 * How the client's session starts, for its first server: 4 bytes of length in network
	 * order (these four included), then two lists, each ended by a NUL: what ALTER ROLE and
	 * ALTER DATABASE had set at its login, each CLEDGER_ROLE_… and a name and a value ended
	 * by NUL; and the client's startup parameters, each a name and a value ended by NUL.
	 * Their names are as in the startup packet, "options" already taken apart.
	 */
	CLEDGER_START,				/* no answer; an error ends the server */
	/* The agent answers with the ParameterStatus of everything that is reported, or with an
	 * ErrorResponse; then with ReadyForQuery. */
	CLEDGER_START_AND_ANSWER,
	/*
	 * 4 bytes of length, which is 4: the backend, logged in as the cluster's owner, becomes
	 * the role of `become`. The agent answers with ParameterStatus and ReadyForQuery; an
	 * error ends the server, 0A000 where another way of login would do.
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
	 * Before ReadyForQuery, to a client that listens or did: nothing more goes to it until
	 * the hub has answered. 4 bytes: the hub's slot; 4: its process; 4: the number of the
	 * request; 1: whether the client listens from now on.
	 */
	CLEDGER_AGENT_LISTENS = 'L',
	/* The hub's: a notification. 4: process_id; 8: reference of the client it is for; then the body of NotificationResponse. */
	CLEDGER_AGENT_NOTIFICATION = 'N',
	/* The hub's: a notification has no form in the encoding of that client: 4, 8 bytes as above. */
	CLEDGER_AGENT_UNWRITABLE = 'U',
	/* The hub's: all is sent that there was at the request of this number. 4 bytes. */
	CLEDGER_AGENT_READ = 'R'
};

/* For whom a setting was made, the weakest first; of one name only the strongest is listed. */
enum
{
	CLEDGER_ROLE_GLOBAL = 1,	/* ALTER ROLE ALL */
	CLEDGER_ROLE_DATABASE,		/* ALTER DATABASE */
	CLEDGER_ROLE_USER,			/* ALTER ROLE */
	CLEDGER_ROLE_DATABASE_USER, /* ALTER ROLE … IN DATABASE */
	/* with no name and value after it: the worker doesn't know them, the agent has to look */
	CLEDGER_ROLE_UNKNOWN
};

/* Room for something of a client's that is saved apart from its session; the agents'. */
typedef struct CledgerRoom
{
	uint64_t	pointer;		/* dsa_pointer; 0: none yet */
	uint32_t	lock;			/* of all but saves */
	uint32_t	size;			/* bytes in use; 0: there is nothing */
	uint32_t	generation;		/* whose that is */
	uint32_t	saves;			/* counts its changes */
} CledgerRoom;

/*
 * What the worker writes and what agents write, in cache lines of their own: else each would
 * have to fetch from the other's processor what nobody has changed. By padding, as Swift does
 * not know types that are aligned so.
 */
#define CLEDGER_LINE 64

typedef struct CledgerClient
{
	/* the worker's */
	uint32_t	generation;		/* counts the uses of the slot; odd while in use */
	uint32_t	process_id;		/* as in the client's BackendKeyData */
	uint32_t	server;			/* slot of the server it had last; 0: none */
	uint32_t	database;		/* OIDs of its login */
	uint32_t	role;
	uint8_t		thread;			/* engine thread */
	uint8_t		family;			/* AF_INET, AF_INET6 or AF_UNIX */
	uint16_t	port;			/* host order */
	uint8_t		address[16];	/* network order; AF_INET: the first four */
	uint32_t	reports;		/* agents and worker, seldom: which values of what is reported it knows; 0: not known */
	uint32_t	idle_session_timeout;	/* the agents', who change it seldom: the session's, in milliseconds; 0: none */
	uint64_t	environment;	/* the agents', who change it seldom: as CledgerServer's; 0: not known */
	uint64_t	login;			/* number of its login: CledgerHeader.logins then */

	/* the agents' */
	uint64_t	state;			/* dsa_pointer of the saved session (saved.c); 0: as after login */
	uint32_t	state_generation;	/* whose state that is */
	uint32_t	saves;			/* counts the changes of state */
	CledgerRoom unnamed;		/* its unnamed statement */
	CledgerRoom channels;		/* what it listens to */
} CledgerClient;

typedef struct CledgerServer
{
	/* the worker's */
	uint64_t	client;			/* whom it serves, before that one's first byte */
	uint32_t	message;		/* CLEDGER_…, before client; the agent sets it back */
	uint32_t	become;			/* OID of the role of CLEDGER_BECOME */
	uint64_t	cancelled;		/* the client whose statement is to end, before SIGUSR2 */
	uint32_t	is_shared;		/* it serves several roles, one after the other; before `become` */
	uint8_t		worker_rest[36];

	/* the agent's, which change seldom */
	int32_t		pid;			/* its process; 0: nobody's */
	uint32_t	pins;			/* CLEDGER_PIN_…, CLEDGER_STALE; before each ReadyForQuery */
	uint32_t	role;			/* OID it runs as */
	uint32_t	database;
	uint32_t	is_hub;			/* it reads the notifications of its database for clients */
	uint32_t	is_cancellable; /* SIGUSR2 means to it what `cancelled` says; else it may mean anything */
	uint64_t	environment;	/* in which its caches were made, see environment.c; 0: in several */
	uint64_t	identity;		/* fingerprint of the name, and a superuser's rights or not, that it has taken on */
	uint8_t		agent_rest[24];

	/* the agent's counters */
	uint64_t	attached;		/* times a client other than the last was attached */
	uint64_t	saved;			/* times a session was saved, and loaded */
	uint64_t	loaded;
	uint64_t	pinned;			/* transactions that ended with a pin */
	uint64_t	ended;			/* while test_times_agents is on: ends of transactions, */
	uint64_t	ended_ns;		/* their time, */
	uint64_t	attach_ns;		/* and that of attaching clients */
	uint32_t	hub_requests;	/* all agents of its database: counts who wants to know that all was read */
	uint8_t		counters_rest[4];
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
	uint64_t	size;			/* bytes of all */
	uint32_t	starts;			/* worker: counts its starts */
	uint32_t	failed_tests;	/* agents: bits of CLEDGER_PIN_… whose self-test failed, CLEDGER_UNNAMED_FAILED */
	uint32_t	state_tranche;	/* postmaster: of the locks of the saved sessions' area */
	uint32_t	libraries;		/* agents: counts what they add to the list of libraries */
	uint64_t	library_list;	/* agents: dsa_pointer of its first entry */
	uint64_t	state_area;		/* agents: dsa_handle of the saved sessions, plus 1; 0: none yet */
	uint64_t	variables[CLEDGER_VARIABLES];	/* agents: where PostgreSQL has them, in all processes */
	uint32_t	channel_saves;	/* agents: counts changes of any client's channels */
	char		token[CLEDGER_TOKEN_SIZE];	/* worker: by which agents know it over TCP; anew at each start */
	uint64_t	pins[CLEDGER_PIN_REASONS];	/* agents: times each reason began */
	uint64_t	logins;			/* worker: counts the clients that have entered a pool */
	uint64_t	wrong_sessions; /* agents: times a client's message was stopped in another's session */
	uint64_t	state_bytes;	/* agents: bytes of all saved sessions */
	uint64_t	secret[2];		/* postmaster: key of the fingerprints, which no client may foresee */
} CledgerHeader;

/* Where the clients' entries begin, in memory that begins at a cache line. */
#define CLEDGER_CLIENTS ((sizeof(CledgerHeader) + CLEDGER_LINE - 1) / CLEDGER_LINE * CLEDGER_LINE)

static inline size_t
cledger_size(uint32_t clients, uint32_t servers)
{
	return CLEDGER_CLIENTS + (clients + 1) * sizeof(CledgerClient) +
		(servers + 1) * sizeof(CledgerServer);
}

/* What people call a reason, by the number of its bit below CLEDGER_PIN_REASONS. */
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

/* The worker's token; "" when there is none. */
static inline const char *
cledger_token(const CledgerHeader *ledger)
{
	return ledger->token;
}

/* The entry of a slot; slot 0 stands in for one that does not exist. */
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

static inline uint64_t
cledger_reference(uint32_t slot, uint32_t generation)
{
	return (uint64_t) generation << 32 | slot;
}

/* The worker writes down which server a client of its has, or had last, unless it stands there. */
CLEDGER_HOT static inline void
cledger_client_served(CledgerHeader *ledger, uint64_t client, uint32_t server)
{
	CledgerClient *entry = cledger_client(ledger, (uint32_t) client);

	if (entry->server != server)
		__atomic_store_n(&entry->server, server, __ATOMIC_RELAXED);
}

/* The environment that a client's session was in last; 0: not known. The worker chooses servers by it. */
CLEDGER_HOT static inline uint64_t
cledger_client_environment(CledgerHeader *ledger, uint64_t client)
{
	return __atomic_load_n(&cledger_client(ledger, (uint32_t) client)->environment, __ATOMIC_RELAXED);
}

/* Which values of the settings that are reported a client knows: see reports.c; 0: not known. */
static inline uint32_t
cledger_client_reports(CledgerHeader *ledger, uint64_t client)
{
	return __atomic_load_n(&cledger_client(ledger, (uint32_t) client)->reports, __ATOMIC_RELAXED);
}

/* The worker has told a client what an agent has told another one. */
static inline void
cledger_client_knows(CledgerHeader *ledger, uint64_t client, uint32_t reports)
{
	__atomic_store_n(&cledger_client(ledger, (uint32_t) client)->reports, reports, __ATOMIC_RELAXED);
}

/* After so many milliseconds idle the client's session is to end; 0: never. Its agent or the worker writes it. */
static inline uint32_t
cledger_client_idle_timeout(CledgerHeader *ledger, uint64_t client)
{
	return __atomic_load_n(&cledger_client(ledger, (uint32_t) client)->idle_session_timeout, __ATOMIC_RELAXED);
}

static inline void
cledger_client_may_idle(CledgerHeader *ledger, uint64_t client, uint32_t milliseconds)
{
	CledgerClient *entry = cledger_client(ledger, (uint32_t) client);

	if (entry->idle_session_timeout != milliseconds)
		__atomic_store_n(&entry->idle_session_timeout, milliseconds, __ATOMIC_RELAXED);
}

/* An agent writes it down, unless it stands there. */
static inline void
cledger_client_is_in(CledgerHeader *ledger, uint64_t client, uint64_t environment)
{
	CledgerClient *entry = cledger_client(ledger, (uint32_t) client);

	if (entry->environment != environment)
		__atomic_store_n(&entry->environment, environment, __ATOMIC_RELAXED);
}

/* The environment that a server's caches were made in; 0: in several. */
CLEDGER_HOT static inline uint64_t
cledger_server_environment(const CledgerServer *server)
{
	return __atomic_load_n(&server->environment, __ATOMIC_RELAXED);
}

/* The worker says what stands in front of the bytes of the client it is about to attach. */
CLEDGER_HOT static inline void
cledger_announce(CledgerServer *server, uint32_t message)
{
	__atomic_store_n(&server->message, message, __ATOMIC_RELEASE);
}

/*
 * The worker writes down whom a server serves, before it forwards that one's first byte;
 * unless it stands there, so that the agent can keep the line in its processor's cache.
 */
CLEDGER_HOT static inline void
cledger_attach(CledgerServer *server, uint64_t client)
{
	if (server->client != client)
		__atomic_store_n(&server->client, client, __ATOMIC_RELEASE);
}

/* The worker writes down whose statement is to end, before it sends the signal. */
static inline void
cledger_cancel(CledgerServer *server, uint64_t client)
{
	__atomic_store_n(&server->cancelled, client, __ATOMIC_RELEASE);
}

/* For whom a cancel is; in the agent's signal handler. */
static inline uint64_t
cledger_cancelled(const CledgerServer *server)
{
	return __atomic_load_n(&server->cancelled, __ATOMIC_ACQUIRE);
}

/* Whether SIGUSR2 may be sent to a process: it is the server of this entry, and its agent waits for that. */
static inline bool
cledger_takes_cancels(const CledgerServer *server, int32_t pid)
{
	return pid != 0 && __atomic_load_n(&server->pid, __ATOMIC_ACQUIRE) == pid &&
		__atomic_load_n(&server->is_cancellable, __ATOMIC_ACQUIRE) != 0;
}

/* Whom a server serves. */
static inline uint64_t
cledger_attached(const CledgerServer *server)
{
	return __atomic_load_n(&server->client, __ATOMIC_ACQUIRE);
}

/* Whether a server may have nobody else after this client; read as pins are. */
static inline bool
cledger_is_stale(const CledgerServer *server)
{
	return (__atomic_load_n(&server->pins, __ATOMIC_ACQUIRE) & CLEDGER_STALE) != 0;
}

/* Whether a server can go from client to client as it is: it has no pins, and is not stale. */
CLEDGER_HOT static inline bool
cledger_may_rest(const CledgerServer *server)
{
	return __atomic_load_n(&server->pins, __ATOMIC_ACQUIRE) == 0;
}

/* Why a server's client keeps it; read after its ReadyForQuery was received. */
CLEDGER_HOT static inline uint32_t
cledger_pins(const CledgerServer *server)
{
	return __atomic_load_n(&server->pins, __ATOMIC_ACQUIRE) & ~CLEDGER_STALE;
}

#endif
