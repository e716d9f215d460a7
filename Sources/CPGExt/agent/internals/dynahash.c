/*
 * dynahash.c: finds hash tables that PostgreSQL keeps in static variables, by the name
 * given to hash_create().
 *
 * A table without a context of its own lives in a child of TopMemoryContext called
 * "dynahash", whose ident is the copy of the name that follows the table's header. The
 * header's size is private; it is measured on a table of our own.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "private/dynahash.h"
#include "private/settings.h"

#define MOST_NAMES 12
#define OWN_NAME "carpool's own table"
#define OTHER_NAME "another table of carpool's, with a name of another length"

typedef struct Known
{
	const char *name;			/* NULL: free */
	HTAB	   *table;			/* NULL: not made yet, or destroyed */
	MemoryContextCallback destroyed;	/* of the table's context */
} Known;

static Known known[MOST_NAMES];
static Size header_size;		/* 0: not as we think */
static bool works;				/* as far as it has been tried */

/*
 * An empty child of TopMemoryContext. New children are put in front, so that those before
 * this one are the ones made since it was put there itself: mostly none. A pointer to some
 * other child would not do, as the memory of a deleted one is used again for the next.
 */
static MemoryContext marker;

static HTAB *
make_table(const char *name)
{
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(Oid)};

	return hash_create(name, 1, &control, HASH_ELEM | HASH_BLOBS);
}

/* Whether a child of TopMemoryContext belongs to the hash table of a name. */
static bool
is_of(MemoryContext context, const char *name)
{
	return context->ident != NULL && strcmp(context->ident, name) == 0 &&
		strcmp(context->name, "dynahash") == 0;
}

/* The bytes between a table and its name; 0: it isn't as we think. */
static Size
measure_header(HTAB *table, const char *name)
{
	MemoryContext context = GetMemoryChunkContext(table);
	Size		size;

	if (!is_of(context, name) || context->parent != TopMemoryContext)
		return 0;
	size = context->ident - (const char *) table;
	return size > 0 && size < 1024 ? size : 0;
}

/* Measures the header; whether two tables agree on it. */
static bool
measure(void)
{
	HTAB	   *one = make_table(OWN_NAME);
	Size		size = measure_header(one, OWN_NAME);
	HTAB	   *other = make_table(OTHER_NAME);

	works = size != 0 && measure_header(other, OTHER_NAME) == size;
	header_size = size;
	hash_destroy(other);
	hash_destroy(one);
	return works;
}

static void *
copy_key(void *to, const void *from, Size size)
{
	return memcpy(to, from, size);
}

/*
 * Where a table's header has the function that copies the key of a new entry, by the one place in
 * which a table of our own has ours; 0: there isn't one.
 */
static Size
measure_copier(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(Oid), .keycopy = copy_key};
	HTAB	   *table = hash_create(OWN_NAME, 1, &control, HASH_ELEM | HASH_BLOBS | HASH_KEYCOPY);
	Size		size = measure_header(table, OWN_NAME);
	Size		found = 0;
	int			count = 0;

	for (Size at = 0; at + sizeof(HashCopyFunc) <= size; at += sizeof(void *))
		if (*(HashCopyFunc *) ((char *) table + at) == copy_key)
		{
			found = at;
			count++;
		}
	hash_destroy(table);
	return count == 1 ? found : 0;
}

HashCopyFunc
carpool_hash_watch(HTAB *table, HashCopyFunc copier)
{
	static Size place;
	HashCopyFunc *at;
	HashCopyFunc former;

	if (place == 0)
		place = measure_copier();
	if (place == 0 || carpool_settings_breaks("additions to hash tables", NULL))
		return NULL;
	at = (HashCopyFunc *) ((char *) table + place);
	former = *at;
	*at = copier;
	return former;
}

static void
forget(void *argument)
{
	Known	   *entry = argument;

	entry->table = NULL;
}

/* Notes the table of a context when it is the one looked for. */
static bool
take(Known *entry, MemoryContext context)
{
	if (entry->name == NULL || entry->table != NULL || !is_of(context, entry->name))
		return false;
	entry->table = (HTAB *) (context->ident - header_size);
	entry->destroyed.func = forget;
	entry->destroyed.arg = entry;
	MemoryContextRegisterResetCallback(context, &entry->destroyed);
	return true;
}

/* Looks at the children made since the last time, for all names that are missing. */
static void
look_at_new(void)
{
	for (MemoryContext child = TopMemoryContext->firstchild; child != marker; child = child->nextchild)
		for (int i = 0; i < MOST_NAMES; i++)
			(void) take(&known[i], child);
	/* to the front: by way of no parent, as a context's own parent changes nothing */
	MemoryContextSetParent(marker, NULL);
	MemoryContextSetParent(marker, TopMemoryContext);
}

static void
be_ready(void)
{
	if (marker != NULL)
		return;
	marker = AllocSetContextCreate(TopMemoryContext, "carpool marker", ALLOCSET_SMALL_SIZES);
	(void) measure();
}

/* The entry of a name, which is kept; NULL when there are too many. */
static Known *
entry_of(const char *name)
{
	for (int i = 0; i < MOST_NAMES; i++)
	{
		Known	   *entry = &known[i];

		if (entry->name == name || (entry->name != NULL && strcmp(entry->name, name) == 0))
			return entry;
		if (entry->name != NULL)
			continue;
		/* the first time all children must be looked at, not only the new ones */
		entry->name = name;
		for (MemoryContext child = TopMemoryContext->firstchild; child != NULL; child = child->nextchild)
			if (take(entry, child))
				break;
		return entry;
	}
	return NULL;
}

/*
 * Costs a few comparisons, whether the table has been found or has not been made yet. One
 * that is destroyed (DISCARD does that to sequence.c's) is forgotten by itself.
 */
HTAB *
carpool_hash_find(const char *name)
{
	Known	   *entry;

	be_ready();
	if (!works)
		return NULL;
	entry = entry_of(name);
	if (entry == NULL)
		return NULL;
	if (entry->table == NULL && TopMemoryContext->firstchild != marker)
		look_at_new();
	return entry->table;
}

/* A table of our own must be found while it is there, and only then. */
bool
carpool_hash_self_test(StringInfo why)
{
	HTAB	   *table;
	bool		found;

	be_ready();
	if (!measure())
	{
		appendStringInfoString(why, "a hash table's name does not follow its header");
		return false;
	}
	for (int i = 0; i < 2; i++)
	{
		bool		early = carpool_hash_find(OWN_NAME) != NULL;

		table = make_table(OWN_NAME);
		found = !early && carpool_hash_find(OWN_NAME) == table && hash_get_num_entries(table) == 0;
		hash_destroy(table);
		works = found && carpool_hash_find(OWN_NAME) == NULL;
		if (!works)
		{
			appendStringInfoString(why, "a hash table is not found by its name");
			return false;
		}
	}
	return true;
}
