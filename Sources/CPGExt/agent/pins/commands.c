/*
 * commands.c: notices LISTEN, LOAD and DO, wherever they are executed: by a client, in a
 * function, in another DO. It does so in pooled backends only.
 */
#include "postgres.h"

#include <dlfcn.h>
#include <link.h>

#include "commands/defrem.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"

#include "private/pins.h"
#include "private/session.h"
#include "private/signs.h"

static ProcessUtility_hook_type next_utility;
static uint64 statements_seen;
static Size libraries_size;		/* of the names of the libraries in every backend; 0: not known */

/* At the end of the login the libraries of *_preload_libraries are loaded, and no other. */
void
carpool_libraries_note(void)
{
	if (libraries_size == 0)
		libraries_size = EstimateLibraryStateSpace();
}

char *
carpool_loaded_libraries(void)
{
	Size		size = EstimateLibraryStateSpace();
	char	   *names = palloc(size);

	SerializeLibraryState(size, names);
	return names;
}

/*
 * Whether a library, which is loaded by now, is in every backend. Where only a function
 * had loaded it before, LOAD changes nothing here, but would elsewhere. Names are listed
 * in the order of loading.
 */
static bool
is_everywhere(const char *file)
{
	char	   *names;
	void	   *handle = NULL;
	struct link_map *map = NULL;
	bool		result = false;

	(void) load_external_function(file, PG_MAGIC_FUNCTION_NAME_STRING, false, &handle);
	if (handle == NULL || dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0)
		return false;
	names = carpool_loaded_libraries();
	for (const char *name = names; name - names + 1 < libraries_size; name += strlen(name) + 1)
		result |= strcmp(name, map->l_name) == 0;
	pfree(names);
	return result;
}

/* The language of a DO; plpgsql when it names none. */
static const char *
language_of(const DoStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->args)
	{
		DefElem    *option = lfirst(cell);

		if (strcmp(option->defname, "language") == 0)
			return defGetString(option);
	}
	return "plpgsql";
}

/* Before the statement, as it may fail half-way. */
static void
note_statement(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_ListenStmt:
			carpool_signs.listens = true;
			break;
		case T_DoStmt:
			if (!carpool_language_is_stateless(language_of((DoStmt *) statement)))
				carpool_signs.lasting |= CLEDGER_PIN_LANGUAGE;
			break;
		default:
			break;
	}
}

static void
process_utility(PlannedStmt *statement, const char *text, bool read_only, ProcessUtilityContext context,
				ParamListInfo parameters, QueryEnvironment *environment, DestReceiver *receiver,
				QueryCompletion *completion)
{
	/* asked for now: a statement may be gone when it is done, as a CALL that commits */
	const char *library = NULL;

	carpool_session_check();
	statements_seen++;
	note_statement(statement->utilityStmt);
	if (IsA(statement->utilityStmt, LoadStmt))
		library = ((LoadStmt *) statement->utilityStmt)->filename;
	if (next_utility)
		next_utility(statement, text, read_only, context, parameters, environment, receiver, completion);
	else
		standard_ProcessUtility(statement, text, read_only, context, parameters, environment, receiver,
								completion);
	if (library && !is_everywhere(library))
		carpool_signs.lasting |= CLEDGER_PIN_LOADED_LIBRARY;
}

void
carpool_utility_observe(void)
{
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

/* Any statement of that kind must come by; this one works everywhere. */
bool
carpool_utility_self_test(void)
{
	uint64		before = statements_seen;

	if (SPI_connect() != SPI_OK_CONNECT)
		return false;
	(void) SPI_execute("SHOW server_version_num", false, 0);
	SPI_finish();
	return statements_seen == before + 1;
}
