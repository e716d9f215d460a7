/*
 * statements_load.c: puts saved statements into PostgreSQL's table, with plan sources that the
 * backend has kept where it has them (plans.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "private/environment.h"
#include "private/plans.h"
#include "private/session.h"
#include "private/statements.h"

static uint64 turn;				/* counts the loads */

/* Gives a statement of the table its plan source. */
static void
point(PreparedStatement *statement, CarpoolPlan *plan, const CarpoolSavedStatement *saved)
{
	statement->plansource = plan->source;
	statement->from_sql = carpool_plan_from_sql(plan->body);
	statement->prepare_time = saved->prepared;
	plan->turn = turn;
	carpool_statement_uncount(plan);
	carpool_statement_count(statement, plan, saved->fingerprint);
}

/* The entry of a name, made when there is none; without a plan source for now. */
static PreparedStatement *
empty_entry(const char *name)
{
	bool		found;
	PreparedStatement *statement = hash_search(carpool_statements_table(), name, HASH_ENTER, &found);

	if (found && statement->plansource != NULL)
		elog(ERROR, "prepared statement \"%s\" is still that of another client", name);
	statement->plansource = NULL;
	return statement;
}

/* Makes the plan source of a saved statement; not valid, unless it depends on the time. */
static CarpoolPlan *
make_plan(const CarpoolSavedStatement *saved)
{
	CachedPlanSource *source;
	CarpoolPlan *plan;

	carpool_begin_transaction();
	source = carpool_plan_make(saved->body, saved->size);
	plan = carpool_plan_note(source, saved->body, saved->size, GetCurrentTimestamp());
	plan->moment = saved->moment;
	return plan;
}

/* Gives the statement of a name its plan source. */
static void
store(const CarpoolSavedStatement *saved, CarpoolPlan *plan)
{
	if (carpool_statements_table() == NULL)
	{
		/* makes the table */
		StorePreparedStatement(saved->name, plan->source, carpool_plan_from_sql(saved->body));
		point(FetchPreparedStatement(saved->name, true), plan, saved);
		return;
	}
	if (!plan->source->is_saved)
		SaveCachedPlan(plan->source);
	point(empty_entry(saved->name), plan, saved);
}

CarpoolPlan *
carpool_statement_attach(const CarpoolSavedStatement *saved, uint64 environment)
{
	CarpoolPlan *plan = carpool_statements_table() != NULL ? carpool_plan_take(saved, environment) : NULL;
	bool		is_new = plan == NULL;

	if (is_new)
		plan = make_plan(saved);
	store(saved, plan);
	if (is_new && plan->moment != 0)
		carpool_plan_analyse_at(plan->source, plan->moment);
	return plan;
}

void
carpool_statement_detach(PreparedStatement *statement, uint64 environment)
{
	CarpoolPlan *plan = carpool_plan_of(statement);

	carpool_statement_uncount(plan);
	if (carpool_statements_table() != NULL)
		(void) hash_search(carpool_statements_table(), statement->stmt_name, HASH_REMOVE, NULL);
	carpool_plan_park(plan, environment);
}

/* The next size bytes, which stay the buffer's. */
static const char *
next(StringInfo from, Size size)
{
	const char *bytes = from->data + from->cursor;

	if (size > (Size) (from->len - from->cursor))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("saved statements end too early, after %d bytes", from->len)));
	from->cursor += (int) size;
	return bytes;
}

/* The next one that was saved; NULL: there are no more. */
static const CarpoolSavedStatement *
next_saved(StringInfo from)
{
	static CarpoolStatementHeader header;
	static CarpoolSavedStatement saved = {.name = NameStr(header.name)};

	if (from->cursor == from->len)
		return NULL;
	memcpy(&header, next(from, sizeof(header)), sizeof(header));
	saved.fingerprint = header.fingerprint;
	saved.prepared = header.prepared;
	saved.moment = header.moment;
	saved.content = header.content;
	saved.size = header.size;
	saved.body = next(from, header.size);
	return &saved;
}

/*
 * Gives a name of the table the saved statement's plan source, if it has that, or one is kept.
 * False: there is none yet; the name has none for now, but where the statement was saved.
 */
static bool
replace(const CarpoolSavedStatement *saved, uint64 environment, int place)
{
	bool		found;
	PreparedStatement *statement = hash_search(carpool_statements_table(), saved->name, HASH_ENTER, &found);
	CarpoolPlan *plan = found && statement->plansource != NULL ? carpool_plan_of(statement) : NULL;

	if (plan == NULL || !carpool_plan_keep(plan, saved, environment))
	{
		statement->plansource = NULL;
		if (plan != NULL)
		{
			carpool_statement_uncount(plan);
			carpool_plan_park(plan, environment);
		}
		plan = carpool_plan_take(saved, environment);
	}
	if (plan == NULL)
	{
		statement->prepare_time = place;
		return false;
	}
	point(statement, plan, saved);
	return true;
}

/* Takes out a statement that was dropped elsewhere. */
static void
remove_dropped(const char *name, uint64 environment)
{
	PreparedStatement *statement = hash_search(carpool_statements_table(), name, HASH_FIND, NULL);

	if (statement == NULL)
		return;
	if (statement->plansource != NULL)
		carpool_statement_detach(statement, environment);
	else
		(void) hash_search(carpool_statements_table(), name, HASH_REMOVE, NULL);
}

/* Takes out what is left of the former client. */
static void
remove_others(uint64 environment)
{
	HASH_SEQ_STATUS all;
	PreparedStatement *statement;

	hash_seq_init(&all, carpool_statements_table());
	while ((statement = hash_seq_search(&all)) != NULL)
		if (statement->plansource != NULL && carpool_plan_of(statement)->turn != turn)
			carpool_statement_detach(statement, environment);
}

/* Attaches those of the saved statements that were left without a plan source. */
static void
attach_missing(StringInfo from, uint64 environment)
{
	const CarpoolSavedStatement *saved;

	for (int place = from->cursor = 0; (saved = next_saved(from)) != NULL; place = from->cursor)
	{
		const PreparedStatement *statement =
			hash_search(carpool_statements_table(), saved->name, HASH_FIND, NULL);

		if (saved->fingerprint != 0 && statement != NULL && statement->plansource == NULL &&
			statement->prepare_time == place)
			(void) carpool_statement_attach(saved, environment);
	}
}

/* Does what was written down, in order. Returns how many statements have come, less those that have gone. */
static long
replay(StringInfo from, uint64 environment)
{
	const CarpoolSavedStatement *saved;
	bool		is_any_missing = false;
	long		result = 0;

	for (int place = from->cursor = 0; (saved = next_saved(from)) != NULL; place = from->cursor)
	{
		result += saved->fingerprint != 0 ? 1 : -1;
		if (carpool_statements_table() == NULL)
			(void) carpool_statement_attach(saved, environment);
		else if (saved->fingerprint == 0)
			remove_dropped(saved->name, environment);
		else if (!replace(saved, environment, place))
			is_any_missing = true;
	}
	if (is_any_missing)
		attach_missing(from, environment);
	return result;
}

/*
 * Most statements of the next client have a name that the former one had, too, and often its
 * text; so what is there is replaced, and what is the same stays.
 */
void
carpool_statements_load(StringInfo from)
{
	uint64		environment = carpool_environment();
	long		expected;

	turn++;
	expected = replay(from, environment);
	if (carpool_statements_table() == NULL)
		return;
	if (hash_get_num_entries(carpool_statements_table()) != expected)
		remove_others(environment);
	carpool_statements_note_saved();
}

void
carpool_statements_load_changes(StringInfo from)
{
	(void) replay(from, carpool_environment());
	carpool_statements_note_saved();
}
