/*
 * settinghash.c: finds the hash table that guc.c has all settings in, since PostgreSQL 16. It is
 * guc.c's own, and found by the name of its memory context.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "private/compat/settingtable.h"

#if !CARPOOL_SETTINGS_ARE_ARRAY

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
	CarpoolGucEntry *entry;

	pfree(carpool_all_settings(&settings));
	if (hash_get_num_entries(candidate) != settings)
		return false;
	entry = hash_search(candidate, &name, HASH_FIND, NULL);
	return entry != NULL && entry->setting == carpool_find_setting(name, false, true, LOG);
}

CarpoolGucTable *
carpool_guc_table_find(CarpoolGucTable *known, MemoryContext *memory)
{
	MemoryContext settings = find_child(TopMemoryContext, "GUCMemoryContext", NULL);
	MemoryContext context = settings != NULL ? find_child(settings, "dynahash", "GUC hash table") : NULL;
	HTAB	   *found = known;

	*memory = settings;
	if (found == NULL && context != NULL)
		found = table_of(context);
	return found != NULL && is_table(found) ? found : NULL;
}

#endif
