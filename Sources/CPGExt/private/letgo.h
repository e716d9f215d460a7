/* letgo.h: backends that ask the worker to let go of a database before they change it. */
#ifndef CARPOOL_LETGO_H
#define CARPOOL_LETGO_H

#include "postgres.h"

/* In the postmaster: shared memory and the hook of utility statements. */
extern void carpool_letgo_request_memory(void);
extern void carpool_letgo_make_memory(void);
extern void carpool_utility_install(void);

/* In the worker. */
extern void carpool_letgo_open(void);
extern void carpool_letgo_close(void);
extern bool carpool_letgo_serve(void);

/* In a backend: clients that use the database and are not to be disturbed; 0 when it is free. */
extern int	carpool_letgo_ask(Oid database, bool force);

#endif
