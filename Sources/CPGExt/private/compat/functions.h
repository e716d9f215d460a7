/*
 * functions.h: compiled functions as each server version keeps them: until 17 PL/pgSQL has a hash
 * table of its own (pl_comp.c), since 18 it shares one with functions in SQL (funccache.c).
 */
#ifndef CARPOOL_COMPAT_FUNCTIONS_H
#define CARPOOL_COMPAT_FUNCTIONS_H

#include "postgres.h"

#include "plpgsql.h"

#if PG_VERSION_NUM >= 180000
#include "utils/funccache.h"

typedef CachedFunctionHashKey CarpoolFunctionKey;
typedef CachedFunction CarpoolFunction;

#define CARPOOL_FUNCTIONS "Cached function hash"
#else
typedef PLpgSQL_func_hashkey CarpoolFunctionKey;
typedef PLpgSQL_function CarpoolFunction;

#define CARPOOL_FUNCTIONS "PLpgSQL function hash"
#endif

/* An entry of the table. */
typedef struct CarpoolFunctionEntry
{
	CarpoolFunctionKey key;
	CarpoolFunction *function;
} CarpoolFunctionEntry;

/* Returns whether an entry is one of a function, as far as can be told. */
static inline bool
carpool_is_function(const CarpoolFunctionEntry *entry)
{
	const CarpoolFunction *function = entry->function;

	if (function == NULL || function->fn_hashkey != &entry->key)
		return false;
#if PG_VERSION_NUM >= 180000
	/* (those of other languages tell no more of themselves) */
	return entry->key.cacheEntrySize != sizeof(PLpgSQL_function) ||
		((const PLpgSQL_function *) function)->fn_oid == entry->key.funcOid;
#else
	return function->fn_oid == entry->key.funcOid;
#endif
}

#endif
