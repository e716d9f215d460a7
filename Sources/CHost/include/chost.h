/*
 * chost.h: the contract between the worker (Swift, PoolWorker) and whoever runs it:
 * the background worker of PostgreSQL (CPGExt), pgpool-launch, or a test.
 *
 * A host has one main thread; the worker has its own engine threads. A function of
 * CarpoolHost is called on engine threads and must be thread-safe and quick. A
 * carpool_worker_… function is called on the host's main thread, unless it says else.
 */
#ifndef CARPOOL_HOST_H
#define CARPOOL_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "csettings.h"

struct CledgerHeader;

#define CARPOOL_NAME_SIZE 128	/* user and database names, NUL included */
#define CARPOOL_SECRET_SIZE 2064	/* passwords and verifiers, NUL included */
#define CARPOOL_ROLE_SETTINGS_SIZE 4096 /* more can't be told, see CLEDGER_ROLE_UNKNOWN */
#define CARPOOL_NO_UID UINT32_MAX

/* What an engine thread asks of its host. */
typedef enum CarpoolQuestionKind
{
	CARPOOL_ASK_LOGIN,			/* may this client come in, and how does it prove itself? */
	CARPOOL_ASK_ROUTE,			/* where and as whom does a server of this pool log in? */
	CARPOOL_ASK_CONFIRM			/* does this backend really belong to this database and user? */
} CarpoolQuestionKind;

/* Who asked; comes back in the answer untouched. */
typedef struct CarpoolTicket
{
	uint32_t	thread;			/* engine thread, from 0 */
	uint32_t	slot;			/* of the client (LOGIN) or server (ROUTE, CONFIRM) */
	uint32_t	generation;
	uint32_t	kind;			/* CarpoolQuestionKind */
} CarpoolTicket;

/* Credentials that the worker holds for the pool's user, for ROUTE. */
enum
{
	CARPOOL_HOLDS_SCRAM_KEYS = 1,	/* ClientKey and ServerKey of a client's SCRAM login */
	CARPOOL_HOLDS_PASSWORD = 2, /* a clear-text password from a client's login */
	CARPOOL_NOT_AS_OWNER = 4,	/* a login as the cluster's owner didn't do */
	/* also for CONFIRM: a pool of several roles; user_id is the one that the server serves first, 0: none yet */
	CARPOOL_FOR_ROLES = 8
};

typedef struct CarpoolQuestion
{
	CarpoolTicket ticket;
	/* LOGIN: names as the client sent them, at most 63 bytes inside the database */
	char		user[CARPOOL_NAME_SIZE];
	char		database[CARPOOL_NAME_SIZE];
	struct sockaddr_storage peer;	/* the client's address; AF_UNIX for a Unix socket */
	uint32_t	peer_size;
	uint32_t	peer_uid;		/* Unix socket: the client's OS user; else CARPOOL_NO_UID */
	/* ROUTE, CONFIRM: the pool */
	uint32_t	database_id;
	uint32_t	user_id;
	uint32_t	holds;			/* ROUTE, CONFIRM: CARPOOL_HOLDS_… */
	int32_t		server_pid;		/* CONFIRM: from the server's BackendKeyData */
} CarpoolQuestion;

/* An error for a client; sqlstate "" means none. All strings end in NUL. */
typedef struct CarpoolError
{
	char		sqlstate[6];
	char		message[320];
	char		detail[320];
	char		hint[320];
} CarpoolError;

/* How a client proves who it is. */
typedef enum CarpoolMethod
{
	CARPOOL_METHOD_REFUSE,		/* see refusal; no exchange takes place */
	CARPOOL_METHOD_TRUST,		/* also: already proved, as with peer */
	CARPOOL_METHOD_PASSWORD,	/* clear-text password, against any kind of secret */
	CARPOOL_METHOD_MD5,			/* md5; SCRAM where the secret is a SCRAM verifier */
	CARPOOL_METHOD_SCRAM
} CarpoolMethod;

/* Settings of one (database, user), scoped values resolved. */
typedef struct CarpoolPoolSettings
{
	int32_t		pool_mode;		/* CarpoolPoolMode */
	int32_t		pool_size;		/* 0: no limit */
	int32_t		min_pool_size;
	int32_t		max_db_connections; /* 0: no limit */
	int32_t		max_user_connections;	/* 0: no limit; a role's CONNECTION LIMIT counts in */
	double		server_lifetime;
	double		client_idle_timeout;
	double		idle_transaction_timeout;
} CarpoolPoolSettings;

typedef struct CarpoolAnswer
{
	CarpoolTicket ticket;
	/*
	 * LOGIN: refusal is sent at once; failure only after the client has gone through
	 * the exchange and, with a secret, proved itself: so a role that does not exist or
	 * may not log in, or a database that is not there, looks like a wrong password.
	 * ROUTE, CONFIRM: failure says why the server can't be had.
	 */
	CarpoolError refusal;
	CarpoolError failure;
	int32_t		method;			/* CarpoolMethod */
	bool		mock_md5;		/* no secret: a md5 exchange would be the usual one here */
	uint8_t		mock_nonce[32]; /* seeds the salt shown for roles without a verifier */
	/* LOGIN: of the client. ROUTE: for the login to the server. Empty: none.
	 * "md5…" and "SCRAM-SHA-256$…" are verifiers, all else is a clear-text password. */
	char		secret[CARPOOL_SECRET_SIZE];
	/* LOGIN: what the pool is keyed by (OIDs inside the database) */
	uint32_t	database_id;
	uint32_t	user_id;
	bool		may_share;		/* LOGIN: the role may use the pool that roles of this database share */
	/*
	 * Moments, counted in changes: a server may serve a client if its facts are as late as the
	 * client's. LOGIN, CONFIRM: when what such a login takes on for its backend's life has
	 * changed last; ROUTE: now. See also carpool_worker_moved().
	 */
	uint64_t	facts;
	/*
	 * LOGIN: what ALTER ROLE and ALTER DATABASE have set for this login, where servers have
	 * agents: as in front of a client's startup parameters (cledger.h, CLEDGER_START).
	 */
	uint32_t	role_settings_size;
	char		role_settings[CARPOOL_ROLE_SETTINGS_SIZE];
	CarpoolPoolSettings pool;	/* LOGIN, ROUTE */
	/* ROUTE */
	struct sockaddr_storage server; /* AF_INET, AF_INET6 or AF_UNIX */
	uint32_t	server_size;
	char		server_user[CARPOOL_NAME_SIZE];
	char		server_database[CARPOOL_NAME_SIZE];
	/* CONFIRM: the ledger's slot of the agent in that backend; 0: it has none */
	uint32_t	server_slot;
	/* CONFIRM: it is the cluster's owner's, and has to become the pool's role (CLEDGER_BECOME) */
	bool		must_become;
} CarpoolAnswer;

typedef enum CarpoolLogLevel
{
	CARPOOL_LOG_DEBUG, CARPOOL_LOG_INFO, CARPOOL_LOG_WARNING, CARPOOL_LOG_ERROR
} CarpoolLogLevel;

typedef struct CarpoolHost
{
	void	   *context;		/* handed to every function below */

	/*
	 * Takes a question. Returns 1 when *answer has been filled at once, 0 when the
	 * answer will come through carpool_worker_answer(), -1 when no more questions can
	 * be queued now.
	 */
	int			(*ask) (void *context, const CarpoolQuestion *question, CarpoolAnswer *answer);

	/* Logs one line, without newline; dropped (and counted) when the queue is full. */
	void		(*log) (void *context, CarpoolLogLevel level, const char *line);

	/*
	 * Interrupts the statement that backend server_pid runs; where it has an agent, that of
	 * the client which its slot in the ledger names (cledger_cancel), and of nobody else. 0:
	 * it has none. True: the signal has been sent before the function returned, or there is
	 * nothing to interrupt. False: a CancelRequest has to be used.
	 */
	bool		(*cancel) (void *context, int32_t server_pid, uint32_t server_slot);

	/* Servers there may be at a time, as far as the host knows at the start. */
	int32_t		most_servers;

	/*
	 * No pool of this database, or of this user, is left; 0: of that one there are more. Called under a
	 * lock of the worker: it must not call the worker. NULL: the host keeps nothing for pools.
	 */
	void		(*forget) (void *context, uint32_t database_id, uint32_t user_id);

	const char *name;			/* "pg_carpool" or "pgpool-launch", for messages */
	bool		keeps_oids;		/* pools are keyed by OIDs, CONFIRM means something */

	/*
	 * The ledger that the worker shares with the agents in the backends; never given back.
	 * NULL where backends have no agents: the worker keeps one for itself.
	 */
	struct CledgerHeader *ledger;
} CarpoolHost;

/* How carpool_worker_drain() lets clients go. Both stop listening at once. */
typedef enum CarpoolDrain
{
	CARPOOL_DRAIN_TRANSACTIONS, /* close each client once it is outside a transaction, 57P01 */
	CARPOOL_DRAIN_CLIENTS		/* wait until the clients leave by themselves */
} CarpoolDrain;

/*
 * Opens the listeners and starts the engine threads. host and what it points to must
 * stay valid until the process ends. notify_fd is an eventfd of the host's, written
 * when an engine thread trapped or when the last client is gone while draining.
 * Returns 0, or -1 after logging why (nothing is left running then).
 */
int			carpool_worker_start(const CarpoolHost *host, const CarpoolSettings *settings, int notify_fd);

/* Answers a question asked earlier; any thread. The answer is copied. */
void		carpool_worker_answer(const CarpoolAnswer *answer);

/* New settings; those marked RESTART are ignored. */
void		carpool_worker_reload(const CarpoolSettings *settings);

void		carpool_worker_drain(CarpoolDrain how);

/* Clients connected, those still logging in included; any thread. */
int			carpool_worker_client_count(void);

/* Clients (logged in or about to be) and servers of a database; any thread. */
int			carpool_worker_database_clients(uint32_t database_id);
int			carpool_worker_database_servers(uint32_t database_id);

/* Closes the idle servers of a database soon; see carpool_worker_database_servers(). */
void		carpool_worker_evict(uint32_t database_id);

/*
 * The servers of a database are elsewhere, or gone, since this moment (as in CarpoolAnswer.facts): those
 * whose ROUTE was answered before are closed, the ones in use when their clients give them back.
 */
void		carpool_worker_moved(uint32_t database_id, uint64_t moment);

/*
 * Tells every client 57P01, closes all sockets, ends or parks all engine threads. After
 * it returns no engine thread runs code; nothing but leaving the process is left to do.
 */
void		carpool_worker_stop(void);

/* True when an engine thread has trapped: leave with carpool_worker_stop() now. */
bool		carpool_worker_trapped(void);

#endif
