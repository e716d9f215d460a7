/* gucloading.c: writes and reads one saved setting, sets it, and takes it back. */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "private/guc.h"
#include "private/placeholders.h"
#include "private/statebytes.h"

bool
carpool_guc_is_role(const char *name)
{
	return strcmp(name, "role") == 0 || strcmp(name, "session_authorization") == 0;
}

/* Whom a setting of these makes the session. */
static Oid
role_of(const char *name)
{
	return strcmp(name, "role") == 0 ? GetCurrentRoleId() : GetSessionUserId();
}

void
carpool_guc_put(StringInfo to, const CarpoolGucSaved *saved)
{
	carpool_put_uint64(to, (uint64) saved->srole << 32 | (uint64) saved->source << 16 |
					   (uint64) saved->scontext << 8 | saved->kind);
	carpool_put_string(to, saved->name);
	if (saved->kind != CARPOOL_GUC_VALUE && saved->kind != CARPOOL_GUC_CUSTOM)
		return;
	carpool_put_string(to, saved->value);
	if (carpool_guc_is_role(saved->name))
		carpool_put_uint64(to, saved->role);
}

void
carpool_guc_put_end(StringInfo to)
{
	carpool_put_uint64(to, CARPOOL_GUC_END);
}

bool
carpool_guc_get(StringInfo from, CarpoolGucSaved *saved)
{
	uint64		head = carpool_get_uint64(from);

	memset(saved, 0, sizeof(*saved));
	saved->kind = (CarpoolGucKind) (head & 0xff);
	if (saved->kind == CARPOOL_GUC_END)
		return false;
	saved->scontext = (GucContext) (head >> 8 & 0xff);
	saved->source = (GucSource) (head >> 16 & 0xff);
	saved->srole = (Oid) (head >> 32);
	saved->name = carpool_get_string(from);
	if (saved->kind != CARPOOL_GUC_VALUE && saved->kind != CARPOOL_GUC_CUSTOM)
		return true;
	saved->value = carpool_get_string(from);
	if (carpool_guc_is_role(saved->name))
		saved->role = (Oid) carpool_get_uint64(from);
	return true;
}

CarpoolGucSaved
carpool_guc_describe(struct config_generic *setting, CarpoolGucWhich which, char buffer[CARPOOL_GUC_TEXT])
{
	bool		is_reset = which == CARPOOL_GUC_RESET;
	CarpoolGucSaved saved = {
		.kind = setting->flags & GUC_CUSTOM_PLACEHOLDER ? CARPOOL_GUC_CUSTOM : CARPOOL_GUC_VALUE,
		.name = setting->name,
		.scontext = is_reset ? setting->reset_scontext : setting->scontext,
		.srole = is_reset ? setting->reset_srole : setting->srole,
		.source = is_reset ? setting->reset_source : PGC_S_SESSION
	};

	/* transaction_isolation and the like, seed: between transactions there is no value */
	if (carpool_setting_has_no_reset(setting))
		saved.kind = CARPOOL_GUC_SOURCE;
	else
		saved.value = carpool_guc_text(setting, which, buffer);
	if (is_reset || !carpool_guc_is_role(saved.name))
		return saved;
	saved.role = role_of(saved.name);
	/* as SHOW has it: a change of session authorization may have ended the role */
	if (!OidIsValid(saved.role))
		saved.value = "none";
	return saved;
}

/*
 * Sets a value. Who was allowed to set it may have lost that right since, and keeps the
 * value as in a session of its own; but for a placeholder, whose owner's rights are asked
 * for only when a module defines it.
 */
static bool
load_value(const CarpoolGucSaved *saved, int elevel)
{
	GucContext	context = saved->kind == CARPOOL_GUC_VALUE ? PGC_SUSET : saved->scontext;
	struct config_generic *setting = carpool_placeholder_make(saved->name);

	if (saved->value == NULL)
		return false;
	/* it raises an error of its own where a tablespace was dropped */
	if (IsTransactionState() && strcmp(saved->name, "temp_tablespaces") == 0)
		return false;
	/* as a reload, so that session_authorization leaves role alone */
	if (set_config_option_ext(saved->name, saved->value, context, PGC_S_SESSION, saved->srole,
							  GUC_ACTION_SET, true, elevel, true) == 0)
		return false;
	Assert(setting != NULL);
	setting->scontext = saved->scontext;
	if (carpool_guc_is_role(saved->name) && role_of(saved->name) != saved->role)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_ROLE_SPECIFICATION),
				 errmsg("role \"%s\" is not the one that the session had", saved->value)));
	return true;
}

bool
carpool_guc_load(const CarpoolGucSaved *saved, int elevel)
{
	struct config_generic *setting;

	switch (saved->kind)
	{
		case CARPOOL_GUC_VALUE:
		case CARPOOL_GUC_CUSTOM:
			return load_value(saved, elevel);
		case CARPOOL_GUC_NAME:
			(void) carpool_placeholder_make(saved->name);
			return true;
		case CARPOOL_GUC_SOURCE:
			setting = carpool_find_setting(saved->name, false, true, LOG);
			if (setting == NULL)
				return true;
			carpool_guc_set_source(setting, PGC_S_SESSION);
			setting->scontext = saved->scontext;
			setting->srole = saved->srole;
			return true;
		case CARPOOL_GUC_OWN_ROLE:
			return set_config_option_ext("role", NULL, PGC_SUSET, PGC_S_SESSION, saved->srole,
										 GUC_ACTION_SET, true, elevel, true) != 0;
		case CARPOOL_GUC_END:
			return true;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("saved setting of unknown kind %d", (int) saved->kind)));
}

/* Makes the source of a value that of the reset value. */
static void
unset_source(struct config_generic *setting)
{
	carpool_guc_set_source(setting, setting->reset_source);
	setting->scontext = setting->reset_scontext;
	setting->srole = setting->reset_srole;
}

/*
 * Resets or removes a placeholder. Not by PostgreSQL's ways: it would remember the value
 * for the transaction's end, and what is remembered can't be removed.
 */
static bool
unset_placeholder(struct config_generic *setting)
{
	struct config_string *conf = (struct config_string *) setting;

	if (!(setting->flags & GUC_CUSTOM_PLACEHOLDER) || setting->stack != NULL)
		return false;
	if (setting->reset_source == PGC_S_DEFAULT)
		return carpool_placeholder_remove(setting);
	if (*conf->variable != conf->reset_val)
		guc_free(*conf->variable);
	*conf->variable = conf->reset_val;
	unset_source(setting);
	return true;
}

void
carpool_guc_unset(struct config_generic *setting)
{
	if (unset_placeholder(setting))
		return;
	if (carpool_setting_has_no_reset(setting))
	{
		unset_source(setting);
		return;
	}
	(void) set_config_option_ext(setting->name, NULL, PGC_SUSET, PGC_S_SESSION, BOOTSTRAP_SUPERUSERID,
								 GUC_ACTION_SET, true, ERROR, false);
}
