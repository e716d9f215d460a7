/*
 * planmoment.c: analyses a statement with 'now', 'today' and their like as constants, in another
 * backend, not at its first use but when it is made there, with the clock that it was prepared
 * by.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "private/plans.h"

/* A statement without columns has no other way but to be planned, too. */
static void
analyse(CachedPlanSource *source)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	if (source->resultDesc != NULL)
		(void) CachedPlanGetTargetList(source, NULL);
	else
		ReleaseCachedPlan(GetCachedPlan(source, NULL, NULL, NULL), NULL);
	PopActiveSnapshot();
}

void
carpool_plan_analyse_at(CachedPlanSource *source, TimestampTz moment)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	TimestampTz transaction = GetCurrentTransactionStartTimestamp();
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	BeginInternalSubTransaction(NULL);
	/* what 'now' is read as is the start of the transaction; nothing but the assertion is about workers */
	SetParallelStartTimestamps(moment, statement);
	PG_TRY();
	{
		analyse(source);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		RollbackAndReleaseCurrentSubTransaction();
		FlushErrorState();
	}
	PG_END_TRY();
	SetParallelStartTimestamps(transaction, statement);
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}
