/*
 * chost.h: the contract between the worker (Swift, PoolWorker) and its host, which runs it:
 * the background worker of PostgreSQL (CPGExt), pgpool-launch, or a test.
 *
 * A host has one main thread; the worker has its own engine threads. Engine threads call the
 * functions of CarpoolHost, which must be thread-safe and quick. The host calls a
 * carpool_worker_… function on its main thread, unless the function allows any thread.
 */
#ifndef CARPOOL_HOST_H
#define CARPOOL_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "cnumbers.h"
#include "csettings.h"

struct CledgerHeader;

#define CARPOOL_NAME_SIZE 128	/* user and database names, NUL included */
#define CARPOOL_SECRET_SIZE 2064	/* passwords and verifiers, NUL included */
#define CARPOOL_ROLE_SETTINGS_SIZE 4096 /* a host doesn't tell more, see CLEDGER_ROLE_UNKNOWN */
#define CARPOOL_NO_UID UINT32_MAX

typedef struct CarpoolQuestion
{
	CarpoolTicket ticket;
	CarpoolQuestionNumbers numbers;
	/* LOGIN: names as the client sent them, at most 63 bytes inside the database */
	char		user[CARPOOL_NAME_SIZE];
	char		database[CARPOOL_NAME_SIZE];
	struct sockaddr_storage peer;	/* the client's address; AF_UNIX for a Unix socket */
	uint32_t	peer_size;
	uint32_t	peer_uid;		/* Unix socket: the client's OS user; else CARPOOL_NO_UID */
} CarpoolQuestion;

/* An error for a client; sqlstate "" means none. A NUL ends each string. */
typedef struct CarpoolError
{
	char		sqlstate[6];
	char		message[320];
	char		detail[320];
	char		hint[320];
} CarpoolError;

typedef struct CarpoolAnswer
{
	CarpoolTicket ticket;
	CarpoolAnswerNumbers numbers;
	/*
	 * LOGIN: the worker sends refusal at once; it sends failure only after the client has gone
	 * through the exchange and, with a secret, proved itself. So a role that does not exist or
	 * may not log in, or a database that does not exist, looks like a wrong password.
	 * ROUTE, CONFIRM: failure says why the pool can't have the server.
	 */
	CarpoolError refusal;
	CarpoolError failure;
	uint8_t		mock_nonce[32]; /* seeds the salt that the worker shows for roles without a verifier */
	/*
	 * LOGIN: of the client. ROUTE: for the login to the server. Empty: none.
	 * "md5…" and "SCRAM-SHA-256$…" are verifiers, all else is a clear-text password.
	 */
	char		secret[CARPOOL_SECRET_SIZE];
	/*
	 * LOGIN, where servers have agents: what ALTER ROLE and ALTER DATABASE have set for this
	 * login, in the form of the first list of CLEDGER_START (cledger.h).
	 */
	char		role_settings[CARPOOL_ROLE_SETTINGS_SIZE];
	/* ROUTE */
	struct sockaddr_storage server; /* AF_INET, AF_INET6 or AF_UNIX */
	char		server_user[CARPOOL_NAME_SIZE];
	char		server_database[CARPOOL_NAME_SIZE];
} CarpoolAnswer;

typedef struct CarpoolHost
{
	void	   *context;		/* the worker hands it to every function below */

	/*
	 * Takes a question. Returns 1 if it has filled *answer, 0 if the host will answer by
	 * carpool_worker_answer(), -1 if the host's queue of questions is full.
	 */
	int			(*ask) (void *context, const CarpoolQuestion *question, CarpoolAnswer *answer);

	/* Logs one line, given without newline; drops (and counts) it if the queue is full. */
	void		(*log) (void *context, CarpoolLogLevel level, const char *line);

	/*
	 * Interrupts the statement that backend server_pid runs. Where the backend has an agent,
	 * server_slot is its slot in the ledger, and the statement must be one of the client that
	 * the slot names (cledger_cancel); server_slot 0: the backend has no agent. Returns true if
	 * the signal is sent or there is nothing to interrupt; false if the worker has to use a
	 * CancelRequest.
	 */
	bool		(*cancel) (void *context, int32_t server_pid, uint32_t server_slot);

	/* How many servers there may be at a time, as far as the host knows at the start. */
	int32_t		most_servers;

	/*
	 * Hears that no pool of this database, or of this user, is left; 0: pools of it are left. The
	 * worker holds a lock during the call, so the host must not call the worker. NULL: the host
	 * keeps nothing for pools.
	 */
	void		(*forget) (void *context, uint32_t database_id, uint32_t user_id);

	const char *name;			/* "pg_carpool" or "pgpool-launch", for messages */
	bool		keeps_oids;		/* OIDs are the keys of pools, and the host answers CONFIRM */

	/*
	 * The ledger that the worker shares with the agents in the backends, until the process ends.
	 * NULL where backends have no agents: the worker makes a ledger for itself.
	 */
	struct CledgerHeader *ledger;
} CarpoolHost;

/*
 * Opens the listeners and starts the engine threads. host and what it points to must
 * stay valid until the process ends. notify_fd is an eventfd of the host; the worker writes it
 * when an engine thread has trapped, or when the last client has left during a drain.
 * Returns 0, or -1 after it has logged why; then no thread of the worker runs.
 */
int			carpool_worker_start(const CarpoolHost *host, const CarpoolSettings *settings, int notify_fd);

/* Answers an earlier question; any thread. Copies the answer. */
void		carpool_worker_answer(const CarpoolAnswer *answer);

/* Takes over new settings, but for those marked RESTART. */
void		carpool_worker_reload(const CarpoolSettings *settings);

/* Stops listening and lets the clients go; notify_fd tells when the last one has left. */
void		carpool_worker_drain(CarpoolDrain how);

/* Returns the number of connected clients, those that still log in included; any thread. */
int			carpool_worker_client_count(void);

/* Return how many clients, logged in or about to be, and servers a database has; any thread. */
int			carpool_worker_database_clients(uint32_t database_id);
int			carpool_worker_database_servers(uint32_t database_id);

/* Closes the idle servers of a database soon; see carpool_worker_database_servers(). */
void		carpool_worker_evict(uint32_t database_id);

/*
 * Says that since this moment (see CarpoolAnswer.facts) a database has moved or is gone. The
 * worker closes the servers whose ROUTE got its answer before: idle ones at once, the others
 * when their clients give them back.
 */
void		carpool_worker_moved(uint32_t database_id, uint64_t moment);

/*
 * Tells every client 57P01, closes all sockets, ends or parks all engine threads. After
 * its return no engine thread runs code, and the host has to leave the process.
 */
void		carpool_worker_stop(void);

/* Returns true if an engine thread has trapped: the host then calls carpool_worker_stop() and leaves. */
bool		carpool_worker_trapped(void);

#endif
