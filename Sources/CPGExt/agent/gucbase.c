/*
 * gucbase.c: what a setting was after login, while a client's startup parameter lies above
 * it: its reset value and where that came from.
 *
 * PostgreSQL keeps no reset value below another. A reload of the configuration therefore
 * passes by a setting that has a startup parameter; its base is then looked up in the
 * configuration files when it is needed again.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "mb/pg_wchar.h"
#include "utils/conffiles.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "../private/guc.h"
#include "../private/state.h"

#define AUTOMATIC_FILE "postgresql.auto.conf"	/* PG_AUTOCONF_FILENAME, of ALTER SYSTEM */

void
carpool_guc_base_note(CarpoolGucBase *base, const char *name, struct config_generic *setting,
					  MemoryContext context)
{
	char		buffer[CARPOOL_GUC_TEXT];
	const char *value = NULL;

	memset(base, 0, sizeof(*base));
	base->name = MemoryContextStrdup(context, setting != NULL ? setting->name : name);
	base->srole = BOOTSTRAP_SUPERUSERID;
	if (setting == NULL)
		return;
	base->existed = true;
	base->source = setting->reset_source;
	base->scontext = setting->reset_scontext;
	base->srole = setting->reset_srole;
	if (base->source != PGC_S_DEFAULT)
		value = carpool_guc_text(setting, CARPOOL_GUC_RESET, buffer);
	if (value != NULL)
		base->value = MemoryContextStrdup(context, value);
}

/* The last value that the files have for a setting; NULL: none. */
static const char *
value_in(const ConfigVariable *list, const char *name)
{
	const char *value = NULL;

	for (const ConfigVariable *item = list; item != NULL; item = item->next)
		if (item->errmsg == NULL && item->name != NULL && pg_strcasecmp(item->name, name) == 0)
			value = item->value;
	return value;
}

/* Makes of a base that was in a file what it is without the file. */
static void
leave_file(CarpoolGucBase *base, MemoryContext context)
{
	base->source = PGC_S_DEFAULT;
	base->value = NULL;
	/* as a reload does */
	if (strcmp(base->name, "client_encoding") != 0)
		return;
	base->source = PGC_S_DYNAMIC_DEFAULT;
	base->value = MemoryContextStrdup(context, GetDatabaseEncodingName());
}

/* Values that came from above the files stay: these are read at the login alone. */
void
carpool_guc_base_refresh(CarpoolGucBase *bases, int count, MemoryContext context)
{
	ConfigVariable *head = NULL;
	ConfigVariable *tail = NULL;

	/* where it can't be read, the reload changed nothing either */
	if (ParseConfigFile(ConfigFileName, true, NULL, 0, CONF_FILE_START_DEPTH, DEBUG2, &head, &tail) &&
		ParseConfigFile(AUTOMATIC_FILE, false, NULL, 0, CONF_FILE_START_DEPTH, DEBUG2, &head, &tail))
		for (CarpoolGucBase *base = bases; base < bases + count; base++)
		{
			const char *value;

			if (base->source > PGC_S_FILE)
				continue;
			value = value_in(head, base->name);
			/* a reload can't set this one, and all sessions should agree */
			if (value != NULL && strcmp(base->name, "client_encoding") == 0)
				continue;
			base->file_value = value != NULL ? MemoryContextStrdup(context, value) : NULL;
			if (value == NULL && base->source == PGC_S_FILE)
				leave_file(base, context);
		}
	FreeConfigVariables(head);
}

/* Lets a value of a lower source take effect, as a reload does that finds one gone. */
static void
lower(struct config_generic *setting)
{
	if (setting->source == PGC_S_CLIENT)
		carpool_guc_set_source(setting, PGC_S_DEFAULT);
	if (setting->reset_source == PGC_S_CLIENT)
		setting->reset_source = PGC_S_DEFAULT;
}

/* Sets a value as the one to reset to; the context is one that no check stops. */
static int
set(const CarpoolGucBase *base, const char *value, GucSource source, int elevel)
{
	return set_config_option_ext(base->name, value, PGC_POSTMASTER, source, base->srole,
								 GUC_ACTION_SET, true, elevel, false);
}

/* Raises an error where it can't: the backend is of no use then. */
void
carpool_guc_base_restore(const CarpoolGucBase *base)
{
	struct config_generic *setting = find_option(base->name, false, true, LOG);
	bool		is_current;
	bool		done;

	if (setting == NULL)
		return;
	is_current = setting->source == PGC_S_CLIENT;
	if (!base->existed && base->file_value == NULL && carpool_placeholder_remove(setting))
		return;
	/* it was refused, and nothing lies above */
	if (setting->reset_source != PGC_S_CLIENT)
		return;
	lower(setting);
	done = base->file_value != NULL && set(base, base->file_value, PGC_S_FILE, LOG) != 0;
	if (!done)
		(void) set(base, base->value, base->value != NULL ? base->source : PGC_S_DEFAULT, ERROR);
	setting->reset_scontext = done ? PGC_SIGHUP : base->scontext;
	setting->reset_srole = base->srole;
	if (!is_current)
		return;
	setting->scontext = setting->reset_scontext;
	setting->srole = setting->reset_srole;
}
