/*
 * functions.c: notices functions that leave something in the session which has no place to be
 * looked at: setseed(), replication slots, and languages with variables of their own.
 */
#include "postgres.h"

#include <math.h>

#include "access/transam.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_language.h"
#include "fmgr.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc_tables.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "private/compat/settings.h"
#include "private/pins.h"
#include "private/procs.h"
#include "private/session.h"
#include "private/settings.h"
#include "private/signs.h"

#define STATELESS "sql,plpgsql,c,internal"

static object_access_hook_type next_access;
static needs_fmgr_hook_type next_needs;
static fmgr_hook_type next_call;
static GucRealAssignHook next_seed;
static struct config_real *seed;	/* NULL: no such setting */
static uint64 functions_seen;
static Oid	known_language;		/* one that is stateless whatever the setting says: plpgsql */

/* A function is about to be executed. */
static void
object_accessed(ObjectAccessType access, Oid class, Oid object, int part, void *argument)
{
	if (next_access)
		next_access(access, class, object, part, argument);
	if (access != OAT_FUNCTION_EXECUTE)
		return;
	carpool_session_check();
	switch (object)
	{
		case F_SETSEED:
			carpool_signs.lasting |= CLEDGER_PIN_SETSEED;
			break;
		case F_PG_CREATE_PHYSICAL_REPLICATION_SLOT:
		case F_PG_CREATE_LOGICAL_REPLICATION_SLOT:
		case F_PG_COPY_PHYSICAL_REPLICATION_SLOT_NAME_NAME:
		case F_PG_COPY_PHYSICAL_REPLICATION_SLOT_NAME_NAME_BOOL:
		case F_PG_COPY_LOGICAL_REPLICATION_SLOT_NAME_NAME:
		case F_PG_COPY_LOGICAL_REPLICATION_SLOT_NAME_NAME_BOOL:
		case F_PG_COPY_LOGICAL_REPLICATION_SLOT_NAME_NAME_BOOL_NAME:
			carpool_signs.has_slots = true;
			break;
		default:
			break;
	}
}

/* What PostgreSQL's check of the setting leaves for its assignment: whether it is to reseed. */
static bool
is_armed(const void *extra)
{
	return extra != NULL && *(const int *) extra != 0;
}

/* SET seed in all its forms; it reseeds at once, and no rollback takes that back. */
static void
seed_assigned(double value, void *extra)
{
	if (is_armed(extra))
		carpool_signs.lasting |= CLEDGER_PIN_SETSEED;
	if (next_seed)
		next_seed(value, extra);
}

/* Whether a list of names, separated by commas, has this one; quotes and case don't matter. */
static bool
list_has(const char *list, const char *name)
{
	Size		size = strlen(name);

	while (list != NULL && *list != '\0')
	{
		const char *start = list + strspn(list, " \t\n\",");
		Size		length = strcspn(start, " \t\n\",");

		if (length == size && pg_strncasecmp(start, name, size) == 0)
			return true;
		list = start + length;
	}
	return false;
}

bool
carpool_language_is_stateless(const char *name)
{
	return list_has(STATELESS, name) || list_has(carpool_settings_stateless_languages(), name);
}

/*
 * Whether a library's variables are nobody's secret: of one role all clients may know them,
 * but where several roles share this backend only PostgreSQL's own libraries are trusted.
 */
static bool
is_known_library(Oid function)
{
	const CledgerServer *server = carpool_agent_server();

	/* carpool.self_test() tries this in any backend */
	return server == NULL || !server->is_shared || function < FirstNormalObjectId ||
		list_has(carpool_settings_stateless_languages(), "c");
}

/* Whether a function's language has no variables that outlive a call. */
static bool
is_stateless(Oid language, Oid function)
{
	HeapTuple	tuple;
	const char *name;
	bool		result;

	if (language == ClanguageId)
		return is_known_library(function);
	if (language == SQLlanguageId || language == INTERNALlanguageId ||
		language == known_language)
		return true;
	tuple = SearchSysCache1(LANGOID, ObjectIdGetDatum(language));
	if (!HeapTupleIsValid(tuple))
		return false;
	name = NameStr(((Form_pg_language) GETSTRUCT(tuple))->lanname);
	result = carpool_language_is_stateless(name);
	if (list_has(STATELESS, name))
		known_language = language;
	ReleaseSysCache(tuple);
	return result;
}

bool
carpool_functions_saw_plpgsql(void)
{
	return known_language != InvalidOid;
}

/* Some language was changed. */
static void
forget_language(Datum argument, int cache, uint32 hash)
{
	known_language = InvalidOid;
}

static void
note_language(Oid function)
{
	CarpoolProc proc;

	functions_seen++;
	if (carpool_signs.lasting & CLEDGER_PIN_LANGUAGE)
		return;
	if (carpool_proc_find(function, &proc) && !is_stateless(proc.language, function))
		carpool_signs.lasting |= CLEDGER_PIN_LANGUAGE;
}

/* Asked for each function that isn't built in, when it is looked up to be called. */
static bool
function_found(Oid function)
{
	carpool_session_check();
	note_language(function);
	return next_needs != NULL && next_needs(function);
}

/* The ones that the above isn't asked for: SECURITY DEFINER, and those with settings. */
static void
function_called(FmgrHookEventType event, FmgrInfo *function, Datum *argument)
{
	if (event == FHET_START)
		note_language(function->fn_oid);
	if (next_call)
		next_call(event, function, argument);
}

void
carpool_functions_install(void)
{
	next_access = object_access_hook;
	object_access_hook = object_accessed;
	next_needs = needs_fmgr_hook;
	needs_fmgr_hook = function_found;
	next_call = fmgr_hook;
	fmgr_hook = function_called;
	CacheRegisterSyscacheCallback(LANGOID, forget_language, (Datum) 0);
	seed = (struct config_real *) carpool_find_setting("seed", false, true, DEBUG5);
	if (seed == NULL || seed->gen.vartype != PGC_REAL)
	{
		seed = NULL;
		return;
	}
	next_seed = seed->assign_hook;
	seed->assign_hook = seed_assigned;
}

/* The next client's random() must not go on with a seed that the last one knows. */
void
carpool_functions_reset(void)
{
	if (carpool_signs.lasting & CLEDGER_PIN_SETSEED)
		carpool_functions_reseed();
}

/* By as many bits as setseed() takes. */
void
carpool_functions_reseed(void)
{
	uint64		bits;

	if (!pg_strong_random(&bits, sizeof(bits)))
		ereport(ERROR, (errmsg("could not generate random values")));
	(void) DirectFunctionCall1(setseed, Float8GetDatum(ldexp((double) (bits >> 11), -52) - 1));
}

bool
carpool_functions_see_setseed(void)
{
	uint32		lasting = carpool_signs.lasting;
	double		value = 0.5;
	void	   *by_session = NULL;
	void	   *by_default = NULL;
	bool		sees_function;
	bool		sees_setting;

	carpool_signs.lasting = 0;
	if (object_access_hook)
		RunFunctionExecuteHook(F_SETSEED);
	sees_function = carpool_signs.lasting == CLEDGER_PIN_SETSEED;
	carpool_signs.lasting = lasting;
	sees_setting = seed != NULL && seed->assign_hook == seed_assigned &&
		seed->check_hook(&value, &by_session, PGC_S_SESSION) && is_armed(by_session) &&
		seed->check_hook(&value, &by_default, PGC_S_DEFAULT) && !is_armed(by_default);
	guc_free(by_session);
	guc_free(by_default);
	return sees_function && sees_setting;
}

bool
carpool_functions_see_languages(void)
{
	uint64		before = functions_seen;

	/* any function of a language that is no variable's */
	(void) FmgrHookIsNeeded(F_SETSEED);
	return functions_seen == before + 1 && fmgr_hook != NULL && carpool_language_is_stateless("plpgsql") &&
		!carpool_language_is_stateless("plpgsq");
}
