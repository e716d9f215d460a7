/*
 * cachedrop.c: makes PostgreSQL forget what it has made for clients so far. Nothing is freed
 * by force: each cache is told what an invalidation would tell it, and makes its content anew
 * at the next use. What PostgreSQL checks by itself at each use (search paths, row security,
 * definitions of objects) is left alone.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "parser/parser.h"
#include "tcop/tcopprot.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/partcache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "private/caches.h"
#include "private/dynahash.h"
#include "private/plans.h"
#include "private/session.h"

#define RELATIONS "Relcache by OID"

/* An entry of the table, as relcache.c has it. */
typedef struct Entry
{
	Oid			id;
	Relation	relation;
} Entry;

static bool
has_key_expressions(const RelationData *relation)
{
	return relation->rd_partkey != NULL && relation->rd_partkey->partexprs != NIL;
}

/*
 * Whether an entry of the relation cache has expressions that were planned for the first who
 * used them, with SQL functions put in their place and their EXECUTE rights checked; or a
 * foreign-data wrapper's answer, by which its use is not seen any more.
 */
static bool
has_expressions(const RelationData *relation)
{
	return relation->rd_indexprs != NIL || relation->rd_indpred != NIL || relation->rd_fdwroutine != NULL ||
		has_key_expressions(relation);
}

/*
 * Those of a table that is partitioned by columns are no one's: to read its partitions again
 * may take long. Where there is one that is partitioned by expressions, all partitions may be its.
 */
static List *
find_expressions(HTAB *table)
{
	HASH_SEQ_STATUS all;
	Entry	   *entry;
	List	   *found = NIL;
	List	   *partitions = NIL;
	bool		by_expressions = false;

	hash_seq_init(&all, table);
	while ((entry = hash_seq_search(&all)) != NULL)
	{
		by_expressions |= has_key_expressions(entry->relation);
		if (has_expressions(entry->relation))
			found = lappend_oid(found, entry->id);
		else if (entry->relation->rd_partcheck != NIL)
			partitions = lappend_oid(partitions, entry->id);
	}
	return by_expressions ? list_concat(found, partitions) : found;
}

static void
drop_relations(void)
{
	HTAB	   *table = carpool_hash_find(RELATIONS);
	List	   *found;
	ListCell   *cell;

	if (table == NULL)
		return;
	found = find_expressions(table);
	if (found == NIL)
		return;
	carpool_begin_transaction();
	foreach(cell, found)
		RelationCacheInvalidateEntry(lfirst_oid(cell));
	list_free(found);
}

void
carpool_caches_drop(void)
{
	carpool_plans_reset();
	carpool_plpgsql_drop();
	/* the current text search configuration */
	CallSyscacheCallbacks(TSCONFIGOID, (Datum) 0);
	carpool_caches_drop_expressions();
}

void
carpool_caches_drop_expressions(void)
{
	bool		in_transaction = IsTransactionState();

	/* checks of domains, by the type cache */
	CallSyscacheCallbacks(CONSTROID, (Datum) 0);
	drop_relations();
	if (!in_transaction && IsTransactionState())
		CommitTransactionCommand();
}

/* A saved plan source; the caller drops it. */
static CachedPlanSource *
make_source(void)
{
	const char *text = "SELECT 1";
	RawStmt    *statement = linitial_node(RawStmt, raw_parser(text, RAW_PARSE_DEFAULT));
	CachedPlanSource *source = CreateCachedPlan(statement, text, CMDTAG_SELECT);

	CompleteCachedPlan(source, pg_analyze_and_rewrite_fixedparams(statement, text, NULL, 0, NULL), NULL, NULL,
					   0, NULL, NULL, 0, true);
	SaveCachedPlan(source);
	return source;
}

static bool
drops_plans(void)
{
	CachedPlanSource *source = make_source();
	bool		was_valid = source->is_valid;
	bool		is_valid;

	carpool_plans_reset();
	is_valid = source->is_valid;
	DropCachedPlan(source);
	return was_valid && !is_valid;
}

static bool
finds_relations(void)
{
	HTAB	   *table = carpool_hash_find(RELATIONS);
	Oid			id = RelationRelationId;
	Relation	relation = table_open(id, AccessShareLock);
	Entry	   *entry = table == NULL ? NULL : hash_search(table, &id, HASH_FIND, NULL);
	bool		result = entry != NULL && entry->id == id && entry->relation == relation;

	table_close(relation, AccessShareLock);
	return result;
}

bool
carpool_caches_drop_test(StringInfo why)
{
	if (!drops_plans())
		appendStringInfoString(why, "plans are not dropped");
	else if (!finds_relations())
		appendStringInfoString(why, "the table of the relation cache is not found");
	return why->len == 0;
}
