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
	CLEDGER_BECOME
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

typedef struct CledgerClient
{
	uint32_t	generation;		/* worker: counts the uses of the slot; odd while in use */
	uint32_t	process_id;		/* worker: as in the client's BackendKeyData */
	uint64_t	state;			/* agents: dsa_pointer of the saved session; 0: as after login */
	uint32_t	state_generation;	/* agents: whose state that is */
	uint32_t	saves;			/* agents: counts the changes of state */
	uint32_t	server;			/* worker: slot of the server it had last; 0: none */
	uint32_t	database;		/* worker: OIDs of its login */
	uint32_t	role;
	uint32_t	thread;			/* worker: engine thread */
	uint16_t	family;			/* worker: AF_INET, AF_INET6 or AF_UNIX */
	uint16_t	port;			/* host order */
	uint8_t		address[16];	/* network order; AF_INET: the first four */
	uint32_t	unnamed_lock;	/* agents, sweep: of the next three */
	uint64_t	unnamed;		/* dsa_pointer of the room for its unnamed statement; 0: none yet */
	uint32_t	unnamed_size;	/* bytes in use there; 0: it has no unnamed statement */
	uint32_t	unnamed_generation; /* whose that is */
	uint32_t	unnamed_saves;	/* agents: counts its changes */
} CledgerClient;

typedef struct CledgerServer
{
	int32_t		pid;			/* agent: its process; 0: nobody's */
	uint32_t	pins;			/* agent: CLEDGER_PIN_…, before each ReadyForQuery */
	uint64_t	client;			/* worker: the client it serves, before that one's first byte */
	uint32_t	message;		/* worker: CLEDGER_…, before client; the agent sets it back */
	uint32_t	role;			/* agent: OID it runs as */
	uint32_t	database;		/* agent */
	uint32_t	become;			/* worker: OID of the role of CLEDGER_BECOME */
	uint32_t	is_shared;		/* worker: it serves several roles, one after the other; before `become` */
	uint32_t	is_cancellable; /* agent: SIGUSR2 means to it what `cancelled` says; else it may mean anything */
	uint64_t	cancelled;		/* worker: the client whose statement is to end, before SIGUSR2 */
	uint64_t	attached;		/* agent: times a client other than the last was attached */
	uint64_t	saved;			/* agent: times a session was saved, and loaded */
	uint64_t	loaded;
	uint64_t	pinned;			/* agent: transactions that ended with a pin */
	uint64_t	ended;			/* agent, while test_times_agents is on: ends of transactions, */
	uint64_t	ended_ns;		/* their time, */
	uint64_t	attach_ns;		/* and that of attaching clients */
} CledgerServer;

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
	char		token[CLEDGER_TOKEN_SIZE];	/* worker: by which agents know it over TCP; anew at each start */
	uint64_t	pins[CLEDGER_PIN_REASONS];	/* agents: times each reason began */
} CledgerHeader;

static inline size_t
cledger_size(uint32_t clients, uint32_t servers)
{
	return sizeof(CledgerHeader) + (clients + 1) * sizeof(CledgerClient) +
		(servers + 1) * sizeof(CledgerServer);
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
	return (CledgerClient *) (ledger + 1) + (slot < ledger->client_slots ? slot : 0);
}

CLEDGER_HOT static inline CledgerServer *
cledger_server(CledgerHeader *ledger, uint32_t slot)
{
	return (CledgerServer *) ((CledgerClient *) (ledger + 1) + ledger->client_slots) +
		(slot < ledger->server_slots ? slot : 0);
}

static inline uint64_t
cledger_reference(uint32_t slot, uint32_t generation)
{
	return (uint64_t) generation << 32 | slot;
}

/* The worker writes down which server a client of its has, or had last. */
CLEDGER_HOT static inline void
cledger_client_served(CledgerHeader *ledger, uint64_t client, uint32_t server)
{
	__atomic_store_n(&cledger_client(ledger, (uint32_t) client)->server, server, __ATOMIC_RELAXED);
}

/* The worker says what stands in front of the bytes of the client it is about to attach. */
CLEDGER_HOT static inline void
cledger_announce(CledgerServer *server, uint32_t message)
{
	__atomic_store_n(&server->message, message, __ATOMIC_RELEASE);
}

/* The worker writes down whom a server serves, before it forwards that one's first byte. */
CLEDGER_HOT static inline void
cledger_attach(CledgerServer *server, uint64_t client)
{
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

/* Why a server's client keeps it; read after its ReadyForQuery was received. */
CLEDGER_HOT static inline uint32_t
cledger_pins(const CledgerServer *server)
{
	return __atomic_load_n(&server->pins, __ATOMIC_ACQUIRE);
}

#endif
