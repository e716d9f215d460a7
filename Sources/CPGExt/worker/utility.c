/* utility.c: in every backend: statements on databases first make the worker let go of them. */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/syscache.h"

#include "private/compat.h"
#include "private/letgo.h"

static ProcessUtility_hook_type next_utility;

/* What a statement does to a database. */
typedef struct DatabaseUse
{
	const char *name;			/* NULL: nothing that concerns us */
	bool		is_copy;		/* it is the template of a new one */
	bool		creates;		/* needs the right to create databases */
	bool		force;			/* other users are thrown out */
} DatabaseUse;

/* The option of a statement called name, or NULL. */
static DefElem *
find_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
		if (strcmp(((DefElem *) lfirst(cell))->defname, name) == 0)
			return lfirst(cell);
	return NULL;
}

/* Which database has to be free of other users for a statement. */
static DatabaseUse
database_use(Node *statement, bool top_level)
{
	DatabaseUse use = {0};

	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			if (!top_level)
				break;			/* an error in a moment */
			use.name = ((DropdbStmt *) statement)->dbname;
			use.force = find_option(((DropdbStmt *) statement)->options, "force") != NULL;
			break;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType != OBJECT_DATABASE)
				break;
			use.name = ((RenameStmt *) statement)->subname;
			use.creates = true;
			break;
		case T_AlterDatabaseStmt:
			if (top_level && find_option(((AlterDatabaseStmt *) statement)->options, "tablespace"))
				use.name = ((AlterDatabaseStmt *) statement)->dbname;
			break;
		case T_CreatedbStmt:
			if (top_level)
			{
				DefElem    *option = find_option(((CreatedbStmt *) statement)->options, "template");

				use.name = option && option->arg ? defGetString(option) : "template1";
				use.is_copy = use.creates = true;
			}
			break;
		default:
			break;
	}
	return use;
}

/* Whether anybody may copy a database who may create one. */
static bool
is_template(Oid database)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
		ReleaseSysCache(tuple);
	}
	return result;
}

/* Whether the user has the rights for the statement: nobody else empties pools. */
static bool
is_permitted(const DatabaseUse *use, Oid database)
{
	if (use->creates && !have_createdb_privilege())
		return false;
	return carpool_owns_database(database, GetUserId()) || (use->is_copy && is_template(database));
}

/* Makes the worker let go of the database; PostgreSQL's own error when clients use it. */
static void
free_database(const DatabaseUse *use)
{
	Oid			database = get_database_oid(use->name, true);
	int			clients;

	if (!OidIsValid(database) || !is_permitted(use, database))
		return;					/* the statement itself complains */
	clients = carpool_letgo_ask(database, use->force);
	if (clients > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 use->is_copy
				 ? errmsg("source database \"%s\" is being accessed by other users", use->name)
				 : errmsg("database \"%s\" is being accessed by other users", use->name),
				 errdetail_plural("There is %d client of Carpool using the database.",
								  "There are %d clients of Carpool using the database.", clients, clients)));
}

/* The hook: looks at the statement's kind, and nearly always only passes on. */
static void
process_utility(PlannedStmt *statement, const char *text, bool read_only, ProcessUtilityContext context,
				ParamListInfo parameters, QueryEnvironment *environment, DestReceiver *receiver,
				QueryCompletion *completion)
{
	DatabaseUse use = database_use(statement->utilityStmt,
								   context == PROCESS_UTILITY_TOPLEVEL && !IsTransactionBlock());

	if (use.name && !RecoveryInProgress())
		free_database(&use);
	if (next_utility)
		next_utility(statement, text, read_only, context, parameters, environment, receiver, completion);
	else
		standard_ProcessUtility(statement, text, read_only, context, parameters, environment, receiver,
								completion);
}

/* Hooks in; in the postmaster, so that every backend has it. */
void
carpool_utility_install(void)
{
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
