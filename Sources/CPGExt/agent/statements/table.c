/*
 * table.c: holds PostgreSQL's table of prepared statements, and what is known of what is in it:
 * how many are counted, and which have come and gone since the client's were saved. Plan sources
 * that PostgreSQL frees (plans.c), what is loaded (statements_load.c) and what is looked at
 * (statements.c) are all noted here.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "private/dynahash.h"
#include "private/plans.h"
#include "private/settings.h"
#include "private/statements.h"
#include "private/variables.h"

CarpoolHeldStatements carpool_held_statements;

static CarpoolHeldStatements *const held = &carpool_held_statements;
static HashCopyFunc copy_of_postgres;	/* NULL: the table is not watched */

/* In memory that grows by doubling. */
void
carpool_statement_names_add(CarpoolStatementNames *names, const char *name)
{
	if (names->names == NULL)
		names->names = MemoryContextAlloc(TopMemoryContext, 16 * sizeof(NameData));
	else if (names->count >= 16 && (names->count & (names->count - 1)) == 0)
		names->names = repalloc_huge(names->names, 2 * names->count * sizeof(NameData));
	namestrcpy(&names->names[names->count++], name);
}

/* A key of the table is written: a new entry's. */
static void *
note_fresh(void *to, const void *name, Size size)
{
	carpool_statement_names_add(&held->fresh, name);
	return copy_of_postgres(to, name, size);
}

HTAB *
carpool_statements_find_table(void)
{
	held->table = held->place != NULL ? *held->place : carpool_hash_find(CARPOOL_STATEMENTS_TABLE);
	/* those that are there already are more than were seen */
	if (held->table != NULL)
		copy_of_postgres = carpool_hash_watch(held->table, note_fresh);
	return held->table;
}

void
carpool_statements_find_place(const char *name)
{
	CarpoolVariables variables = carpool_variables();
	HTAB	   *table = carpool_statements_table();

	if (held->place != NULL || table == NULL || carpool_settings_breaks("many statements", NULL))
		return;
	for (void **word = variables.first; word < variables.end && held->place == NULL; word++)
	{
		if (*word != table)
			continue;
		*word = NULL;
		if (FetchPreparedStatement(name, false) == NULL)
			held->place = (HTAB **) word;
		*word = table;
	}
}

static Size
size_of(const CarpoolPlan *plan)
{
	return sizeof(CarpoolStatementHeader) + plan->size;
}

void
carpool_statements_count_anew(void)
{
	held->count = 0;
	held->sum = 0;
	held->size = 0;
}

void
carpool_statement_count(PreparedStatement *statement, CarpoolPlan *plan, uint64 fingerprint)
{
	plan->counted = fingerprint;
	namestrcpy(&plan->name, statement->stmt_name);
	held->sum += fingerprint;
	held->size += size_of(plan);
	held->count++;
}

void
carpool_statement_uncount(CarpoolPlan *plan)
{
	if (plan->counted == 0)
		return;
	held->sum -= plan->counted;
	held->size -= size_of(plan);
	held->count--;
	plan->counted = 0;
}

void
carpool_statement_dropped(CarpoolPlan *plan)
{
	if (plan->counted == 0)
		return;
	carpool_statement_names_add(&held->gone, NameStr(plan->name));
	carpool_statement_uncount(plan);
}

void
carpool_statements_note_saved(void)
{
	held->fresh.count = 0;
	held->added.count = 0;
	held->gone.count = 0;
	held->is_changed_unseen = false;
}
