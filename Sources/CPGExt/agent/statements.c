/*
 * statements.c: the client's prepared statements, those of PREPARE and those of the protocol,
 * as a kind of session state. What makes them is in planbody.c, the plan sources that are
 * kept without a client in plans.c.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "cledger.h"

#include "../private/caches.h"
#include "../private/state.h"
#include "../private/statements.h"

/* Before the body of each saved statement. */
typedef struct Header
{
	uint64		content;		/* fingerprint of the body */
	TimestampTz prepared;
	NameData	name;
	uint32		size;			/* of the body */
	uint32		unused;
	TimestampTz moment;			/* CarpoolPlan's */
} Header;

static HTAB *table;				/* name to PreparedStatement; NULL: nobody has prepared anything here */

/*
 * The table as it was looked at last. A statement never changes; one that goes takes its
 * plan source along, which we notice, so that equal numbers mean equal statements.
 */
static long seen_count;
static uint64 seen_fingerprint;

static uint64 turn;				/* counts the loads */

static bool
find_table(void)
{
	if (table == NULL)
		table = carpool_hash_find(CARPOOL_STATEMENTS_TABLE);
	return table != NULL;
}

static uint64
fingerprint_of(const char *name, TimestampTz prepared, uint64 content)
{
	return carpool_fingerprint(content + (uint64) prepared, name, strlen(name));
}

static void
note_seen(uint64 fingerprint)
{
	seen_count = hash_get_num_entries(table);
	seen_fingerprint = seen_count == 0 ? 0 : fingerprint != 0 ? fingerprint : 1;
	carpool_plan_dropped = false;
}

static void
look(void)
{
	HASH_SEQ_STATUS all;
	PreparedStatement *statement;
	uint64		sum = 0;

	hash_seq_init(&all, table);
	while ((statement = hash_seq_search(&all)) != NULL)
	{
		const CarpoolPlan *plan = carpool_plan_of(statement);

		sum += fingerprint_of(statement->stmt_name, statement->prepare_time, plan->content);
	}
	note_seen(sum);
}

static uint64
fingerprint(void)
{
	if (!find_table())
		return 0;
	if (carpool_plan_dropped || hash_get_num_entries(table) != seen_count)
		look();
	return seen_fingerprint;
}

static void
save(StringInfo to)
{
	HASH_SEQ_STATUS all;
	PreparedStatement *statement;

	carpool_put_uint64(to, hash_get_num_entries(table));
	carpool_put_uint64(to, fingerprint());
	hash_seq_init(&all, table);
	while ((statement = hash_seq_search(&all)) != NULL)
	{
		CarpoolPlan *plan = carpool_plan_of(statement);
		Header		header;

		memset(&header, 0, sizeof(header));
		header.content = plan->content;
		header.prepared = statement->prepare_time;
		namestrcpy(&header.name, statement->stmt_name);
		header.size = plan->size;
		header.moment = plan->moment;
		appendBinaryStringInfoNT(to, &header, sizeof(header));
		appendBinaryStringInfoNT(to, plan->body, plan->size);
	}
}

void
carpool_begin_transaction(void)
{
	if (!IsTransactionState())
		StartTransactionCommand();
}

/* Gives a statement of the table its plan source. */
static void
point(PreparedStatement *statement, CarpoolPlan *plan, TimestampTz prepared)
{
	statement->plansource = plan->source;
	statement->from_sql = carpool_plan_from_sql(plan->body);
	statement->prepare_time = prepared;
	plan->turn = turn;
}

/* The entry of a name, made when there is none; without a plan source for now. */
static PreparedStatement *
empty_entry(const char *name)
{
	bool		found;
	PreparedStatement *statement = hash_search(table, name, HASH_ENTER, &found);

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
	if (!find_table())
	{
		/* makes the table */
		StorePreparedStatement(saved->name, plan->source, carpool_plan_from_sql(saved->body));
		point(FetchPreparedStatement(saved->name, true), plan, saved->prepared);
		return;
	}
	if (!plan->source->is_saved)
		SaveCachedPlan(plan->source);
	point(empty_entry(saved->name), plan, saved->prepared);
}

CarpoolPlan *
carpool_statement_attach(const CarpoolSavedStatement *saved, uint64 environment)
{
	CarpoolPlan *plan = find_table() ? carpool_plan_take(saved, environment) : NULL;
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

	if (find_table())
		(void) hash_search(table, statement->stmt_name, HASH_REMOVE, NULL);
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

/* The next one that was saved. */
static const CarpoolSavedStatement *
next_saved(StringInfo from)
{
	static Header header;
	static CarpoolSavedStatement saved = {.name = NameStr(header.name)};

	memcpy(&header, next(from, sizeof(header)), sizeof(header));
	saved.prepared = header.prepared;
	saved.moment = header.moment;
	saved.content = header.content;
	saved.size = header.size;
	saved.body = next(from, header.size);
	return &saved;
}

/*
 * Gives a name of the table the saved statement's plan source, if it has that, or one is kept.
 * False: there is none yet; the name has none for now.
 */
static bool
replace(const CarpoolSavedStatement *saved, uint64 environment)
{
	bool		found;
	PreparedStatement *statement = hash_search(table, saved->name, HASH_ENTER, &found);
	CarpoolPlan *plan = found ? carpool_plan_of(statement) : NULL;

	if (plan == NULL || !carpool_plan_keep(plan, saved, environment))
	{
		statement->plansource = NULL;
		if (plan != NULL)
			carpool_plan_park(plan, environment);
		plan = carpool_plan_take(saved, environment);
	}
	if (plan == NULL)
		return false;
	point(statement, plan, saved->prepared);
	return true;
}

/* Takes out what is left of the former client. */
static void
remove_others(uint64 environment)
{
	HASH_SEQ_STATUS all;
	PreparedStatement *statement;

	hash_seq_init(&all, table);
	while ((statement = hash_seq_search(&all)) != NULL)
		if (statement->plansource != NULL && carpool_plan_of(statement)->turn != turn)
			carpool_statement_detach(statement, environment);
}

/* Attaches those of the saved statements that have no plan source. */
static void
attach_missing(StringInfo from, uint64 count, uint64 environment)
{
	for (uint64 i = 0; i < count; i++)
	{
		const CarpoolSavedStatement *saved = next_saved(from);
		PreparedStatement *statement = find_table() ? hash_search(table, saved->name, HASH_FIND, NULL) : NULL;

		if (statement == NULL || statement->plansource == NULL)
			(void) carpool_statement_attach(saved, environment);
	}
}

/*
 * Most statements of the next client have a name that the former one had, too, and often its
 * text; so what is there is replaced, and what is the same stays.
 */
static void
load(StringInfo from)
{
	uint64		count = carpool_get_uint64(from);
	uint64		fingerprint = carpool_get_uint64(from);
	int			start = from->cursor;
	uint64		environment = carpool_environment();
	uint64		missing = count;

	turn++;
	if (find_table())
	{
		for (uint64 i = 0; i < count; i++)
			if (replace(next_saved(from), environment))
				missing--;
		if ((uint64) hash_get_num_entries(table) != count)
			remove_others(environment);
	}
	if (missing > 0)
	{
		from->cursor = start;
		attach_missing(from, count, environment);
	}
	if (find_table())
		note_seen(fingerprint);
}

static void
reset(void)
{
	HASH_SEQ_STATUS all;
	PreparedStatement *statement;
	uint64		environment;

	if (!find_table() || hash_get_num_entries(table) == 0)
		return;
	environment = carpool_environment();
	hash_seq_init(&all, table);
	while ((statement = hash_seq_search(&all)) != NULL)
		carpool_statement_detach(statement, environment);
	note_seen(0);
}

const CarpoolStateKind carpool_statements_state = {
	.name = "statements",
	.pin = CLEDGER_PIN_STATEMENT,
	.fingerprint = fingerprint,
	.save = save,
	.load = load,
	.reset = reset,
	.self_test = carpool_statements_test,
};
