/*
 * placeholders.c: finds, makes and removes custom settings that no module has defined.
 *
 * PostgreSQL makes one when it is first set, and keeps it: from then on it reads '' where
 * it read NULL. That belongs to the session, so those without a value are carried by name,
 * and taken away from the next client. They are in no list but the hash table of all
 * settings, which is guc.c's own: it is found by the name of its memory context. Where a
 * session has very many, drawers.c puts another table in its place.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "private/placeholders.h"
#include "private/statebytes.h"

typedef CarpoolGucEntry Entry;

static HTAB *table;				/* of all settings; NULL: not found */

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
	HASH_SEQ_STATUS scan;
	Entry	   *entry;

	empty();
	others_count = 0;
	hash_seq_init(&scan, table);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (carpool_placeholder_is_own(entry->setting) && !is_inherited(entry->setting->name))
			note(entry->setting->name);
		else
			note_other(entry->setting);
	own.entries = hash_get_num_entries(table);
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
carpool_placeholders_swap(HTAB *to, const CarpoolGucNames *names)
{
	CarpoolGucNames former = own;

	table = to;
	memset(&own, 0, sizeof(own));
	own.entries = -1;
	if (names != NULL)
	{
		own = *names;
		own.entries = hash_get_num_entries(table);
	}
	else
		look();
	return former;
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
	inherited = MemoryContextAlloc(TopMemoryContext, Max(own.count, 1) * sizeof(*inherited));
	for (int i = 0; i < own.count; i++)
		if (without_value(own.names[i]) != NULL)
			inherited[found++] = MemoryContextStrdup(TopMemoryContext, own.names[i]);
	inherited_count = found;
	own.entries = -1;
}

HTAB *
carpool_placeholders_open(HTAB *known, MemoryContext *memory)
{
	MemoryContext settings = find_child(TopMemoryContext, "GUCMemoryContext", NULL);
	MemoryContext context = settings != NULL ? find_child(settings, "dynahash", "GUC hash table") : NULL;
	HTAB	   *found = known;

	if (found == NULL && context != NULL)
		found = table_of(context);
	table = found != NULL && is_table(found) ? found : NULL;
	if (table != NULL && own.memory == NULL)
		inherit();
	own.entries = -1;
	*memory = settings;
	return table;
}

bool
carpool_placeholders_are_others(void)
{
	return table != NULL && (hash_get_num_entries(table) != own.entries || looked != PgReloadTime);
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
	bool		known = table != NULL && hash_get_num_entries(table) == own.entries;
	struct config_generic *setting = find_option(name, true, true, LOG);

	/* so that the next fingerprint needn't look at all settings */
	if (!known)
		own.entries = -1;
	else if (setting != NULL && hash_get_num_entries(table) == own.entries + 1)
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
	bool		known = table != NULL && hash_get_num_entries(table) == own.entries;

	/* in guc_stack_list and guc_report_list it would be missed */
	if (table == NULL || !(setting->flags & GUC_CUSTOM_PLACEHOLDER) ||
		setting->stack != NULL || (setting->status & GUC_NEEDS_REPORT) || is_inherited(setting->name))
		return false;
	if (hash_search(table, &setting->name, HASH_REMOVE, NULL) == NULL)
		return false;
	/* or else one that has come and one that goes would look like none */
	if (known)
		forget(setting->name);
	else
		own.entries = -1;
	if (setting->source != PGC_S_DEFAULT)
		dlist_delete(&setting->nondef_link);
	carpool_placeholder_free(setting);
	return true;
}
