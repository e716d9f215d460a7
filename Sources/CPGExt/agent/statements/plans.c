/*
 * plans.c: keeps what is known of plan sources, and those that wait for a client. They stay
 * ordinary saved plan sources: PostgreSQL invalidates them and analyses them again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "parser/analyze.h"
#include "utils/timestamp.h"

#include "private/cachesigns.h"
#include "private/environment.h"
#include "private/plans.h"
#include "private/session.h"
#include "private/statebytes.h"
#include "private/statements.h"

#define BUCKETS 512

static dlist_head buckets[BUCKETS]; /* of idle ones, by content and environment */
static dlist_head all = DLIST_STATIC_INIT(all);
static dlist_head ages = DLIST_STATIC_INIT(ages);
static int	idle;
static Size idle_size;			/* their memory */

static void
unlink_idle(CarpoolPlan *plan)
{
	dlist_delete(&plan->bucket);
	dlist_delete(&plan->age);
	plan->is_idle = false;
	idle--;
	idle_size -= plan->memory;
}

/* PostgreSQL frees a plan source. */
static void
dropped(void *argument)
{
	CarpoolPlan *plan = argument;

	dlist_delete(&plan->all);
	if (plan->is_idle)
		unlink_idle(plan);
	else
		carpool_statement_dropped(plan);
}

CarpoolPlan *
carpool_plan_note(CachedPlanSource *source, const char *body, uint32 size, TimestampTz analysed)
{
	CarpoolPlan *plan = MemoryContextAllocZero(source->context, offsetof(CarpoolPlan, body) + size);

	carpool_names_watch();
	plan->source = source;
	plan->is_shareable = carpool_plan_is_timeless(source);
	plan->content = carpool_fingerprint(0, body, size);
	plan->environment = carpool_environment();
	plan->analysed = analysed;
	plan->size = size;
	memcpy(plan->body, body, size);
	plan->dropped.func = dropped;
	plan->dropped.arg = plan;
	MemoryContextRegisterResetCallback(source->context, &plan->dropped);
	dlist_push_head(&all, &plan->all);
	return plan;
}

CarpoolPlan *
carpool_plan_of(const PreparedStatement *statement)
{
	CachedPlanSource *source = statement->plansource;
	CarpoolPlan *plan;
	StringInfoData body;

	for (MemoryContextCallback *each = source->context->reset_cbs; each != NULL; each = each->next)
		if (each->func == dropped)
			return each->arg;
	initStringInfo(&body);
	carpool_plan_write(&body, source, statement->from_sql);
	plan = carpool_plan_note(source, body.data, body.len, statement->prepare_time);
	if (!plan->is_shareable)
		plan->moment = GetCurrentTransactionStartTimestamp();
	pfree(body.data);
	return plan;
}

/* Has the text analysed and planned again at its next use. */
static void
invalidate(CarpoolPlan *plan)
{
	if (!carpool_plan_is_analysed(plan->source))
		return;
	plan->source->is_valid = false;
	if (plan->source->gplan != NULL)
		plan->source->gplan->is_valid = false;
	plan->analysed = GetCurrentTimestamp();
}

static dlist_head *
bucket_of(uint64 content, uint64 environment)
{
	return &buckets[(content ^ environment) % BUCKETS];
}

/* A parse tree takes many times its text. */
static Size
memory_of(const CachedPlanSource *source)
{
	Size		size = MemoryContextMemAllocated(source->context, true);

	return source->gplan != NULL ? size + MemoryContextMemAllocated(source->gplan->context, true) : size;
}

void
carpool_plan_park(CarpoolPlan *plan, uint64 environment)
{
	if (!plan->is_shareable)
	{
		DropCachedPlan(plan->source);
		return;
	}
	if (carpool_caches_are_private())
	{
		invalidate(plan);
		plan->environment = environment;
	}
	dlist_push_head(bucket_of(plan->content, plan->environment), &plan->bucket);
	dlist_push_head(&ages, &plan->age);
	plan->is_idle = true;
	plan->memory = memory_of(plan->source);
	idle++;
	idle_size += plan->memory;
}

bool
carpool_plans_are_many(void)
{
	return unlikely(idle > CARPOOL_IDLE_PLANS || idle_size > CARPOOL_IDLE_SIZE);
}

void
carpool_plans_trim(long most)
{
	while (carpool_plans_are_many() && most-- > 0)
		DropCachedPlan(dlist_tail_element(CarpoolPlan, age, &ages)->source);
}

/* Whether a plan source is that of a statement, as it would be prepared now. */
static bool
is_of(const CarpoolPlan *plan, const CarpoolSavedStatement *saved, uint64 environment)
{
	return plan->content == saved->content && plan->environment == environment && plan->size == saved->size &&
		memcmp(plan->body, saved->body, saved->size) == 0;
}

/*
 * Before a plan source serves a statement that was prepared at some time: names may mean
 * something else since it was analysed. What other backends have changed by then is heard of
 * at the begin of a transaction.
 */
static void
bring_up_to(CarpoolPlan *plan, TimestampTz prepared)
{
	if (plan->analysed >= prepared)
		return;
	carpool_begin_transaction();
	if (carpool_names_changed(plan->analysed))
		invalidate(plan);
	plan->analysed = Max(plan->analysed, prepared);
}

bool
carpool_plan_keep(CarpoolPlan *plan, const CarpoolSavedStatement *saved, uint64 environment)
{
	if (!plan->is_shareable || !is_of(plan, saved, environment))
		return false;
	if (carpool_caches_are_private())
		invalidate(plan);
	bring_up_to(plan, saved->prepared);
	return true;
}

CarpoolPlan *
carpool_plan_take(const CarpoolSavedStatement *saved, uint64 environment)
{
	dlist_iter	iter;

	dlist_foreach(iter, bucket_of(saved->content, environment))
	{
		CarpoolPlan *plan = dlist_container(CarpoolPlan, bucket, iter.cur);

		if (!is_of(plan, saved, environment))
			continue;
		unlink_idle(plan);
		bring_up_to(plan, saved->prepared);
		return plan;
	}
	return NULL;
}

/* Whether what a plan source is now is right for who may use it next. */
static bool
is_kept(const CarpoolPlan *plan)
{
	return plan->is_idle || plan->environment == carpool_environment();
}

/*
 * ResetPlanCache() makes all plan sources invalid, those of PL/pgSQL and of C functions among
 * them, of which nothing is known. The agent's own stay as they are: of each it is known in
 * which environment it was made, and it serves no other. Nothing is read in between.
 */
void
carpool_plans_reset(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &all)
	{
		CarpoolPlan *plan = dlist_container(CarpoolPlan, all, iter.cur);

		plan->was_valid = plan->source->is_valid;
		plan->was_planned = plan->source->gplan != NULL && plan->source->gplan->is_valid;
	}
	ResetPlanCache();
	dlist_foreach(iter, &all)
	{
		CarpoolPlan *plan = dlist_container(CarpoolPlan, all, iter.cur);

		if (!is_kept(plan))
			continue;
		plan->source->is_valid = plan->was_valid;
		if (plan->source->gplan != NULL)
			plan->source->gplan->is_valid = plan->was_planned;
	}
}
