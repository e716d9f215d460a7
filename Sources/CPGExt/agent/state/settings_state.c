/*
 * settings_state.c: carries what a session has SET: all settings whose value is the session's
 * own, among them role and session authorization; custom ones where a login has set them, too.
 * All other custom ones are in customs_state.c.
 *
 * Role and session authorization raise an error where they can't be had again, and so end
 * the connection: without them the session might have more rights. Any other setting that
 * PostgreSQL no longer takes stays at its reset value, and the log says so.
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/guc.h"

#include "cledger.h"
#include "private/guc.h"
#include "private/placeholders.h"
#include "private/settings.h"
#include "private/state.h"

/* Stands for a session that can't be looked at. */
#define UNKNOWN 1

bool		carpool_settings_refused;

static struct config_generic *session_authorization;
static struct config_generic *role;

void
carpool_settings_state_open(void)
{
	session_authorization = carpool_find_setting("session_authorization", false, false, ERROR);
	role = carpool_find_setting("role", false, false, ERROR);
	(void) carpool_guc_list_open();
	carpool_drawers_open();
}

/* The settings are added up, as the list has no order. */
static uint64
fingerprint(void)
{
	uint64		sum = 0;
	bool		found = false;
	CarpoolGucWalk walk;
	struct config_generic *setting;

	if (!carpool_guc_list_is_known())
		return UNKNOWN;
	walk = carpool_guc_walk();
	while ((setting = carpool_guc_walk_next(&walk)) != NULL)
	{
		if (likely(setting->source != PGC_S_SESSION) || carpool_placeholder_is_own(setting))
			continue;
		found = true;
		if (unlikely(carpool_setting_has_no_reset(setting)))
			sum += carpool_guc_fingerprint_no_value(setting);
		else
			sum += carpool_guc_fingerprint(setting, CARPOOL_GUC_CURRENT);
	}
	return sum == 0 && found ? 1 : sum;
}

uint64
carpool_settings_now(uint64 before, bool may_have_changed)
{
	if (likely(!may_have_changed && !carpool_settings_checks_agents()))
		return before;
	if (!may_have_changed && fingerprint() != before)
		elog(FATAL, "settings have changed unseen");
	return fingerprint();
}

static void
put(struct config_generic *setting, StringInfo to)
{
	char		buffer[CARPOOL_GUC_TEXT];
	CarpoolGucSaved saved = carpool_guc_describe(setting, CARPOOL_GUC_CURRENT, buffer);

	carpool_guc_put(to, &saved);
}

/* Of those that anyone may be asked for in any order. */
static bool
put_visited(struct config_generic *setting, void *to)
{
	if (setting->source == PGC_S_SESSION && setting != role && setting != session_authorization &&
		!carpool_placeholder_is_own(setting))
		put(setting, to);
	return true;
}

/* In the order in which they are to be set. */
static void
save(StringInfo to)
{
	if (session_authorization->source == PGC_S_SESSION)
		put(session_authorization, to);
	carpool_guc_list_walk(put_visited, to);
	if (role->source == PGC_S_SESSION)
		put(role, to);
	else if (session_authorization->source == PGC_S_SESSION)
	{
		CarpoolGucSaved saved = {.kind = CARPOOL_GUC_OWN_ROLE, .name = "role", .srole = role->srole};

		carpool_guc_put(to, &saved);
	}
	carpool_guc_put_end(to);
}

/* Sets a role, when those that PostgreSQL refused at first have been tried again. */
static void
load(StringInfo from)
{
	List	   *refused = NIL;
	CarpoolGucSaved last = {.name = NULL};
	ListCell   *cell;
	CarpoolGucSaved saved;

	while (carpool_guc_get(from, &saved))
	{
		if (saved.kind == CARPOOL_GUC_CUSTOM)
			carpool_customs_look_again();
		if (strcmp(saved.name, "role") == 0)
			last = saved;
		else if (carpool_guc_is_role(saved.name))
			(void) carpool_guc_load(&saved, ERROR);
		else if (!carpool_guc_load(&saved, DEBUG5))
		{
			CarpoolGucSaved *copy = palloc(sizeof(*copy));

			*copy = saved;
			refused = lappend(refused, copy);
		}
	}
	/* log_parser_stats can't be set before log_statement_stats is off, and so on */
	foreach(cell, refused)
		if (!carpool_guc_load(lfirst(cell), DEBUG5))
			carpool_settings_refused = true;
	if (last.name != NULL)
		(void) carpool_guc_load(&last, ERROR);
}

/*
 * A value was right when the client set it, and a session of its own keeps it although its
 * tablespace was dropped. Outside of a transaction PostgreSQL can't look for that, and takes it.
 */
void
carpool_settings_load_left(StringInfo from)
{
	CarpoolGucSaved saved;

	if (likely(!carpool_settings_refused))
		return;
	from->cursor = 0;
	while (carpool_guc_get(from, &saved))
	{
		struct config_generic *setting = carpool_find_setting(saved.name, false, true, LOG);

		if (saved.kind == CARPOOL_GUC_VALUE && setting != NULL && setting->source != PGC_S_SESSION &&
			!carpool_guc_is_role(saved.name))
			(void) carpool_guc_load(&saved, LOG);
	}
	carpool_guc_note_change();
}

static bool
gather(struct config_generic *setting, void *found)
{
	List	  **list = found;

	if (setting->source == PGC_S_SESSION && !carpool_placeholder_is_own(setting))
		*list = lappend(*list, setting);
	return true;
}

static void
reset(void)
{
	List	   *found = NIL;
	ListCell   *cell;

	/* takes role with it */
	if (session_authorization->source == PGC_S_SESSION)
		carpool_guc_unset(session_authorization);
	carpool_guc_list_walk(gather, &found);
	foreach(cell, found)
		carpool_guc_unset(lfirst(cell));
}

const CarpoolStateKind carpool_settings_state = {
	.name = "settings",
	.pin = CLEDGER_PIN_SETTING,
	.fingerprint = fingerprint,
	.save = save,
	.load = load,
	.reset = reset,
};
