/*
 * cnumbers.h: what of the contract of chost.h is numbers. The structs of chost.h hold long character
 * arrays, which Swift would import as tuples of thousands of elements; these it can use as they are.
 */
#ifndef CARPOOL_NUMBERS_H
#define CARPOOL_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

/* What an engine thread asks of its host. */
typedef enum CarpoolQuestionKind
{
	CARPOOL_ASK_LOGIN,			/* may this client come in, and how does it prove itself? */
	CARPOOL_ASK_ROUTE,			/* where and as whom does a server of this pool log in? */
	CARPOOL_ASK_CONFIRM			/* does this backend really belong to this database and user? */
} CarpoolQuestionKind;

/* Names the asker; the host copies it into the answer. */
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
	CARPOOL_NOT_AS_OWNER = 4,	/* a login as the cluster's owner has failed */
	/* also for CONFIRM: a pool of several roles; user_id is the first that the server serves, 0: none yet */
	CARPOOL_FOR_ROLES = 8
};

/* The numbers of a question. */
typedef struct CarpoolQuestionNumbers
{
	/* ROUTE, CONFIRM: the pool */
	uint32_t	database_id;
	uint32_t	user_id;
	uint32_t	holds;			/* ROUTE, CONFIRM: CARPOOL_HOLDS_… */
	int32_t		server_pid;		/* CONFIRM: from the server's BackendKeyData */
} CarpoolQuestionNumbers;

/* How a client proves who it is. */
typedef enum CarpoolMethod
{
	CARPOOL_METHOD_REFUSE,		/* see refusal; no exchange takes place */
	CARPOOL_METHOD_TRUST,		/* also: the host has proof already, as with peer */
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

/* The numbers of an answer; see CarpoolAnswer. */
typedef struct CarpoolAnswerNumbers
{
	int32_t		method;			/* LOGIN: CarpoolMethod */
	bool		mock_md5;		/* LOGIN: no secret: roles here usually have md5 hashes */
	/* LOGIN: the pool's key (OIDs inside the database) */
	uint32_t	database_id;
	uint32_t	user_id;
	bool		may_share;		/* LOGIN: the role may use the pool that roles of this database share */
	/*
	 * A moment, counted in changes: a server may serve a client if the server's facts are not
	 * older than the client's. LOGIN, CONFIRM: when the facts that such a login takes on for its
	 * backend's life changed last; ROUTE: now. See also carpool_worker_moved().
	 */
	uint64_t	facts;
	uint32_t	role_settings_size; /* LOGIN: bytes of role_settings; 0: not told */
	CarpoolPoolSettings pool;	/* LOGIN, ROUTE */
	uint32_t	server_size;	/* ROUTE: bytes of the server's address */
	/* CONFIRM: the ledger's slot of the agent in that backend; 0: the backend has no agent */
	uint32_t	server_slot;
	/* CONFIRM: the backend is logged in as the cluster's owner and has to become the pool's role */
	bool		must_become;
} CarpoolAnswerNumbers;

typedef enum CarpoolLogLevel
{
	CARPOOL_LOG_DEBUG, CARPOOL_LOG_INFO, CARPOOL_LOG_WARNING, CARPOOL_LOG_ERROR
} CarpoolLogLevel;

/* How carpool_worker_drain() lets clients go. Both stop listening at once. */
typedef enum CarpoolDrain
{
	CARPOOL_DRAIN_TRANSACTIONS, /* close each client with 57P01 once it is outside a transaction */
	CARPOOL_DRAIN_CLIENTS		/* wait until the clients leave by themselves */
} CarpoolDrain;

#endif
