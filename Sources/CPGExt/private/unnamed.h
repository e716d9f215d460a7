/*
 * unnamed.h: the unnamed statement of the extended protocol. PostgreSQL keeps it in a static
 * variable of postgres.c until the next unnamed Parse, simple Query or Close, across
 * transactions. It changes in almost every transaction of its users, and so it is no
 * CarpoolStateKind: it has room of its own in each client's slot, and is loaded only for
 * those that don't begin with what drops it anyway.
 */
#ifndef CARPOOL_UNNAMED_H
#define CARPOOL_UNNAMED_H

#include "postgres.h"

#include "cledger.h"
#include "utils/plancache.h"

/*
 * unnamed_find.c: PostgreSQL's variable; NULL: it has not been found. Then whoever has had a
 * statement parsed keeps its server, and DISCARD ALL, sent as a simple Query when it leaves
 * that, drops the unnamed one.
 */
extern CachedPlanSource **carpool_unnamed;

/* Where PostgreSQL puts what it receives while it has nothing unread; NULL: not found. */
extern char *carpool_received;

/*
 * The search: before the backend's first ReadyForQuery goes out, PostgreSQL is given some
 * messages of ours to read in place of the worker's. Until it has
 * ended nothing that PostgreSQL sends is for the worker, that ReadyForQuery included.
 */
extern void carpool_unnamed_search(void);
extern bool carpool_unnamed_is_searching;
extern void carpool_unnamed_round(void);	/* at each ReadyForQuery; the last one ends it */
extern void carpool_unnamed_hear(char type, const char *bytes, size_t size);	/* at each other message */

/*
 * unnamed.c: before each ReadyForQuery outside a transaction: the client's slot gets what it has
 * now. False: that is too large.
 */
extern bool carpool_unnamed_save(uint64 client);

/*
 * Another client's, or of one who was elsewhere: what is here goes; then its own comes, if it is
 * asked for.
 */
extern void carpool_unnamed_drop(void);
extern void carpool_unnamed_load(uint64 client, bool can_peek);

/* As CledgerClient's, of what is held. */
extern uint32 carpool_unnamed_saves;

/* As CarpoolStateKind's; elsewhere than in pooled backends it says what those have found. */
extern bool carpool_unnamed_self_test(StringInfo why);
#define CARPOOL_UNNAMED "unnamed statement"

#endif
