/*
 * gucchanges.c: tells whether the session's settings may be others than when they were looked at
 * last. The look goes through all that are not at their default, each in a cache line of its own,
 * and most transactions change none.
 *
 * guc.c keeps a list (guc_stack_list) of the settings that the transaction under way has
 * changed, so that it can put them back. What changes the value, source or setter of a
 * setting that a session has SET goes by that list: SET, SET LOCAL, RESET, DISCARD,
 * set_config(), functions' SET clauses, C functions. A setting leaves it when it is as it was
 * before, or at the transaction's end. So where the list is empty when a transaction commits,
 * all is as it was. What does not go by that list counts as a change without being looked at:
 *
 *   an error, caught or not	a setting may be a library's by now whose load failed, and the
 *								placeholder of a rolled back SET stays
 *   another number of settings	placeholders are made for ALTER ROLE ... SET, too
 *   a reload of the configuration, a library, and what the agent does by itself
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "private/environment.h"
#include "private/guc.h"
#include "private/placeholders.h"
#include "private/settings.h"
#include "private/variables.h"

#define MOST_CANDIDATES 64

/* Settings for the search: a change of one has no effect beside it. */
static const char *const probes[] = {
	"seq_page_cost", "random_page_cost", "cpu_tuple_cost", "cpu_index_tuple_cost", "cpu_operator_cost"
};

static CarpoolGucChanges *list; /* guc_stack_list; NULL: not found */
static bool changed = true;		/* since it was asked last */
static TimestampTz reload;		/* PgReloadTime then */
static uint64 version;			/* counts what may be changes, */
static uint64 transactions = 1; /* and the transactions among them, and reloads */

static void
note_transaction(void)
{
	changed = true;
	transactions++;
}

static void
transaction_ended(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			/* guc.c empties the list later */
			if (list == NULL || carpool_guc_changes_any(list))
				note_transaction();
			break;
		case XACT_EVENT_ABORT:
			note_transaction();
			break;
		default:
			break;
	}
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		note_transaction();
}

bool
carpool_guc_may_have_changed(void)
{
	bool		may_have = changed || reload != PgReloadTime || carpool_placeholders_are_others();

	changed = list == NULL;
	reload = PgReloadTime;
	if (may_have)
		version++;
	return may_have;
}

bool
carpool_guc_environment_is_changed(void)
{
	CarpoolGucChangesWalk walk;
	const struct config_generic *setting;

	if (list == NULL)
		return true;
	walk = carpool_guc_changes_walk(list);
	while ((setting = carpool_guc_changes_next(&walk)) != NULL)
		if (carpool_environment_has(setting) || carpool_guc_is_role(setting->name))
			return true;
	return false;
}

void
carpool_guc_note_change(void)
{
	changed = true;
	version++;
}

uint64
carpool_guc_transactions(void)
{
	static TimestampTz seen;

	if (seen != PgReloadTime)
		transactions++;
	seen = PgReloadTime;
	return transactions;
}

uint64
carpool_guc_version(void)
{
	if (reload != PgReloadTime)
		carpool_guc_note_change();
	return version;
}

/* Sets a setting to what it is, so that guc.c puts it at the head of its list. */
static bool
touch(struct config_generic *setting)
{
	char		buffer[CARPOOL_GUC_TEXT];

	return set_config_option_ext(setting->name, carpool_guc_text(setting, CARPOOL_GUC_CURRENT, buffer),
								 PGC_SUSET, PGC_S_SESSION, setting->srole, GUC_ACTION_SAVE, true, LOG,
								 false) == 1;
}

/* Two settings that this transaction has not changed so far. */
static bool
choose(struct config_generic *chosen[2])
{
	int			found = 0;

	for (int i = 0; i < lengthof(probes) && found < 2; i++)
	{
		struct config_generic *setting = carpool_find_setting(probes[i], false, true, LOG);

		if (setting != NULL && setting->stack == NULL)
			chosen[found++] = setting;
	}
	return found == 2;
}

#if CARPOOL_SETTINGS_ARE_ARRAY
/* A static variable that says whether the transaction has changed any; guc_dirty once it is found. */
static bool always = true;

/* Leaves the candidates that say so; all bytes are candidates that didn't before, when there are none yet. */
static int
keep(bool **candidates, int count, const char *before)
{
	CarpoolVariables variables = carpool_variables();
	char	   *first = (char *) variables.first;
	int			kept = 0;

	if (before != NULL)
		for (char *byte = first; byte < (char *) variables.end && count < MOST_CANDIDATES; byte++)
			if (*byte == 1 && before[byte - first] == 0)
				candidates[count++] = (bool *) byte;
	for (int i = 0; i < count; i++)
		if (*(char *) candidates[i] == 1)
			candidates[kept++] = candidates[i];
	return kept;
}

/* Leaves those that are false again. */
static int
keep_false(bool **candidates, int count)
{
	int			kept = 0;

	for (int i = 0; i < count; i++)
		if (*(char *) candidates[i] == 0)
			candidates[kept++] = candidates[i];
	return kept;
}

/*
 * There is no list: a setting tells itself whether it was changed. Which have is not asked while
 * guc_dirty says that none has. That is the one static variable that is true while one is, thrice.
 */
static CarpoolGucChanges *
find(void)
{
	CarpoolVariables variables = carpool_variables();
	Size		size = (char *) variables.end - (char *) variables.first;
	char	   *before = palloc(size);
	struct config_generic *chosen[2];
	bool	   *candidates[MOST_CANDIDATES];
	bool		works = choose(chosen);
	int			count = 0;

	for (int round = 0; works && round < 3; round++)
	{
		struct config_generic *setting = chosen[round % 2];
		int			level = NewGUCNestLevel();

		if (round == 0)
			memcpy(before, variables.first, size);
		works = touch(setting) && setting->stack != NULL && carpool_guc_changes_any(&always);
		count = keep(candidates, count, round == 0 ? before : NULL);
		AtEOXact_GUC(false, level);
		works &= setting->stack == NULL;
		count = keep_false(candidates, count);
	}
	pfree(before);
	return !works ? NULL : count == 1 ? candidates[0] : &always;
}

#else
/* Leaves the candidates that point to a node; all there are when there are none yet. */
static int
keep(slist_node ***candidates, int count, const slist_node *node)
{
	int			kept = 0;

	for (int i = 0; i < count; i++)
		if (*candidates[i] == node)
			candidates[kept++] = candidates[i];
	return kept;
}

/*
 * The one static variable that points to a setting while that is the latest changed, then to
 * another that is, and is as before when both are taken back. NULL: there is none.
 */
static CarpoolGucChanges *
find(void)
{
	CarpoolVariables variables = carpool_variables();
	struct config_generic *chosen[2];
	slist_node **candidates[MOST_CANDIDATES];
	slist_node *before;
	int			count = 0;
	int			level;

	if (!choose(chosen))
		return NULL;
	level = NewGUCNestLevel();
	if (touch(chosen[0]))
		for (void **word = variables.first; word < variables.end && count < MOST_CANDIDATES; word++)
			if (*word == &chosen[0]->stack_link)
				candidates[count++] = (slist_node **) word;
	before = chosen[0]->stack_link.next;
	count = touch(chosen[1]) ? keep(candidates, count, &chosen[1]->stack_link) : 0;
	AtEOXact_GUC(false, level);
	count = keep(candidates, count, before);
	return count == 1 ? (slist_head *) candidates[0] : NULL;
}
#endif

void
carpool_guc_changes_open(void)
{
	list = carpool_settings_breaks(CARPOOL_GUC_CHANGES, NULL) ? NULL : find();
	RegisterXactCallback(transaction_ended, NULL);
	RegisterSubXactCallback(subtransaction_ended, NULL);
}

/* Without it agents look at the settings after every transaction: slower, and as exact. */
bool
carpool_guc_changes_self_test(StringInfo why)
{
	CarpoolGucChanges *found = find();

	if (carpool_settings_breaks(CARPOOL_GUC_CHANGES, why))
		return false;
	if (found != NULL && (list == NULL || list == found || CARPOOL_SETTINGS_ARE_ARRAY))
		return true;
	appendStringInfoString(why, "the list of settings that a transaction has changed is not found");
	return false;
}
