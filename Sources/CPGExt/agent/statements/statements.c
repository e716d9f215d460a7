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

#include "private/agent.h"
#include "private/caches.h"
#include "private/ledger.h"
#include "private/settings.h"
#include "private/state.h"
#include "private/statements.h"
#include "private/variables.h"

#define MANY 300				/* fewer are taken away one by one */
#define SOME 50					/* plan sources that are dropped at a time */
#define MUCH 65536				/* bytes of dropped statements in a list that is not written anew */

static HTAB *table;				/* name to PreparedStatement; NULL: nobody has prepared anything here */
static HTAB **place;			/* PostgreSQL's variable that points to it; NULL: not found */
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
	table = place != NULL ? *place : carpool_hash_find(CARPOOL_STATEMENTS_TABLE);
	if (table == NULL)
		return false;
	/* those that are there already are more than were seen */
	copy_of_postgres = carpool_hash_watch(table, note_fresh);
	return true;
}

HTAB *
carpool_statements_table(void)
{
	return find_table() ? table : NULL;
}

void
carpool_statements_find_place(const char *name)
{
	CarpoolVariables variables = carpool_variables();

	if (place != NULL || !find_table() || carpool_settings_breaks("many statements", NULL))
		return;
	for (void **word = variables.first; word < variables.end && place == NULL; word++)
	{
		if (*word != table)
			continue;
		*word = NULL;
		if (FetchPreparedStatement(name, false) == NULL)
			place = (HTAB **) word;
		*word = table;
	}
}

static Size
size_of(const CarpoolPlan *plan)
{
	return sizeof(CarpoolStatementHeader) + plan->size;
}

static void
count_anew(void)
{
	seen_count = 0;
	seen_sum = 0;
	seen_size = 0;
}

/* Counts a statement that is in the table. */
void
carpool_statement_count(PreparedStatement *statement, CarpoolPlan *plan, uint64 fingerprint)
{
	plan->counted = fingerprint;
	namestrcpy(&plan->name, statement->stmt_name);
	seen_sum += fingerprint;
	seen_size += size_of(plan);
	seen_count++;
}

void
carpool_statement_uncount(CarpoolPlan *plan)
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
	carpool_statement_uncount(plan);
}

/* What is held is what is saved. */
void
carpool_statements_note_saved(void)
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
	carpool_statement_count(statement, plan, fingerprint_of(statement, plan));
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

	count_anew();
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
	CarpoolStatementHeader		header;

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
	CarpoolStatementHeader		header;

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
	carpool_statements_note_saved();
}

/* Those that were dropped go first, as one of the same name may have come. */
static bool
save_changes(StringInfo to, uint32 size)
{
	if (is_changed_unseen || size + gone_count * sizeof(CarpoolStatementHeader) > 2 * seen_size + MUCH)
		return false;
	for (int i = 0; i < gone_count; i++)
		put_dropped(to, &gone[i]);
	for (int i = 0; i < added_count; i++)
	{
		const PreparedStatement *statement = hash_search(table, NameStr(added[i]), HASH_FIND, NULL);

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
		.table = table, .count = seen_count, .sum = seen_sum, .size = seen_size
	};
	*place = NULL;
	table = NULL;
	count_anew();
}

static void
reset(void)
{
	if (!find_table() || fingerprint() == 0)
		return;
	if (place != NULL && seen_count >= MANY)
		put_away();
	else
	{
		(void) detach(table, LONG_MAX, carpool_environment());
		count_anew();
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
	if (find_table())
		hash_destroy(table);
	table = wanted_drawer.table;
	*place = table;
	seen_count = wanted_drawer.count;
	seen_sum = wanted_drawer.sum;
	seen_size = wanted_drawer.size;
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
	.self_test = carpool_statements_test,
};
