/*
 * session.h: whose session this backend has, in variables that every part of the agent reads,
 * and the second lock, which compares them with the ledger.
 */
#ifndef CARPOOL_SESSION_H
#define CARPOOL_SESSION_H

#include "postgres.h"

#include "cledger.h"

extern CledgerServer *carpool_own_server;

/* This backend's entry in the ledger; NULL where no agent runs. */
static inline CledgerServer *
carpool_agent_server(void)
{
	return carpool_own_server;
}

/* The client whose session this is, by its reference in the ledger; 0: no client's. */
extern uint64 carpool_client;
extern uint64 carpool_held_client;	/* the same; while a session becomes another client's, whose it was */

/* Whether the agent itself is at work. */
extern bool carpool_agent_is_working;

/* This backend is not to serve another client: what it took on at its login has changed since. */
extern bool carpool_is_stale;

/* Nothing of what PostgreSQL sends to the client, but its last words, goes out while this is true. */
extern bool carpool_agent_silent;

/*
 * Between the two it is true. At the end PostgreSQL takes what has changed of the settings that
 * it reports for told.
 */
extern void carpool_silence_begin(void);
extern void carpool_silence_end(void);

/* Begins a transaction, unless one has begun. */
extern void carpool_begin_transaction(void);

/*
 * input.c: waits until the worker has sent something or the latch is set, which it resets;
 * may_wait false: looks whether that is so. Returns WL_SOCKET_READABLE and WL_LATCH_SET, or 0.
 * When the postmaster has died it ends the backend (FATAL, 57P01).
 */
extern uint32 carpool_input_wait(bool may_wait);

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

#endif
