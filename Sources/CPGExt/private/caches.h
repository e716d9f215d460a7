/*
 * caches.h: what a backend keeps beyond a client: plans, PL/pgSQL's compiled functions,
 * checks of domains, expressions of indexes and partitions, the text search configuration.
 * All of it was made in some environment; a client of another one must not get it.
 */
#ifndef CARPOOL_CACHES_H
#define CARPOOL_CACHES_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* cachefills.c: notices what is put into the caches; once in each backend, at its login. */
extern void carpool_cache_fills_open(void);

/* caches.c: before ReadyForQuery outside a transaction: what its caches are worth from now on. */
extern void carpool_caches_ended(uint64 client);

/* caches.c: the session is the client's; another_role: the one before had another. */
extern void carpool_caches_enter(uint64 client, bool is_another, bool another_role);

/* caches.c: in a transaction. */
extern bool carpool_caches_self_test(StringInfo why);
#define CARPOOL_CACHES "caches"

/*
 * cachedrop.c: makes PostgreSQL forget all of it, but for the plans that the agent keeps by their
 * environment.
 */
extern void carpool_caches_drop(void);

/* cachedrop.c: checks of domains and expressions of relations only. */
extern void carpool_caches_drop_expressions(void);

/* cachedrop.c: whether what is to be dropped is found; in a transaction. */
extern bool carpool_caches_drop_test(StringInfo why);

/* plpgsqlcache.c: PL/pgSQL's compiled functions. works: as far as there are some, they are as we think. */
extern void carpool_plpgsql_drop(void);
extern void carpool_plpgsql_open(void);
extern bool carpool_plpgsql_works(StringInfo why);

#endif
