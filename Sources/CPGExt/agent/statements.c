/*
 * statements.c: the client's prepared statements, those of PREPARE and those of the protocol,
 * as a kind of session state. What makes them is in planbody.c, the plan sources that are
 * kept without a client in plans.c.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "cledger.h"

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
} Header;

static HTAB *table;				/* name to PreparedStatement; NULL: nobody has prepared anything here */

/*
 * The table as it was looked at last. A statement never changes; one that goes takes its
 * plan source along, which we notice, so that equal numbers mean equal statements.
 */
static long seen_count;
static uint64 seen_fingerprint;

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
		appendBinaryStringInfoNT(to, &header, sizeof(header));
		appendBinaryStringInfoNT(to, plan->body, plan->size);
	}
}

CarpoolPlan *
carpool_statement_attach(const char *name, TimestampTz prepared, const char *body, uint32 size,
						 uint64 content, uint64 surroundings)
{
	CarpoolPlan *plan = carpool_plan_take(body, size, content, surroundings, prepared);
	PreparedStatement *statement;
	CachedPlanSource *source;
	bool		found;

	if (plan != NULL && find_table())
	{
		statement = hash_search(table, name, HASH_ENTER, &found);
		if (found)
			elog(ERROR, "prepared statement \"%s\" is still that of another client", name);
		statement->plansource = plan->source;
		statement->from_sql = carpool_plan_from_sql(body);
	}
	else
	{
		source = carpool_plan_make(body, size);
		plan = carpool_plan_note(source, body, size, GetCurrentTimestamp());
		StorePreparedStatement(name, source, carpool_plan_from_sql(body));
		statement = FetchPreparedStatement(name, true);
	}
	statement->prepare_time = prepared;
	return plan;
}

void
carpool_statement_detach(PreparedStatement *statement, uint64 surroundings)
{
	CarpoolPlan *plan = carpool_plan_of(statement);

	if (find_table())
		(void) hash_search(table, statement->stmt_name, HASH_REMOVE, NULL);
	carpool_plan_park(plan, surroundings);
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

static void
load(StringInfo from)
{
	uint64		count = carpool_get_uint64(from);
	uint64		surroundings = carpool_surroundings();
	uint64		sum = 0;

	for (uint64 i = 0; i < count; i++)
	{
		Header		header;
		const char *name;

		memcpy(&header, next(from, sizeof(header)), sizeof(header));
		name = NameStr(header.name);
		(void) carpool_statement_attach(name, header.prepared, next(from, header.size), header.size,
										header.content, surroundings);
		sum += fingerprint_of(name, header.prepared, header.content);
	}
	if (find_table())
		note_seen(sum);
}

static void
reset(void)
{
	HASH_SEQ_STATUS all;
	PreparedStatement *statement;
	uint64		surroundings;

	if (!find_table() || hash_get_num_entries(table) == 0)
		return;
	surroundings = carpool_surroundings();
	hash_seq_init(&all, table);
	while ((statement = hash_seq_search(&all)) != NULL)
		carpool_statement_detach(statement, surroundings);
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
