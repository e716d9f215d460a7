/* statebytes.h: the bytes of saved sessions, and fingerprints. */
#ifndef CARPOOL_STATEBYTES_H
#define CARPOOL_STATEBYTES_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* Strings and numbers in a saved session; a string is its length and its bytes. */
extern void carpool_put_string(StringInfo to, const char *text);	/* NULL is told from "" */
extern void carpool_put_uint64(StringInfo to, uint64 value);
extern const char *carpool_get_string(StringInfo from); /* palloc'd; raises an error at the end */
extern uint64 carpool_get_uint64(StringInfo from);

/* The same where it lies, without a NUL behind it; NULL is NULL. */
extern const char *carpool_get_text(StringInfo from, uint32 *length);

/* A fingerprint of bytes, to be added up where order doesn't matter; never 0. */
extern uint64 carpool_fingerprint(uint64 seed, const void *bytes, Size size);

#endif
