/* ledger.h: the ledger in PostgreSQL's shared memory. */
#ifndef CARPOOL_PG_LEDGER_H
#define CARPOOL_PG_LEDGER_H

#include "postgres.h"

#include "cledger.h"
#include "lib/stringinfo.h"

/* The ledger; NULL before shared memory is made. */
extern CledgerHeader *carpool_ledger;

/* In the postmaster's hooks. */
extern void carpool_ledger_request_memory(void);
extern void carpool_ledger_make_memory(void);

/* In the worker's main thread: at its start, once a second, at its end. */
extern void carpool_ledger_open(void);
extern void carpool_ledger_sweep(void);
extern void carpool_ledger_close(void);

/* Slot of this backend, or of another's. */
extern uint32 carpool_ledger_own_slot(void);
extern uint32 carpool_ledger_slot_of(int pid);

/*
 * saved.c: saved sessions, in dynamic shared memory. get fills bytes (palloc'd, in the
 * current context; len 0 when there is none); put replaces what is there, an empty one
 * frees it.
 */
extern void carpool_saved_get(uint64 client, StringInfo bytes);
extern void carpool_saved_put(uint64 client, const StringInfo bytes);
extern void carpool_saved_free(uint32 slot);

/* The area they are in; made when there is none, or NULL. */
struct dsa_area;
extern struct dsa_area *carpool_saved_area(bool make);

/*
 * unnamed_saved.c: the client's unnamed statement, in room of its own that is used again.
 * size 0: it has none. put and has give unnamed_saves; get is as above.
 */
extern uint32 carpool_unnamed_put(uint64 client, const char *bytes, uint32 size);
extern bool carpool_unnamed_has(uint64 client, uint32 *saves);
extern void carpool_unnamed_get(uint64 client, StringInfo bytes);
extern void carpool_unnamed_free(uint32 slot);

#endif
