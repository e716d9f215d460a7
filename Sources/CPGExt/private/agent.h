/* agent.h: the agent as others call it; see docs/ARCHITECTURE.md. */
#ifndef CARPOOL_AGENT_H
#define CARPOOL_AGENT_H

#include "postgres.h"

/* agent.c: in the postmaster, so that backends recognise the worker when it logs in. */
extern void carpool_agent_install(void);

/* attach.c: a session follows its client. */
extern void carpool_attach_open(void);
extern bool carpool_attach_needed(void);
extern void carpool_attach(void);	/* the client that the ledger says is served now */
extern void carpool_attach_transaction_ended(void); /* before ReadyForQuery goes out */

/* session_start.c: how a client's session starts, from in front of its first byte; true when answered. */
extern bool carpool_start_client(uint32 message);

#endif
