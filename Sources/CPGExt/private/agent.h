/* agent.h: what runs in pooled backends; see docs/ARCHITECTURE.md. */
#ifndef CARPOOL_AGENT_H
#define CARPOOL_AGENT_H

#include "postgres.h"

#include "cledger.h"
#include "lib/stringinfo.h"

/* agent.c: in the postmaster, so that backends recognise the worker when it logs in. */
extern void carpool_agent_install(void);

extern CledgerServer *carpool_own_server;

/* This backend's entry in the ledger; NULL where no agent runs. */
static inline CledgerServer *
carpool_agent_server(void)
{
	return carpool_own_server;
}

/*
 * attach.c: the client whose session this is, by its reference in the ledger; 0: nobody's.
 * agent.c: whether the agent itself is at work.
 */
extern uint64 carpool_client;
extern uint64 carpool_held_client;	/* attach.c: while a session becomes another client's, whose it was */
extern bool carpool_agent_is_working;

/* sessionlock.c: the second lock, in every pooled backend. */
extern void carpool_session_lock_open(void);

/* The worker has sent something behind the login: from now on sessions are compared. */
extern void carpool_session_served(void);
extern bool carpool_session_answers(char type);	/* whether a message to the client answers one of its own */
extern void carpool_session_differs(void);	/* ends the backend, unless there is a reason */

/*
 * Ends the backend (FATAL, XX000) where the session is another client's than the worker
 * serves: before anything of a client runs. Nothing in a session without an agent.
 */
static inline void
carpool_session_check(void)
{
	if (carpool_own_server != NULL && unlikely(cledger_attached(carpool_own_server) != carpool_client))
		carpool_session_differs();
}

/* Nothing of what PostgreSQL sends to the client, but its last words, goes out while this is true. */
extern bool carpool_agent_silent;

/* attach.c: a session follows its client. */
extern void carpool_attach_open(void);
extern bool carpool_attach_needed(void);
extern void carpool_attach(void);	/* whoever the ledger says is served now */
extern void carpool_attach_transaction_ended(void); /* before ReadyForQuery goes out */
extern bool carpool_attach_self_test(uint32 *failed, void (*tell) (const char *mechanism, bool works, const char *why));

/* session_start.c: how a client's session starts, from in front of its first byte; true when answered. */
extern bool carpool_start_client(uint32 message);

/* keepalives.c: the settings of a client's TCP connection; once in each backend. */
extern void carpool_keepalives_open(void);

/* libraries.c: what functions have loaded in one backend of a pool is loaded in all of them. */
extern bool carpool_libraries_behind(void);
extern void carpool_libraries_load(void);
extern void carpool_libraries_ended(void);	/* before ReadyForQuery */

/* rolecatalog.c: the first list of CLEDGER_START, as the catalog has it now; in a transaction. */
extern void carpool_role_settings_read(StringInfo list);

/* become.c: the role of this backend's pool, for good. */
extern void carpool_become(Oid role);

/* become.c: no role but a superuser's may signal this backend any more. */
extern void carpool_become_untouchable(void);

/* become.c: where several roles share this backend, that of the next client; outside a transaction. */
extern void carpool_become_next(Oid role);

/* identity.c: whom the server's views and log show. */
extern void carpool_identity_open(void);
extern void carpool_identity_show(const CledgerClient *client);

#endif
