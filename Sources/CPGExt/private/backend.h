/*
 * backend.h: what a pooled backend is beyond the session it has: its role, what views show of
 * it, its libraries, and whether a login would still get the same.
 */
#ifndef CARPOOL_BACKEND_H
#define CARPOOL_BACKEND_H

#include "postgres.h"

#include "cledger.h"

/* become.c: the role of this backend's pool, for good. */
extern void carpool_become(Oid role);

/* become.c: no role but a superuser's may signal this backend any more. */
extern void carpool_become_untouchable(void);

/* become.c: where several roles share this backend, that of the next client; outside a transaction. */
extern void carpool_become_next(Oid role);

/* identity.c: whom the server's views and log show. */
extern void carpool_identity_open(void);
extern void carpool_identity_show(const CledgerClient *client);

/* libraries.c: what functions have loaded in one backend of a pool is loaded in all of them. */
extern bool carpool_libraries_behind(void);
extern void carpool_libraries_load(void);
extern void carpool_libraries_ended(void);	/* before ReadyForQuery */

/* staleness.c: this backend's own facts, at its first ReadyForQuery, and when it has become another role. */
extern void carpool_staleness_open(void);
extern void carpool_staleness_took(Oid role, const char *name, bool is_superuser);

/*
 * staleness.c: before ReadyForQuery, outside a transaction: sets carpool_is_stale if this backend's
 * facts are gone.
 */
extern void carpool_staleness_look(void);

#endif
