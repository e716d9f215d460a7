/* host.h: the host that PostgreSQL is to the worker. */
#ifndef CARPOOL_PG_HOST_H
#define CARPOOL_PG_HOST_H

#include "chost.h"

extern CarpoolHost carpool_pg_host;

/* stopping.c: whether a smart shutdown is under way. */
extern bool carpool_server_is_stopping(void);

/* threadid.c: in a process forked from the postmaster, before any Swift runs in it. */
extern void carpool_forget_thread_id(void);

/* warmup.c */
extern void carpool_warm_up(void);

#endif
