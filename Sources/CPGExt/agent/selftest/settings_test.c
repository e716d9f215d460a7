/* settings_test.c: tries whether settings and startup parameters can be carried on this server. */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "utils/guc.h"

#include "private/guc.h"
#include "private/gucbase.h"
#include "private/placeholders.h"
#include "private/selftest.h"
#include "private/state.h"

/* A setting of nobody's, and one of PostgreSQL's that has no effect on the test. */
#define CUSTOM "carpool_self_test.value"
#define REAL "seq_page_cost"
#define EXACT "1.0000000000000002"	/* is lost with fewer than 17 digits */

/* Fails a test. */
static bool
fail(StringInfo why, const char *reason)
{
	appendStringInfoString(why, reason);
	return false;
}

/* Of all that the session has set. */
static uint64
fingerprint(void)
{
	return carpool_settings_state.fingerprint() + carpool_customs_state.fingerprint();
}

/* Whether what is saved of the session names a setting and its value. */
static bool
is_saved(const CarpoolStateKind *kind, const char *name, const char *value)
{
	StringInfoData bytes;
	CarpoolGucSaved saved;
	bool		found = false;

	initStringInfo(&bytes);
	kind->save(&bytes);
	while (carpool_guc_get(&bytes, &saved))
		if (strcmp(saved.name, name) == 0 && saved.value != NULL && strcmp(saved.value, value) == 0)
			found = true;
	return found && bytes.cursor == bytes.len;
}

/* Two settings in a level of their own, which is given up at the end. */
static bool
set_and_unset(StringInfo why)
{
	CarpoolGucSaved custom = {
		.kind = CARPOOL_GUC_CUSTOM, .name = CUSTOM, .value = "a", .scontext = PGC_USERSET,
		.srole = BOOTSTRAP_SUPERUSERID
	};
	CarpoolGucSaved real = custom;
	struct config_generic *setting = carpool_find_setting(REAL, false, false, ERROR);
	uint64		first;

	real.kind = CARPOOL_GUC_VALUE;
	real.name = REAL;
	real.value = EXACT;
	if (!carpool_guc_load(&custom, LOG) || !carpool_guc_load(&real, LOG))
		return fail(why, "settings cannot be set");
	first = fingerprint();
	if (!is_saved(&carpool_customs_state, CUSTOM, "a") || !is_saved(&carpool_settings_state, REAL, EXACT))
		return fail(why, "settings that were set are not saved");
	custom.value = "b";
	(void) carpool_guc_load(&custom, LOG);
	if (fingerprint() == first)
		return fail(why, "a changed setting is not seen");
	custom.value = "a";
	(void) carpool_guc_load(&custom, LOG);
	if (fingerprint() != first)
		return fail(why, "equal settings have different fingerprints");
	carpool_guc_unset(setting);
	if (setting->source == PGC_S_SESSION || setting->source != setting->reset_source)
		return fail(why, "a setting cannot be reset");
	if (fingerprint() == first)
		return fail(why, "a setting that was reset is not seen");
	return true;
}

bool
carpool_settings_self_test(StringInfo why)
{
	struct config_generic *setting;
	uint64		before;
	bool		fine;
	int			level;

	if (!carpool_guc_list_is_known())
		return fail(why, "the list of settings that are not at their default is not found");
	before = fingerprint();
	level = NewGUCNestLevel();
	fine = set_and_unset(why);
	AtEOXact_GUC(false, level);
	setting = carpool_find_setting(CUSTOM, false, true, LOG);
	if (setting != NULL && !carpool_placeholder_remove(setting) && fine)
		return fail(why, "a custom setting cannot be removed");
	if (!fine)
		return false;
	if (carpool_find_setting(CUSTOM, false, true, LOG) != NULL || fingerprint() != before)
		return fail(why, "a custom setting stays behind");
	return true;
}

/* All custom settings of the session and one more, put away and taken back. */
static bool
put_and_take(StringInfo why)
{
	uint64		before = carpool_customs_state.fingerprint();
	CarpoolGucPlace first;

	if (!carpool_customs_put_away())
		return true;
	if (carpool_find_setting(CUSTOM, false, true, LOG) != NULL || carpool_customs_state.fingerprint() != 0)
		return fail(why, "custom settings cannot be put away");
	if (carpool_find_setting(REAL, false, true, LOG) == NULL)
		return fail(why, "settings are missing where the custom ones are put away");
	if (!carpool_drawers_take(before, &first) || carpool_customs_state.fingerprint() != before ||
		carpool_find_setting(REAL, false, true, LOG) == NULL)
		return fail(why, "custom settings cannot be taken back");
	return true;
}

bool
carpool_customs_self_test(StringInfo why)
{
	CarpoolGucSaved custom = {
		.kind = CARPOOL_GUC_CUSTOM, .name = CUSTOM, .value = "a", .scontext = PGC_USERSET,
		.srole = BOOTSTRAP_SUPERUSERID
	};
	struct config_generic *setting;
	bool		fine;

	if (!carpool_guc_list_is_known())
		return fail(why, "the list of settings that are not at their default is not found");
	carpool_customs_set(&custom);
	fine = put_and_take(why);
	setting = carpool_find_setting(CUSTOM, false, true, LOG);
	if (fine && (setting == NULL || !carpool_placeholder_remove(setting)))
		return fail(why, "a custom setting cannot be removed");
	(void) carpool_customs_state.fingerprint();
	return fine;
}

/* Gives a setting a startup parameter, and takes it away again. */
static bool
start_and_restore(StringInfo why, const char *name, const char *value)
{
	CarpoolGucBase base;
	char		now[CARPOOL_GUC_TEXT];
	char		then[CARPOOL_GUC_TEXT];
	struct config_generic *setting = carpool_find_setting(name, false, true, LOG);
	const char *before;

	/* the session's own: startup parameters would not show */
	if (setting != NULL && setting->reset_source >= PGC_S_CLIENT)
		return true;
	carpool_guc_base_note(&base, name, setting, CurrentMemoryContext);
	before = setting != NULL ? carpool_guc_text(setting, CARPOOL_GUC_RESET, then) : NULL;
	if (set_config_option_ext(name, value, PGC_SU_BACKEND, PGC_S_CLIENT, BOOTSTRAP_SUPERUSERID,
							  GUC_ACTION_SET, true, LOG, false) == 0)
		return fail(why, "a startup parameter cannot be set");
	setting = carpool_find_setting(name, false, false, ERROR);
	if (setting->reset_source != PGC_S_CLIENT ||
		strcmp(carpool_guc_text(setting, CARPOOL_GUC_RESET, now), value) != 0)
		return fail(why, "a startup parameter is not what RESET returns to");
	base.above = PGC_S_CLIENT;
	carpool_guc_base_restore(&base);
	setting = carpool_find_setting(name, false, true, LOG);
	if (!base.existed)
		return setting == NULL || fail(why, "a custom startup parameter stays behind");
	if (setting == NULL || setting->reset_source != base.source || setting->reset_scontext != base.scontext ||
		setting->reset_srole != base.srole ||
		strcmp(carpool_guc_text(setting, CARPOOL_GUC_RESET, now), before) != 0)
		return fail(why, "what lies below a startup parameter is not as it was");
	return true;
}

bool
carpool_startup_self_test(StringInfo why)
{
	if (!carpool_guc_list_is_known())
		return fail(why, "the list of settings that are not at their default is not found");
	return start_and_restore(why, CUSTOM, "a") && start_and_restore(why, REAL, EXACT);
}
