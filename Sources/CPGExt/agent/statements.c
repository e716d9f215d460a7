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

/*
 * Before the body of each saved statement, or alone: the statement of this name was dropped.
 * What is saved is a list of such, to which changes are added.
 */
typedef struct Header
{
	uint64		fingerprint;	/* of the statement; 0: dropped */
	uint64		content;		/* fingerprint of the body */
	TimestampTz prepared;
	NameData	name;
	uint32		size;			/* of the body */
	uint32		unused;
	TimestampTz moment;			/* CarpoolPlan's */
} Header;

#define MUCH 65536				/* bytes of dropped statements in a list that is not written anew */

static HTAB *table;				/* name to PreparedStatement; NULL: nobody has prepared anything here */
static HashCopyFunc copy_of_postgres;	/* NULL: the table is not watched */

/*
 * The statements that are counted, as the session held them when it was looked at last. A
 * statement never changes; one that goes takes its plan source along, which we notice, and
 * the names of new ones are noted when they come.
 */
static long seen_count;
static uint64 seen_sum;			/* of the fingerprints */
static Size seen_size;			/* of what saves them */
static NameData *fresh;			/* names that came since */
static int	fresh_count;

/* What has changed since they were saved or loaded. */
static NameData *added;
static int	added_count;
static NameData *gone;
static int	gone_count;
static bool is_changed_unseen;	/* it is not known what */

static uint64 turn;				/* counts the loads */

/* Puts a name behind others, in memory that grows by doubling. */
static void
note(NameData **names, int *count, const char *name)
{
	if (*names == NULL)
		*names = MemoryContextAlloc(TopMemoryContext, 16 * sizeof(NameData));
	else if (*count >= 16 && (*count & (*count - 1)) == 0)
		*names = repalloc_huge(*names, 2 * *count * sizeof(NameData));
	namestrcpy(&(*names)[(*count)++], name);
}

/* A key of the table is written: a new entry's. */
static void *
note_fresh(void *to, const void *name, Size size)
{
	note(&fresh, &fresh_count, name);
	return copy_of_postgres(to, name, size);
}

static bool
find_table(void)
{
	if (table != NULL)
		return true;
	table = carpool_hash_find(CARPOOL_STATEMENTS_TABLE);
	if (table == NULL)
		return false;
	/* those that are there already are more than were seen */
	copy_of_postgres = carpool_hash_watch(table, note_fresh);
	return true;
}

static Size
size_of(const CarpoolPlan *plan)
{
	return sizeof(Header) + plan->size;
}

/* Counts a statement that is in the table. */
static void
count(PreparedStatement *statement, CarpoolPlan *plan, uint64 fingerprint)
{
	plan->counted = fingerprint;
	namestrcpy(&plan->name, statement->stmt_name);
	seen_sum += fingerprint;
	seen_size += size_of(plan);
	seen_count++;
}

static void
uncount(CarpoolPlan *plan)
{
	if (plan->counted == 0)
		return;
	seen_sum -= plan->counted;
	seen_size -= size_of(plan);
	seen_count--;
	plan->counted = 0;
}

void
carpool_statement_dropped(CarpoolPlan *plan)
{
	if (plan->counted == 0)
		return;
	note(&gone, &gone_count, NameStr(plan->name));
	uncount(plan);
}

/* What is held is what is saved. */
static void
note_saved(void)
{
	fresh_count = 0;
	added_count = 0;
	gone_count = 0;
	is_changed_unseen = false;
}

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
	count(statement, plan, fingerprint_of(statement, plan));
	note(&added, &added_count, statement->stmt_name);
}

/* Looks at the new ones. */
static void
look(void)
{
	for (int i = 0; i < fresh_count; i++)
	{
		PreparedStatement *statement = hash_search(table, NameStr(fresh[i]), HASH_FIND, NULL);

		if (statement != NULL)
			look_at(statement);
	}
	fresh_count = 0;
}

/* Looks at all. */
static void
look_at_all(void)
{
	HASH_SEQ_STATUS all;
	PreparedStatement *statement;

	seen_count = 0;
	seen_sum = 0;
	seen_size = 0;
	hash_seq_init(&all, table);
	while ((statement = hash_seq_search(&all)) != NULL)
	{
		carpool_plan_of(statement)->counted = 0;
		look_at(statement);
	}
	fresh_count = 0;
	is_changed_unseen = true;
}

static uint64
fingerprint(void)
{
	if (!find_table())
		return 0;
	if (fresh_count > 0)
		look();
	if (unlikely(seen_count != hash_get_num_entries(table)))
		look_at_all();
	return seen_count == 0 ? 0 : seen_sum != 0 ? seen_sum : 1;
}

static void
put(StringInfo to, const PreparedStatement *statement)
{
	const CarpoolPlan *plan = carpool_plan_of(statement);
	Header		header;

	memset(&header, 0, sizeof(header));
	header.fingerprint = plan->counted;
	header.content = plan->content;
	header.prepared = statement->prepare_time;
	namestrcpy(&header.name, statement->stmt_name);
	header.size = plan->size;
	header.moment = plan->moment;
	appendBinaryStringInfoNT(to, &header, sizeof(header));
	appendBinaryStringInfoNT(to, plan->body, plan->size);
}

static void
put_dropped(StringInfo to, const NameData *name)
{
	Header		header;

	memset(&header, 0, sizeof(header));
	header.name = *name;
	appendBinaryStringInfoNT(to, &header, sizeof(header));
}

static void
save(StringInfo to)
{
	HASH_SEQ_STATUS all;
	PreparedStatement *statement;

	hash_seq_init(&all, table);
	while ((statement = hash_seq_search(&all)) != NULL)
		put(to, statement);
	note_saved();
}

/* Those that were dropped go first, as one of the same name may have come. */
static bool
save_changes(StringInfo to, uint32 size)
{
	if (is_changed_unseen || size + gone_count * sizeof(Header) > 2 * seen_size + MUCH)
		return false;
	for (int i = 0; i < gone_count; i++)
		put_dropped(to, &gone[i]);
	for (int i = 0; i < added_count; i++)
	{
		const PreparedStatement *statement = hash_search(table, NameStr(added[i]), HASH_FIND, NULL);

		if (statement != NULL)
			put(to, statement);
	}
	note_saved();
	return true;
}

void
carpool_begin_transaction(void)
{
	if (!IsTransactionState())
		StartTransactionCommand();
}

/* Gives a statement of the table its plan source. */
static void
point(PreparedStatement *statement, CarpoolPlan *plan, const CarpoolSavedStatement *saved)
{
	statement->plansource = plan->source;
	statement->from_sql = carpool_plan_from_sql(plan->body);
	statement->prepare_time = saved->prepared;
	plan->turn = turn;
	uncount(plan);
	count(statement, plan, saved->fingerprint);
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

	uncount(plan);
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

/* The next one that was saved; NULL: there are no more. */
static const CarpoolSavedStatement *
next_saved(StringInfo from)
{
	static Header header;
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
	PreparedStatement *statement = hash_search(table, saved->name, HASH_ENTER, &found);
	CarpoolPlan *plan = found && statement->plansource != NULL ? carpool_plan_of(statement) : NULL;

	if (plan == NULL || !carpool_plan_keep(plan, saved, environment))
	{
		statement->plansource = NULL;
		if (plan != NULL)
		{
			uncount(plan);
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
	PreparedStatement *statement = hash_search(table, name, HASH_FIND, NULL);

	if (statement == NULL)
		return;
	if (statement->plansource != NULL)
		carpool_statement_detach(statement, environment);
	else
		(void) hash_search(table, name, HASH_REMOVE, NULL);
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

/* Attaches those of the saved statements that were left without a plan source. */
static void
attach_missing(StringInfo from, uint64 environment)
{
	const CarpoolSavedStatement *saved;

	for (int place = from->cursor = 0; (saved = next_saved(from)) != NULL; place = from->cursor)
	{
		const PreparedStatement *statement = hash_search(table, saved->name, HASH_FIND, NULL);

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
		if (!find_table())
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
static void
load(StringInfo from)
{
	uint64		environment = carpool_environment();
	long		expected;

	turn++;
	expected = replay(from, environment);
	if (!find_table())
		return;
	if (hash_get_num_entries(table) != expected)
		remove_others(environment);
	note_saved();
}

static void
load_changes(StringInfo from)
{
	(void) replay(from, carpool_environment());
	note_saved();
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
	note_saved();
}

const CarpoolStateKind carpool_statements_state = {
	.name = "statements",
	.pin = CLEDGER_PIN_STATEMENT,
	.fingerprint = fingerprint,
	.save = save,
	.save_changes = save_changes,
	.load = load,
	.load_changes = load_changes,
	.reset = reset,
	.self_test = carpool_statements_test,
};
