/* reports.h: clients know what is reported, also when it changed while they were idle. */
#ifndef CARPOOL_REPORTS_H
#define CARPOOL_REPORTS_H

#include "postgres.h"

/* Gives a client the default of client_encoding that it knows, or this backend's own if it is new. */
extern void carpool_reports_take_encoding(uint64 client);

/*
 * reports.c: a client is attached, with this fingerprint of its login; it is to be told what
 * it doesn't know, unless it has just been told all. Outside a transaction. client 0: nobody.
 */
extern void carpool_reports_attached(uint64 client, uint64 startup, bool is_told);

/* At the end of a transaction, before ReadyForQuery. */
extern void carpool_reports_ended(uint64 client, uint64 startup);

/* Tells the client, before each ReadyForQuery that it gets. */
extern void carpool_reports_tell(void);

#endif
