/*
 * drawers.c: puts away all custom settings of a session at once, and takes them back, where they
 * are very many. To take ten thousands out of PostgreSQL one by one, and to make them anew, takes
 * longer than the statement of the next client should have to wait. So the table of all settings
 * (guc_hashtab) that they are in is put away as it is, and another one without them in its place.
 *
 * What is put away is a drawer; the session that comes with the same settings, by fingerprint,
 * gets it back. Drawers beyond a few are emptied bit by bit.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "private/guc.h"
#include "private/placeholders.h"
#include "private/settings.h"
#include "private/variables.h"

#if CARPOOL_SETTINGS_ARE_ARRAY
/* All are taken out one by one, and a client with many of them keeps its server (customs_state.c). */
void
carpool_drawers_open(void)
{
	static CarpoolGucTable *table;
	MemoryContext settings;

	table = carpool_placeholders_open(table, &settings);
}

bool
carpool_drawers_put(uint64 fingerprint, CarpoolGucPlace first, int least)
{
	return false;
}

bool
carpool_drawers_take(uint64 fingerprint, CarpoolGucPlace *first)
{
	return false;
}

bool
carpool_drawers_are_untidy(void)
{
	return false;
}

void
carpool_drawers_clear(long most)
{
}

#else
#define DRAWERS 4

typedef struct Drawer
{
	uint64		fingerprint;
	HTAB	   *table;			/* with all settings of PostgreSQL's, too */
	dlist_node *first;			/* those with a value, as they were in guc_nondef_list; NULL: none */
	dlist_node *last;
	CarpoolGucNames names;
	struct Drawer *next;		/* younger ones come first */
} Drawer;

static HTAB **place;			/* guc_hashtab; NULL: not found */
static MemoryContext memory;	/* GUCMemoryContext */
static Drawer *drawers;
static Drawer *garbage;			/* nobody takes these back */

/* The case of ASCII letters is nothing, and locales don't matter: as in guc.c. */
static inline unsigned char
fold(char letter)
{
	return (unsigned char) (letter >= 'A' && letter <= 'Z' ? letter + 'a' - 'A' : letter);
}

static uint32
hash_name(const void *key, Size size)
{
	uint32		result = 0;

	for (const char *name = *(const char *const *) key; *name != '\0'; name++)
		result = ((result << 5) | (result >> 27)) ^ fold(*name);
	return result;
}

static int
match_names(const void *one, const void *other, Size size)
{
	const char *a = *(const char *const *) one;
	const char *b = *(const char *const *) other;

	while (*a != '\0' && fold(*a) == fold(*b))
	{
		a++;
		b++;
	}
	return fold(*a) != fold(*b);
}

static HTAB *
make_table(void)
{
	HASHCTL		control = {
		.keysize = sizeof(char *), .entrysize = sizeof(CarpoolGucEntry), .hash = hash_name,
		.match = match_names, .hcxt = memory
	};

	return hash_create("GUC hash table of carpool", 1000, &control,
					   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

/*
 * The static variable by which PostgreSQL finds a setting, among those that point to the table:
 * with an empty table there it finds none.
 */
static void
find_place(HTAB *table, MemoryContext settings)
{
	CarpoolVariables variables = carpool_variables();
	HTAB	   *probe;

	if (place != NULL || carpool_settings_breaks("many custom settings", NULL))
		return;
	memory = settings;
	probe = make_table();
	for (void **word = variables.first; word < variables.end && place == NULL; word++)
	{
		if (*word != table)
			continue;
		*word = probe;
		if (carpool_find_setting("config_file", false, true, LOG) == NULL)
			place = (HTAB **) word;
		*word = table;
	}
	hash_destroy(probe);
}

void
carpool_drawers_open(void)
{
	MemoryContext settings;
	HTAB	   *table = carpool_placeholders_open(place != NULL ? *place : NULL, &settings);

	if (table != NULL)
		find_place(table, settings);
}

static void
enter(HTAB *table, struct config_generic *setting)
{
	CarpoolGucEntry *entry = hash_search(table, &setting->name, HASH_ENTER, NULL);

	entry->name = setting->name;
	entry->setting = setting;
}

/*
 * Takes the session's own out of the list of settings not at their default: all at once where
 * they are its end, which first begins.
 */
static void
cut_out(Drawer *drawer, dlist_node *first)
{
	dlist_node *head = carpool_guc_list;

	drawer->first = first;
	drawer->last = head->prev;
	first->prev->next = head;
	head->prev = first->prev;
}

static void
put_back(const Drawer *drawer)
{
	dlist_node *head = carpool_guc_list;

	if (drawer->first == NULL)
		return;
	drawer->first->prev = head->prev;
	head->prev->next = drawer->first;
	drawer->last->next = head;
	head->prev = drawer->last;
}

/* The drawer goes to those that nobody takes back. */
static void
throw_away(Drawer **link)
{
	Drawer	   *drawer = *link;

	*link = drawer->next;
	drawer->next = garbage;
	garbage = drawer;
}

/* Keeps a few. */
static void
trim(void)
{
	Drawer	  **link = &drawers;

	for (int i = 0; *link != NULL && i < DRAWERS; i++)
		link = &(*link)->next;
	while (*link != NULL)
		throw_away(link);
}

bool
carpool_drawers_put(uint64 fingerprint, CarpoolGucPlace first, int least)
{
	Drawer	   *drawer;
	HTAB	   *table;
	int			count;
	struct config_generic **stay;

	if (place == NULL || carpool_placeholders_count() < least)
		return false;
	stay = carpool_placeholders_others(&count);
	drawer = MemoryContextAllocZero(TopMemoryContext, sizeof(*drawer));
	drawer->fingerprint = fingerprint;
	drawer->table = *place;
	table = make_table();
	for (int i = 0; i < count; i++)
	{
		enter(table, stay[i]);
		/* it is its login's, and may go with that */
		if (stay[i]->flags & GUC_CUSTOM_PLACEHOLDER)
			(void) hash_search(drawer->table, &stay[i]->name, HASH_REMOVE, NULL);
	}
	if (first != NULL)
		cut_out(drawer, first);
	*place = table;
	drawer->names = carpool_placeholders_swap(table, NULL);
	drawer->next = drawers;
	drawers = drawer;
	trim();
	return true;
}

/* Whether none of the settings there are now is a custom one in a drawer. */
static bool
fits(const Drawer *drawer)
{
	HASH_SEQ_STATUS scan;
	CarpoolGucEntry *entry;
	bool		result = true;

	hash_seq_init(&scan, *place);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		const CarpoolGucEntry *there = hash_search(drawer->table, &entry->name, HASH_FIND, NULL);

		if (there != NULL && there->setting != entry->setting)
			result = false;
	}
	return result;
}

/* Puts the settings there are now into the table of a drawer, and that in their table's place. */
static void
use_table(const Drawer *drawer)
{
	HASH_SEQ_STATUS scan;
	CarpoolGucEntry *entry;
	HTAB	   *former = *place;
	CarpoolGucNames names;

	hash_seq_init(&scan, former);
	while ((entry = hash_seq_search(&scan)) != NULL)
		enter(drawer->table, entry->setting);
	*place = drawer->table;
	names = carpool_placeholders_swap(drawer->table, &drawer->names);
	MemoryContextDelete(names.memory);
	hash_destroy(former);
}

bool
carpool_drawers_take(uint64 fingerprint, CarpoolGucPlace *first)
{
	Drawer	  **link = &drawers;
	Drawer	   *drawer;

	while (*link != NULL && (*link)->fingerprint != fingerprint)
		link = &(*link)->next;
	drawer = *link;
	if (drawer == NULL)
		return false;
	if (carpool_placeholders_count() > 0 || !fits(drawer))
	{
		throw_away(link);
		return false;
	}
	use_table(drawer);
	put_back(drawer);
	*first = drawer->first;
	*link = drawer->next;
	pfree(drawer);
	return true;
}

/* Frees some of what is in one. Returns how many are still to be freed; 0: it may hold more. */
static long
empty(Drawer *drawer, long most)
{
	HASH_SEQ_STATUS scan;
	CarpoolGucEntry *entry;

	hash_seq_init(&scan, drawer->table);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		struct config_generic *setting = entry->setting;

		if (!carpool_placeholder_is_own(setting))
			continue;
		if (most == 0)
		{
			hash_seq_term(&scan);
			return 0;
		}
		(void) hash_search(drawer->table, &setting->name, HASH_REMOVE, NULL);
		carpool_placeholder_free(setting);
		most--;
	}
	return Max(most, 1);
}

bool
carpool_drawers_are_untidy(void)
{
	return garbage != NULL;
}

void
carpool_drawers_clear(long most)
{
	while (unlikely(garbage != NULL))
	{
		Drawer	   *drawer = garbage;

		most = empty(drawer, most);
		if (most == 0)
			return;
		garbage = drawer->next;
		hash_destroy(drawer->table);
		MemoryContextDelete(drawer->names.memory);
		pfree(drawer);
	}
}

#endif
