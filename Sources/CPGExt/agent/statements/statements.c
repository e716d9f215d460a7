/*
 * statements.c: carries the client's prepared statements, those of PREPARE and those of the
 * protocol. planbody.c makes plan sources, plans.c keeps those without a client.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/builtins.h"

#include "private/environment.h"
#include "private/ledger.h"
#include "private/plans.h"
#include "private/session.h"
#include "private/state.h"
#include "private/statebytes.h"
#include "private/statements.h"

#define MANY 300				/* fewer are taken away one by one */
#define SOME 50					/* plan sources that are dropped at a time */
#define MUCH 65536				/* bytes of dropped statements in a list that is not written anew */

static CarpoolHeldStatements *const held = &carpool_held_statements;

static uint64
fingerprint_of(const PreparedStatement *statement, const CarpoolPlan *plan)
{
	return carpool_fingerprint(plan->content + (uint64) statement->prepare_time, statement->stmt_name,
							   strlen(statement->stmt_name));
}

/* Looks at a statement that may not be counted yet. */
static void
look_at(PreparedStatement *statement)
{
	CarpoolPlan *plan = carpool_plan_of(statement);

	if (plan->counted != 0)
		return;
	carpool_statement_count(statement, plan, fingerprint_of(statement, plan));
	carpool_statement_names_add(&held->added, statement->stmt_name);
}

/* Looks at the new ones. */
static void
look(void)
{
	for (int i = 0; i < held->fresh.count; i++)
	{
		PreparedStatement *statement =
			hash_search(held->table, NameStr(held->fresh.names[i]), HASH_FIND, NULL);

		if (statement != NULL)
			look_at(statement);
	}
	held->fresh.count = 0;
}

/* Looks at all. */
static void
look_at_all(void)
{
	HASH_SEQ_STATUS all;
	PreparedStatement *statement;

	carpool_statements_count_anew();
	hash_seq_init(&all, held->table);
	while ((statement = hash_seq_search(&all)) != NULL)
	{
		carpool_plan_of(statement)->counted = 0;
		look_at(statement);
	}
	held->fresh.count = 0;
	held->is_changed_unseen = true;
}

static uint64
fingerprint(void)
{
	if (carpool_statements_table() == NULL)
		return 0;
	if (held->fresh.count > 0)
		look();
	if (unlikely(held->count != hash_get_num_entries(held->table)))
		look_at_all();
	return held->count == 0 ? 0 : held->sum != 0 ? held->sum : 1;
}

static void
put(StringInfo to, const PreparedStatement *statement)
{
	const CarpoolPlan *plan = carpool_plan_of(statement);
	CarpoolStatementHeader header;

	memset(&header, 0, sizeof(header));
	header.fingerprint = plan->counted;
	header.content = plan->content;
	header.prepared = statement->prepare_time;
	namestrcpy(&header.name, statement->stmt_name);
	header.size = plan->size;
	header.moment = plan->moment;
	appendBinaryStringInfoNT(to, (const char *) &header, sizeof(header));
	appendBinaryStringInfoNT(to, plan->body, plan->size);
}

static void
put_dropped(StringInfo to, const NameData *name)
{
	CarpoolStatementHeader header;

	memset(&header, 0, sizeof(header));
	header.name = *name;
	appendBinaryStringInfoNT(to, (const char *) &header, sizeof(header));
}

static void
save(StringInfo to)
{
	HASH_SEQ_STATUS all;
	PreparedStatement *statement;

	hash_seq_init(&all, held->table);
	while ((statement = hash_seq_search(&all)) != NULL)
		put(to, statement);
	carpool_statements_note_saved();
}

/* Those that were dropped go first, as one of the same name may have come. */
static bool
save_changes(StringInfo to, uint32 size)
{
	if (held->is_changed_unseen ||
		size + held->gone.count * sizeof(CarpoolStatementHeader) > 2 * held->size + MUCH)
		return false;
	for (int i = 0; i < held->gone.count; i++)
		put_dropped(to, &held->gone.names[i]);
	for (int i = 0; i < held->added.count; i++)
	{
		const PreparedStatement *statement =
			hash_search(held->table, NameStr(held->added.names[i]), HASH_FIND, NULL);

		if (statement != NULL)
			put(to, statement);
	}
	carpool_statements_note_saved();
	return true;
}

/*
 * Very many statements are put away as a whole, the table that they are in: PostgreSQL makes
 * another one when it needs one. The next session with the same gets them back.
 */
typedef struct Drawer
{
	uint64		fingerprint;
	uint64		environment;
	uint64		client;			/* whose they are */
	HTAB	   *table;			/* NULL: nothing is in it */
	long		count;
	uint64		sum;
	Size		size;
} Drawer;

static Drawer drawer;
static HTAB *garbage;			/* nobody takes these back */

/* Detaches so many statements of a table at most; whether all. */
static bool
detach(HTAB *from, long most, uint64 environment)
{
	HASH_SEQ_STATUS all;
	PreparedStatement *statement;

	hash_seq_init(&all, from);
	while ((statement = hash_seq_search(&all)) != NULL)
	{
		CarpoolPlan *plan;

		if (most-- == 0)
		{
			hash_seq_term(&all);
			return false;
		}
		plan = carpool_plan_of(statement);
		plan->counted = 0;
		(void) hash_search(from, statement->stmt_name, HASH_REMOVE, NULL);
		carpool_plan_park(plan, environment);
	}
	return true;
}

static void
clear_garbage(long most)
{
	if (garbage == NULL || !detach(garbage, most, carpool_environment()))
		return;
	hash_destroy(garbage);
	garbage = NULL;
}

/* What is in the drawer waits to be dropped. */
static void
throw_away(void)
{
	clear_garbage(LONG_MAX);
	garbage = drawer.table;
	drawer.table = NULL;
}

/* Moves all into the drawer. */
static void
put_away(void)
{
	if (drawer.table != NULL)
		throw_away();
	drawer = (Drawer) {
		.fingerprint = fingerprint(), .environment = carpool_environment(), .client = carpool_held_client,
		.table = held->table, .count = held->count, .sum = held->sum, .size = held->size
	};
	*held->place = NULL;
	held->table = NULL;
	carpool_statements_count_anew();
}

static void
reset(void)
{
	if (carpool_statements_table() == NULL || fingerprint() == 0)
		return;
	if (held->place != NULL && held->count >= MANY)
		put_away();
	else
	{
		(void) detach(held->table, LONG_MAX, carpool_environment());
		carpool_statements_count_anew();
	}
	carpool_statements_note_saved();
}

static bool
take(uint64 wanted)
{
	Drawer		wanted_drawer = drawer;

	if (drawer.table == NULL || drawer.fingerprint != wanted || drawer.environment != carpool_environment())
		return false;
	drawer.table = NULL;
	reset();
	/* an empty one may be there */
	if (carpool_statements_table() != NULL)
		hash_destroy(held->table);
	held->table = wanted_drawer.table;
	*held->place = held->table;
	held->count = wanted_drawer.count;
	held->sum = wanted_drawer.sum;
	held->size = wanted_drawer.size;
	carpool_statements_note_saved();
	return true;
}

/* Whether the client of those in the drawer has left. */
static bool
is_left(void)
{
	return drawer.table != NULL && drawer.client != carpool_client &&
		cledger_client(carpool_ledger, (uint32) drawer.client)->generation != (uint32) (drawer.client >> 32);
}

bool
carpool_statements_are_untidy(void)
{
	return garbage != NULL || carpool_plans_are_many() || is_left();
}

void
carpool_statements_tidy(void)
{
	if (garbage == NULL && is_left())
		throw_away();
	clear_garbage(SOME);
	carpool_plans_trim(SOME);
}

const CarpoolStateKind carpool_statements_state = {
	.name = "statements",
	.pin = CLEDGER_PIN_STATEMENT,
	.fingerprint = fingerprint,
	.save = save,
	.save_changes = save_changes,
	.take = take,
	.load = carpool_statements_load,
	.load_changes = carpool_statements_load_changes,
	.reset = reset,
};
