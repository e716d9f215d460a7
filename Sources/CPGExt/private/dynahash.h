/* dynahash.h: hash tables that PostgreSQL keeps to itself. */
#ifndef CARPOOL_DYNAHASH_H
#define CARPOOL_DYNAHASH_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/hsearch.h"

/*
 * dynahash.c: a private hash table of PostgreSQL's, by the name hash_create() was given;
 * NULL when it has not been made yet, or when the self-test failed.
 */
extern HTAB *carpool_hash_find(const char *name);
extern bool carpool_hash_self_test(StringInfo why);

/*
 * dynahash.c: has copier called for the key of each new entry in place of PostgreSQL's function,
 * which is returned for copier to call. NULL: that can't be done here.
 */
extern HashCopyFunc carpool_hash_watch(HTAB *table, HashCopyFunc copier);

#endif
