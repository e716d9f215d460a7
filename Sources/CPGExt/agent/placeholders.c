/*
 * placeholders.c: custom settings that no module has defined.
 *
 * PostgreSQL makes one when it is first set, and keeps it: from then on it reads '' where
 * it read NULL. That belongs to the session, so those without a value are carried by name,
 * and taken away from the next client. They are in no list but the hash table of all
 * settings, which is guc.c's own: it is found by the name of its memory context.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "../private/guc.h"
#include "../private/state.h"

/* An entry of the table, as guc.c declares it. */
typedef struct Entry
{
	const char *name;
	struct config_generic *setting;
} Entry;

static HTAB *table;				/* of all settings; NULL: not found */

/*
 * Those without a value that were there before any client: custom settings that were once
 * in the configuration file. They are no session's.
 */
static const char **inherited;
static int	inherited_count;

/* The names of the other placeholders, as long as the table has so many entries. */
static MemoryContext memory;
static const char **names;
static int	count;
static int	room;
static long entries;

/* The child of a context that has this name and ident; ident NULL: any. */
static MemoryContext
find_child(MemoryContext parent, const char *name, const char *ident)
{
	for (MemoryContext child = parent->firstchild; child != NULL; child = child->nextchild)
		if (strcmp(child->name, name) == 0 &&
			(ident == NULL || (child->ident != NULL && strcmp(child->ident, ident) == 0)))
			return child;
	return NULL;
}

/*
 * The table that a context was made for: its name, which is the context's ident, follows
 * the header, and the header's size is measured on a table of our own.
 */
static HTAB *
table_of(MemoryContext context)
{
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(Oid), .hcxt = CurrentMemoryContext};
	HTAB	   *own = hash_create("carpool's measure", 1, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	const char *ident = GetMemoryChunkContext(own)->ident;
	Size		size = ident != NULL ? ident - (const char *) own : 0;

	hash_destroy(own);
	if (size == 0 || size > 1024)
		return NULL;
	return (HTAB *) (context->ident - size);
}

/* Whether a table is that of all settings. */
static bool
is_table(HTAB *candidate)
{
	const char *name = "config_file";
	int			settings;
	Entry	   *entry;

	pfree(get_guc_variables(&settings));
	if (hash_get_num_entries(candidate) != settings)
		return false;
	entry = hash_search(candidate, &name, HASH_FIND, NULL);
	return entry != NULL && entry->setting == find_option(name, false, true, LOG);
}

/* Keeps a name. */
static void
note(const char *name)
{
	if (count == room)
	{
		room = Max(room * 2, 16);
		names = names == NULL ? MemoryContextAlloc(TopMemoryContext, room * sizeof(*names)) :
			repalloc(names, room * sizeof(*names));
	}
	names[count++] = MemoryContextStrdup(memory, name);
}

static bool
is_inherited(const char *name)
{
	for (int i = 0; i < inherited_count; i++)
		if (pg_strcasecmp(inherited[i], name) == 0)
			return true;
	return false;
}

/* Looks for all placeholders. */
static void
look(void)
{
	HASH_SEQ_STATUS scan;
	Entry	   *entry;

	MemoryContextReset(memory);
	count = 0;
	hash_seq_init(&scan, table);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if ((entry->setting->flags & GUC_CUSTOM_PLACEHOLDER) && !is_inherited(entry->setting->name))
			note(entry->setting->name);
	entries = hash_get_num_entries(table);
}

/* The placeholder of a name in the list if it has no value, else NULL. */
static struct config_generic *
without_value(const char *name)
{
	struct config_generic *setting = find_option(name, false, true, LOG);

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
	inherited = MemoryContextAlloc(TopMemoryContext, Max(count, 1) * sizeof(*inherited));
	for (int i = 0; i < count; i++)
		if (without_value(names[i]) != NULL)
			inherited[found++] = MemoryContextStrdup(TopMemoryContext, names[i]);
	inherited_count = found;
	entries = -1;
}

/* Finds the table. False: placeholders can't be seen nor removed here. May be called again. */
bool
carpool_placeholders_open(void)
{
	MemoryContext settings = find_child(TopMemoryContext, "GUCMemoryContext", NULL);
	MemoryContext context = settings != NULL ? find_child(settings, "dynahash", "GUC hash table") : NULL;

	table = context != NULL ? table_of(context) : NULL;
	if (table != NULL && !is_table(table))
		table = NULL;
	entries = -1;
	if (memory == NULL)
	{
		memory = AllocSetContextCreate(TopMemoryContext, "carpool placeholders", ALLOCSET_SMALL_SIZES);
		if (table != NULL)
			inherit();
	}
	return table != NULL;
}

bool
carpool_placeholders_are_others(void)
{
	return table != NULL && hash_get_num_entries(table) != entries;
}

uint64
carpool_placeholders_fingerprint(void)
{
	uint64		sum = 0;

	if (table == NULL)
		return 0;
	if (hash_get_num_entries(table) != entries)
		look();
	for (int i = 0; i < count; i++)
		if (without_value(names[i]) != NULL)
			sum += carpool_fingerprint(1, names[i], strlen(names[i]));
	return sum;
}

void
carpool_placeholders_walk(void (*visit) (struct config_generic *setting, void *argument), void *argument)
{
	if (table == NULL)
		return;
	if (hash_get_num_entries(table) != entries)
		look();
	/* visit may remove it, and with it its name */
	for (int i = count - 1; i >= 0; i--)
	{
		struct config_generic *setting = without_value(names[i]);

		if (setting != NULL)
			visit(setting, argument);
	}
}

struct config_generic *
carpool_placeholder_make(const char *name)
{
	bool		known = table != NULL && hash_get_num_entries(table) == entries;
	struct config_generic *setting = find_option(name, true, true, LOG);

	/* so that the next fingerprint needn't look at all settings */
	if (known && setting != NULL && hash_get_num_entries(table) == entries + 1)
	{
		note(setting->name);
		entries++;
	}
	return setting;
}

bool
carpool_placeholder_remove(struct config_generic *setting)
{
	struct config_string *conf = (struct config_string *) setting;
	bool		known = table != NULL && hash_get_num_entries(table) == entries;

	/* in guc_stack_list and guc_report_list it would be missed */
	if (table == NULL || !(setting->flags & GUC_CUSTOM_PLACEHOLDER) ||
		setting->stack != NULL || (setting->status & GUC_NEEDS_REPORT) || is_inherited(setting->name))
		return false;
	if (hash_search(table, &setting->name, HASH_REMOVE, NULL) == NULL)
		return false;
	for (int i = 0; known && i < count; i++)
		if (strcmp(names[i], setting->name) == 0)
		{
			pfree(unconstify(char *, names[i]));
			names[i] = names[--count];
			entries--;
			break;
		}
	if (setting->source != PGC_S_DEFAULT)
		dlist_delete(&setting->nondef_link);
	if (conf->reset_val != *conf->variable)
		guc_free(conf->reset_val);
	guc_free(*conf->variable);
	guc_free(setting->sourcefile);
	guc_free(setting->last_reported);
	guc_free(unconstify(char *, setting->name));
	guc_free(setting);
	return true;
}
