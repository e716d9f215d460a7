/*
 * plans.h: plan sources, which are what makes a prepared statement. They stay in their backend
 * when their client goes, and serve the next client with the same text.
 */
#ifndef CARPOOL_PLANS_H
#define CARPOOL_PLANS_H

#include "postgres.h"

#include "commands/prepare.h"
#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

/* Plan sources without a client that a backend keeps: their number, and bytes of memory. */
#define CARPOOL_IDLE_PLANS 1000
#define CARPOOL_IDLE_SIZE (32 * 1024 * 1024)

/*
 * What is known of a plan source. It is in the plan source's own memory context and goes
 * when PostgreSQL drops that; a callback of the context leads to it.
 */
typedef struct CarpoolPlan
{
	CachedPlanSource *source;
	MemoryContextCallback dropped;
	bool		is_idle;		/* without a client: in the two lists */
	Size		memory;			/* then: its bytes */
	bool		is_shareable;	/* its text means the same at any time */
	uint64		turn;			/* statements_load.c: the load that gave it to its client; */
	uint64		counted;		/* the fingerprint of its statement, while that is counted; */
	NameData	name;			/* and the statement's name */
	bool		was_valid;		/* carpool_plans_reset() */
	bool		was_planned;
	dlist_node	all;
	dlist_node	bucket;
	dlist_node	age;			/* the oldest last */
	uint64		content;		/* fingerprint of body */
	uint64		environment;	/* in which it was analysed and planned */
	TimestampTz analysed;		/* at this time or later, or at this time it was still right */
	TimestampTz moment;			/* what 'now' in it meant; 0: it has no such constant */
	uint32		size;			/* of body */
	char		body[FLEXIBLE_ARRAY_MEMBER];	/* planbody.c */
} CarpoolPlan;

/* A statement as it was saved; the strings are the buffer's. */
typedef struct CarpoolSavedStatement
{
	const char *name;
	uint64		fingerprint;	/* of the statement; 0: it was dropped */
	TimestampTz prepared;
	TimestampTz moment;			/* CarpoolPlan's */
	const char *body;
	uint32		size;
	uint64		content;		/* fingerprint of the body */
} CarpoolSavedStatement;

/*
 * planmoment.c: has a plan source analysed now, in a transaction, as it was at some time, so
 * that 'now' in it stays what it was. Where that fails, its first use shall tell the client.
 */
extern void carpool_plan_analyse_at(CachedPlanSource *source, TimestampTz moment);

/* planbody.c: all that makes a plan source, as bytes: equal bytes, equal plan sources. */
extern void carpool_plan_write(StringInfo to, const CachedPlanSource *source, bool from_sql);
extern CachedPlanSource *carpool_plan_make(const char *body, uint32 size);	/* in a transaction; not saved */
extern bool carpool_plan_from_sql(const char *body);

/* planparameters.c: has types of parameters inferred at its analysis, where those that came out won't do. */
extern void carpool_plan_infer(CachedPlanSource *source);

/* Whether its analysis looks anything up, so that it can be made invalid and analysed again. */
extern bool carpool_plan_is_analysed(const CachedPlanSource *source);

/* planbody.c: whether its text means the same whenever it is analysed. */
extern bool carpool_plan_is_timeless(const CachedPlanSource *source);

/*
 * namechanges.c: whether names may have come to mean something else since then. Changes are seen from the
 * first call of watch on.
 */
extern void carpool_names_watch(void);
extern bool carpool_names_changed(TimestampTz since);

/* plans.c: what is known of a statement's plan source; looked at now when it is new. */
extern CarpoolPlan *carpool_plan_of(const PreparedStatement *statement);
extern CarpoolPlan *carpool_plan_note(CachedPlanSource *source, const char *body, uint32 size,
									  TimestampTz analysed);

/* Keeps a plan source that no longer belongs to a statement, or drops it. */
extern void carpool_plan_park(CarpoolPlan *plan, uint64 environment);

/* Drops some of those that are kept beyond the limits, so many at most. */
extern void carpool_plans_trim(long most);
extern bool carpool_plans_are_many(void);

/* Whether that of the client who leaves can stay for a statement of the next one's, prepared at some time. */
extern bool carpool_plan_keep(CarpoolPlan *plan, const CarpoolSavedStatement *saved, uint64 environment);

/* A kept one for a statement prepared at some time; no longer kept then. NULL: there is none. */
extern CarpoolPlan *carpool_plan_take(const CarpoolSavedStatement *saved, uint64 environment);

/* plans.c: around ResetPlanCache(): the agent's plan sources are as valid as before. */
extern void carpool_plans_reset(void);

#endif
