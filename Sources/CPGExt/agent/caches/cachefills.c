/*
 * cachefills.c: notices when something is made for the caches in another environment than
 * the session's, or with more in it than an environment says.
 *
 * What is made is made in parse analysis or planning (of a statement, an expression of
 * PL/pgSQL, a domain's check), and PL/pgSQL compiles a function right before it has its first
 * expression analysed. The environment is another one while a setting of it is changed
 * for the transaction or by a function, and in a function that runs as its owner.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_language_d.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"

#include "private/caches.h"
#include "private/cachesigns.h"
#include "private/guc.h"
#include "private/plans.h"
#include "private/procs.h"
#include "private/session.h"

static post_parse_analyze_hook_type next_analyze;
static planner_hook_type next_planner;
static object_access_hook_type next_access;
static bool is_planning;

/*
 * Whether somebody else's rights are in force. Checks of foreign keys don't count: they run
 * as the table's owner whoever causes them, and all names in them are qualified.
 */
static bool
is_in_another_role(void)
{
	Oid			role;
	int			context;

	GetUserIdAndSecContext(&role, &context);
	return role != GetOuterUserId() && (context & SECURITY_NOFORCE_RLS) == 0;
}

/* What the transaction under way has changed of the environment may be in what was made in it. */
static void
note_changes(void)
{
	if (!carpool_cache_fills_mixed && !carpool_agent_is_working && carpool_guc_environment_is_changed())
		carpool_cache_fills_mixed = true;
}

/* Something is about to be put into a cache. */
static void
note_fill(void)
{
	note_changes();
	if (!carpool_cache_fills_mixed && !carpool_agent_is_working && is_in_another_role())
		carpool_cache_fills_mixed = true;
}

static void
analyzed(ParseState *state, Query *query, JumbleState *jumble)
{
	note_fill();
	if (next_analyze)
		next_analyze(state, query, jumble);
}

static PlannedStmt *
plan(Query *query, const char *text, int options, ParamListInfo parameters)
{
	bool		was_planning = is_planning;
	PlannedStmt *result;

	note_fill();
	is_planning = true;			/* after an error transaction_ended sets it back */
	result = next_planner ? next_planner(query, text, options, parameters) :
		standard_planner(query, text, options, parameters);
	is_planning = was_planning;
	return result;
}

/*
 * Whether a function that runs may just be becoming a constant, and may have read what no
 * environment has: an application's own settings. Functions that are not immutable run in
 * planning for estimates only; those in C are taken at their word.
 */
static bool
may_be_folded(Oid function)
{
	CarpoolProc proc;

	return carpool_proc_find(function, &proc) && proc.volatility == PROVOLATILE_IMMUTABLE &&
		proc.language != ClanguageId;
}

static void
note_immutable(void)
{
	if (is_planning)
		carpool_cache_fills_folded = true;
	else
		carpool_cache_fills_ran_immutable = true;
}

static void
object_accessed(ObjectAccessType access, Oid class, Oid object, int part, void *argument)
{
	if (next_access)
		next_access(access, class, object, part, argument);
	if (access == OAT_FUNCTION_EXECUTE && object >= FirstNormalObjectId &&
		!(is_planning ? carpool_cache_fills_folded : carpool_cache_fills_ran_immutable) &&
		may_be_folded(object))
		note_immutable();
}

/* What SET LOCAL had changed is put back after this. */
static void
transaction_ended(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_ABORT)
		is_planning = false;
	note_changes();
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void *argument)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	is_planning = false;
	note_changes();
}

void
carpool_cache_fills_open(void)
{
	next_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = analyzed;
	next_planner = planner_hook;
	planner_hook = plan;
	next_access = object_access_hook;
	object_access_hook = object_accessed;
	RegisterXactCallback(transaction_ended, NULL);
	RegisterSubXactCallback(subtransaction_ended, NULL);
	carpool_names_watch();
}
