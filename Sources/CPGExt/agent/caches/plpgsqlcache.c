/*
 * plpgsqlcache.c: drops PL/pgSQL's compiled functions, which are in a private hash table of
 * PostgreSQL's; since 18 functions in SQL are there, too, with their plans. It frees none of them: a
 * function whose fn_xmin is not that of its row in pg_proc is compiled anew by PL/pgSQL itself at its
 * next call, into the same struct, so that pointers to it that are kept elsewhere stay good.
 *
 * PL/pgSQL sets fn_xmin when it begins to compile. If it fails then, the struct looks like a
 * function that is up to date, and has no body; only code that has kept a
 * pointer to it calls it. So the structs that were ever marked are remembered (PL/pgSQL never frees
 * them), and
 * after each error those that are in no table are marked again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "private/caches.h"
#include "private/compat/functions.h"
#include "private/dynahash.h"
#include "private/pins.h"

static HTAB *marked;			/* CarpoolFunction *; NULL: none so far */
static bool is_checked;			/* its entries are as we think */

static HTAB *
find(void)
{
	return carpool_hash_find(CARPOOL_FUNCTIONS);
}

static bool
are_fine(HTAB *table)
{
	HASH_SEQ_STATUS all;
	CarpoolFunctionEntry *entry;

	hash_seq_init(&all, table);
	while ((entry = hash_seq_search(&all)) != NULL)
		if (!carpool_is_function(entry))
		{
			hash_seq_term(&all);
			return false;
		}
	return true;
}

/*
 * Before ReadyForQuery; costs next to nothing. False: a function of the language ran, and the table
 * isn't there.
 */
bool
carpool_plpgsql_works(StringInfo why)
{
	HTAB	   *table;

	if (is_checked || !carpool_functions_saw_plpgsql())
		return true;
	table = find();
	if (table == NULL)
	{
		if (why)
			appendStringInfoString(why, "the table of PL/pgSQL's functions is not found");
		return false;
	}
	if (!are_fine(table))
	{
		if (why)
			appendStringInfoString(why, "an entry of the table of PL/pgSQL's functions is not as expected");
		return false;
	}
	/* one without functions tells nothing */
	is_checked = hash_get_num_entries(table) > 0;
	return true;
}

static void
remember(CarpoolFunction *function)
{
	HASHCTL		control = {.keysize = sizeof(function), .entrysize = sizeof(function)};

	if (marked == NULL)
		marked = hash_create("carpool's marked functions", 64, &control, HASH_ELEM | HASH_BLOBS);
	(void) hash_search(marked, &function, HASH_ENTER, NULL);
}

/* Between transactions only, when none of them runs. */
void
carpool_plpgsql_drop(void)
{
	HTAB	   *table = find();
	HASH_SEQ_STATUS all;
	CarpoolFunctionEntry *entry;

	if (table == NULL)
		return;
	hash_seq_init(&all, table);
	while ((entry = hash_seq_search(&all)) != NULL)
	{
		if (!carpool_is_function(entry) || entry->function->use_count != 0)
			elog(ERROR, "a compiled function of PL/pgSQL is not as expected");
		if (!TransactionIdIsValid(entry->function->fn_xmin))
			continue;
		remember(entry->function);
		entry->function->fn_xmin = InvalidTransactionId;
	}
}

static void
mark_unfinished(void)
{
	HASH_SEQ_STATUS all;
	CarpoolFunction **entry;

	if (marked == NULL)
		return;
	hash_seq_init(&all, marked);
	while ((entry = hash_seq_search(&all)) != NULL)
		if ((*entry)->fn_hashkey == NULL)
			(*entry)->fn_xmin = InvalidTransactionId;
}

static void
transaction_ended(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_ABORT)
		mark_unfinished();
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		mark_unfinished();
}

void
carpool_plpgsql_open(void)
{
	RegisterXactCallback(transaction_ended, NULL);
	RegisterSubXactCallback(subtransaction_ended, NULL);
}
