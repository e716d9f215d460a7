/*
 * namechanges.c: notices that names in a statement may have come to mean something else.
 * PostgreSQL analyses a plan source again when an object in it changes, but not when a new object
 * would now be found first: a table in a schema earlier in the search path, a better fitting
 * function. A statement that is prepared after that must not get a plan source from before.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "private/cachesigns.h"
#include "private/plans.h"

static bool names_changed;		/* since names_changed_at */
static TimestampTz names_changed_at;

/*
 * What a transaction itself changes, a temporary table among it, may be in what it has made,
 * and is gone again if it fails or when its client leaves.
 */
static void
note_change(Datum argument, int cache, uint32 hash)
{
	names_changed = true;
	carpool_cache_names_changed = true;
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		carpool_cache_fills_mixed = true;
}

void
carpool_names_watch(void)
{
	static const int caches[] = {
		RELOID, ATTNUM, PROCOID, TYPEOID, OPEROID, CASTSOURCETARGET, NAMESPACEOID
	};
	static bool is_watching;

	if (is_watching)
		return;
	is_watching = true;
	for (int i = 0; i < lengthof(caches); i++)
		CacheRegisterSyscacheCallback(caches[i], note_change, (Datum) 0);
}

bool
carpool_names_changed(TimestampTz since)
{
	if (names_changed)
	{
		names_changed = false;
		names_changed_at = GetCurrentTimestamp();	/* later than it was: that is the safe side */
	}
	return names_changed_at >= since;
}
