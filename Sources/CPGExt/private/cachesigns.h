/*
 * cachesigns.h: what the backend's caches are worth: what their environment was, and what hooks
 * and callbacks have seen since they were dropped. caches.c decides by it.
 */
#ifndef CARPOOL_CACHESIGNS_H
#define CARPOOL_CACHESIGNS_H

#include "postgres.h"

#include "environment.h"

/* The environment in which they were made; CARPOOL_MIXED: in several. */
extern uint64 carpool_caches_made_in;

/*
 * Something was made in another environment than the session's: by SET LOCAL, in a function,
 * in a transaction that changed what names mean.
 */
extern bool carpool_cache_fills_mixed;

/* A user's immutable function became a constant of a plan: whatever it reads is read no more. */
extern bool carpool_cache_fills_folded;

/*
 * A user's immutable function ran outside of planning: it may have become a constant of a
 * domain's check or of a relation's expression, which are made without a plan.
 */
extern bool carpool_cache_fills_ran_immutable;

/* Names may have come to mean something else since the caches were dropped, as far as was heard. */
extern bool carpool_cache_names_changed;

/*
 * Whether the plans of the client that leaves are for no other client: they may have
 * been made in several environments.
 */
static inline bool
carpool_caches_are_private(void)
{
	return carpool_caches_made_in == CARPOOL_MIXED || carpool_cache_fills_folded;
}

#endif
