/*
 * gucbase.c: keeps what a setting is below those of a login (ALTER ROLE, ALTER DATABASE, startup
 * parameters): its reset value and where that came from.
 *
 * PostgreSQL keeps no reset value below another. A reload of the configuration therefore
 * passes by a setting with a login's value; its base is then looked up in the
 * configuration files when it is needed again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "mb/pg_wchar.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "private/guc.h"
#include "private/gucbase.h"
#include "private/placeholders.h"

/* Settings at the login's beginning. */
static MemoryContext own_context;
static CarpoolGucBase *own;
static int	own_count;

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
			if (base->file_value != NULL)
				pfree(base->file_value);
			base->file_value = value != NULL ? MemoryContextStrdup(context, value) : NULL;
			if (value == NULL && base->source == PGC_S_FILE)
				leave_file(base, context);
		}
	FreeConfigVariables(head);
}

static bool
is_of_login(GucSource source)
{
	return source >= PGC_S_GLOBAL && source <= PGC_S_CLIENT;
}

/* Lets a value of a lower source take effect, as a reload does that finds one gone. */
static void
lower(struct config_generic *setting)
{
	if (is_of_login(setting->source))
		carpool_guc_set_source(setting, PGC_S_DEFAULT);
	if (is_of_login(setting->reset_source))
		setting->reset_source = PGC_S_DEFAULT;
}

/* Sets a value as the one to reset to; the context is one that no check stops. */
static int
set(const CarpoolGucBase *base, const char *value, GucSource source, int elevel)
{
	return set_config_option_ext(base->name, value, PGC_POSTMASTER, source, base->srole,
								 GUC_ACTION_SET, true, elevel, false);
}

/*
 * Sets what lies below. False: PostgreSQL doesn't take it within this transaction, as a
 * tablespace it names was dropped. Outside of one nothing is looked up, and what fails is an error.
 */
static bool
set_lower(const CarpoolGucBase *base, struct config_generic *setting)
{
	int			elevel = IsTransactionState() ? DEBUG5 : ERROR;
	bool		is_file = base->file_value != NULL && set(base, base->file_value, PGC_S_FILE, LOG) != 0;

	/* seed: it has no value to go back to, and what a login says of it has no effect */
	if (!is_file && base->value == NULL && carpool_setting_has_no_reset(setting))
		return true;
	if (!is_file && set(base, base->value, base->value != NULL ? base->source : PGC_S_DEFAULT, elevel) == 0)
		return false;
	setting->reset_scontext = is_file ? PGC_SIGHUP : base->scontext;
	setting->reset_srole = base->srole;
	return true;
}

bool
carpool_guc_base_restore(CarpoolGucBase *base)
{
	struct config_generic *setting = carpool_find_setting(base->name, false, true, LOG);

	if (setting == NULL)
		return true;
	if (!base->existed && base->file_value == NULL && carpool_placeholder_remove(setting))
		return true;
	if (!base->is_left)
	{
		/* it was refused, and nothing lies above */
		if (base->above == PGC_S_DEFAULT || setting->reset_source != base->above)
			return true;
		base->was_current = is_of_login(setting->source);
		lower(setting);
	}
	base->is_left = !set_lower(base, setting);
	if (base->is_left)
		return false;
	if (base->was_current)
	{
		setting->scontext = setting->reset_scontext;
		setting->srole = setting->reset_srole;
	}
	return true;
}

void
carpool_guc_base_free(CarpoolGucBase *base)
{
	pfree(base->name);
	if (base->value != NULL)
		pfree(base->value);
	if (base->file_value != NULL)
		pfree(base->file_value);
}

void
carpool_guc_bases_open(void)
{
	int			count;
	struct config_generic **settings = carpool_all_settings(&count);

	own_context =
		AllocSetContextCreate(TopMemoryContext, "carpool settings below a login", ALLOCSET_SMALL_SIZES);
	own = MemoryContextAlloc(own_context, count * sizeof(*own));
	for (int i = 0; i < count; i++)
		if (settings[i]->reset_source != PGC_S_DEFAULT)
			carpool_guc_base_note(&own[own_count++], settings[i]->name, settings[i], own_context);
	pfree(settings);
}

/* Notes what lies below a setting that this backend's own login has set. */
void
carpool_guc_base_note_own(CarpoolGucBase *base, struct config_generic *setting, MemoryContext context)
{
	memset(base, 0, sizeof(*base));
	base->name = MemoryContextStrdup(context, setting->name);
	base->srole = BOOTSTRAP_SUPERUSERID;
	base->existed = !(setting->flags & GUC_CUSTOM_PLACEHOLDER);
	for (int i = 0; i < own_count; i++)
	{
		if (strcmp(own[i].name, setting->name) != 0)
			continue;
		base->existed = true;
		base->source = own[i].source;
		base->scontext = own[i].scontext;
		base->srole = own[i].srole;
		if (own[i].value != NULL)
			base->value = MemoryContextStrdup(context, own[i].value);
	}
	/* PostgreSQL sets this one later than the others */
	if (base->source == PGC_S_DEFAULT)
		leave_file(base, context);
}

void
carpool_guc_bases_close(void)
{
	if (own_context != NULL)
		MemoryContextDelete(own_context);
	own_context = NULL;
	own = NULL;
	own_count = 0;
}
