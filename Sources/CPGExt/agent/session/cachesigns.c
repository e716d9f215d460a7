/*
 * cachesigns.c: holds what is known of the backend's caches, for those who find it out
 * (cachefills.c, namechanges.c) and those who decide by it (caches.c, plans.c).
 */
#include "postgres.h"

#include "private/cachesigns.h"

uint64		carpool_caches_made_in;
bool		carpool_cache_fills_mixed;
bool		carpool_cache_fills_folded;
bool		carpool_cache_fills_ran_immutable;
bool		carpool_cache_names_changed;
