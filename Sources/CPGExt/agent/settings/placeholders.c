/*
 * placeholders.c: finds, makes and removes custom settings that no module has defined.
 *
 * PostgreSQL makes one when it is first set, and keeps it: from then on it reads '' where
 * it read NULL. That belongs to the session, so those without a value are carried by name,
 * and taken away from the next client. They are in no list but the table of all settings,
 * which is guc.c's own (settinghash.c, settingarray.c). Where a session has very many,
 * drawers.c puts another table in its place.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "private/placeholders.h"
#include "private/statebytes.h"

static CarpoolGucTable *table;				/* of all settings; NULL: not found */

/*
 * Those without a value that were there before any client: custom settings that were once
 * in the configuration file. They are no session's.
 */
static const char **inherited;
static int	inherited_count;

/* The names of the session's own placeholders, as long as the table has so many entries. */
static CarpoolGucNames own = {.entries = -1};

/* All other settings at that time. */
static struct config_generic **others;
static int	others_count;
static int	others_room;
static TimestampTz looked;		/* PgReloadTime then */

/* A placeholder goes by itself, or all are looked for again. */
#define FEW 64

/* Forgets the names. */
static void
empty(void)
{
	if (own.memory == NULL)
		own.memory = AllocSetContextCreate(TopMemoryContext, "carpool placeholders", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(own.memory);
	own.names = NULL;
	own.count = 0;
	own.room = 0;
	own.entries = -1;
}

/* Keeps a name. */
static void
note(const char *name)
{
	if (own.count == own.room)
	{
		own.room = Max(own.room * 2, 16);
		own.names = own.names == NULL ? MemoryContextAlloc(own.memory, own.room * sizeof(*own.names)) :
			repalloc_huge(own.names, own.room * sizeof(*own.names));
	}
	own.names[own.count++] = MemoryContextStrdup(own.memory, name);
}

static bool
is_inherited(const char *name)
{
	for (int i = 0; i < inherited_count; i++)
		if (pg_strcasecmp(inherited[i], name) == 0)
			return true;
	return false;
}

/* Keeps one that is not the session's own. */
static void
note_other(struct config_generic *setting)
{
	if (others_count == others_room)
	{
		others_room = Max(others_room * 2, 512);
		others = others == NULL ? MemoryContextAlloc(TopMemoryContext, others_room * sizeof(*others)) :
			repalloc(others, others_room * sizeof(*others));
	}
	others[others_count++] = setting;
}

/* Looks for all of the session's own. */
static void
look(void)
{
	CarpoolGucScan scan;
	struct config_generic *setting;

	empty();
	others_count = 0;
	carpool_guc_scan_begin(&scan, table);
	while ((setting = carpool_guc_scan_next(&scan)) != NULL)
		if (carpool_placeholder_is_own(setting) && !is_inherited(setting->name))
			note(setting->name);
		else
			note_other(setting);
	own.entries = carpool_guc_table_count(table);
	looked = PgReloadTime;
}

struct config_generic **
carpool_placeholders_others(int *count)
{
	*count = others_count;
	return others;
}

void
carpool_placeholders_look_again(void)
{
	own.entries = -1;
}

int
carpool_placeholders_count(void)
{
	if (table == NULL)
		return 0;
	if (carpool_placeholders_are_others())
		look();
	return own.count;
}

CarpoolGucNames
carpool_placeholders_swap(CarpoolGucTable *to, const CarpoolGucNames *names)
{
	CarpoolGucNames former = own;

	table = to;
	memset(&own, 0, sizeof(own));
	own.entries = -1;
	if (names != NULL)
	{
		own = *names;
		own.entries = carpool_guc_table_count(table);
	}
	else
		look();
	return former;
}

/* The placeholder of a name in the list if it has no value, else NULL. */
static struct config_generic *
without_value(const char *name)
{
	struct config_generic *setting = carpool_find_setting(name, false, true, LOG);

	if (setting == NULL || !(setting->flags & GUC_CUSTOM_PLACEHOLDER) || setting->source != PGC_S_DEFAULT)
		return NULL;
	return setting;
}

/* Notes those that are there before any client. */
static void
inherit(void)
{
	int			found = 0;

	look();
	inherited = MemoryContextAlloc(TopMemoryContext, Max(own.count, 1) * sizeof(*inherited));
	for (int i = 0; i < own.count; i++)
		if (without_value(own.names[i]) != NULL)
			inherited[found++] = MemoryContextStrdup(TopMemoryContext, own.names[i]);
	inherited_count = found;
	own.entries = -1;
}

CarpoolGucTable *
carpool_placeholders_open(CarpoolGucTable *known, MemoryContext *memory)
{
	table = carpool_guc_table_find(known, memory);
	if (table != NULL && own.memory == NULL)
		inherit();
	own.entries = -1;
	return table;
}

bool
carpool_placeholders_are_others(void)
{
	return table != NULL && (carpool_guc_table_count(table) != own.entries || looked != PgReloadTime);
}

uint64
carpool_placeholders_fingerprint(int with_value)
{
	uint64		sum = 0;

	if (carpool_placeholders_count() == with_value)
		return 0;
	for (int i = 0; i < own.count; i++)
		if (without_value(own.names[i]) != NULL)
			sum += carpool_fingerprint(1, own.names[i], strlen(own.names[i]));
	return sum;
}

void
carpool_placeholders_walk(void (*visit) (struct config_generic *setting, void *argument), void *argument)
{
	/* visit may remove it, and with it its name */
	for (int i = carpool_placeholders_count() - 1; i >= 0; i--)
	{
		struct config_generic *setting = without_value(own.names[i]);

		if (setting != NULL)
			visit(setting, argument);
	}
}

struct config_generic *
carpool_placeholder_make(const char *name)
{
	bool		known = table != NULL && carpool_guc_table_count(table) == own.entries;
	struct config_generic *setting = carpool_find_setting(name, true, true, LOG);

	/* so that the next fingerprint needn't look at all settings */
	if (!known)
		own.entries = -1;
	else if (setting != NULL && carpool_guc_table_count(table) == own.entries + 1)
	{
		note(setting->name);
		own.entries++;
	}
	return setting;
}

/*
 * Takes a name out of the list; where it is one of many, or is none of them, they are to be looked
 * for again.
 */
static void
forget(const char *name)
{
	for (int i = 0; own.count <= FEW && i < own.count; i++)
		if (strcmp(own.names[i], name) == 0)
		{
			own.names[i] = own.names[--own.count];
			own.entries--;
			return;
		}
	own.entries = -1;
}

void
carpool_placeholder_free(struct config_generic *setting)
{
	struct config_string *conf = (struct config_string *) setting;

	if (conf->reset_val != *conf->variable)
		guc_free(conf->reset_val);
	guc_free(*conf->variable);
	guc_free(setting->sourcefile);
	guc_free(setting->last_reported);
	guc_free(unconstify(char *, setting->name));
	guc_free(setting);
}

bool
carpool_placeholder_remove(struct config_generic *setting)
{
	bool		known = table != NULL && carpool_guc_table_count(table) == own.entries;

	/* in guc_stack_list and guc_report_list it would be missed */
	if (table == NULL || !(setting->flags & GUC_CUSTOM_PLACEHOLDER) ||
		setting->stack != NULL || (setting->status & GUC_NEEDS_REPORT) || is_inherited(setting->name))
		return false;
	if (!carpool_guc_table_remove(table, setting))
		return false;
	/* or else one that has come and one that goes would look like none */
	if (known)
		forget(setting->name);
	else
		own.entries = -1;
	if (setting->source != PGC_S_DEFAULT)
		carpool_guc_list_remove(setting);
	carpool_placeholder_free(setting);
	return true;
}
