/* procs.h: rows of pg_proc. */
#ifndef CARPOOL_PROCS_H
#define CARPOOL_PROCS_H

#include "postgres.h"

/* What the agent asks of a function. */
typedef struct CarpoolProc
{
	Oid			language;
	char		volatility;		/* PROVOLATILE_… */
} CarpoolProc;

/* procs.c: looks a function up, in a transaction. Returns false if there is none. */
extern bool carpool_proc_find(Oid function, CarpoolProc *proc);

#endif
