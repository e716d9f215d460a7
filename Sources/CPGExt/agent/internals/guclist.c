/*
 * guclist.c: finds PostgreSQL's list of settings that are not at their default.
 *
 * guc.c keeps it for itself (guc_nondef_list), but the list is a ring through the settings,
 * and these can be had. In the ring of a setting that is known to be in the list, the one
 * node that belongs to no setting is the list's head. 15 has no such list, and all settings are
 * looked at (compat/settinglists.h).
 */
#include "postgres.h"

#include "utils/guc_tables.h"

#include "private/guc.h"

#if CARPOOL_SETTINGS_ARE_ARRAY
bool
carpool_guc_list_open(void)
{
	return true;
}

#else
/* The head of the list; NULL: not found. */
dlist_node *carpool_guc_list;

static int
compare_nodes(const void *left, const void *right)
{
	const dlist_node *a = *(dlist_node *const *) left;
	const dlist_node *b = *(dlist_node *const *) right;

	return a < b ? -1 : a > b;
}

/*
 * Goes through the ring that start is in, and returns its one node that is not among the
 * known. NULL when the ring is not of expected nodes and that one, or is no ring.
 */
static dlist_node *
find_stranger(dlist_node *start, dlist_node **known, int count, int expected)
{
	dlist_node *stranger = NULL;
	dlist_node *node = start;

	for (int seen = 0;; seen++)
	{
		if (node->next == NULL || seen > expected)
			return NULL;
		if (bsearch(&node, known, count, sizeof(*known), compare_nodes) == NULL)
		{
			if (stranger != NULL)
				return NULL;
			stranger = node;
		}
		if (node->next->prev != node)
			return NULL;
		node = node->next;
		if (node == start)
			return seen == expected ? stranger : NULL;
	}
}

/* Finds the list. False: it can't be had in this server. May be called again. */
bool
carpool_guc_list_open(void)
{
	int			count;
	int			expected = 0;
	struct config_generic **settings = carpool_all_settings(&count);
	struct config_generic *start = carpool_find_setting("config_file", false, true, LOG);
	dlist_node **known = palloc(count * sizeof(*known));

	for (int i = 0; i < count; i++)
	{
		known[i] = &settings[i]->nondef_link;
		if (settings[i]->source != PGC_S_DEFAULT)
			expected++;
	}
	qsort(known, count, sizeof(*known), compare_nodes);
	carpool_guc_list = NULL;
	if (start != NULL && start->source != PGC_S_DEFAULT)
		carpool_guc_list = find_stranger(&start->nondef_link, known, count, expected);
	pfree(known);
	pfree(settings);
	return carpool_guc_list != NULL;
}

#endif

/*
 * Calls visit for each setting that is not at its default, until it returns false; for none
 * where the list was not found. visit may take the setting it was called for out of the
 * list, and no other.
 */
void
carpool_guc_list_walk(bool (*visit) (struct config_generic *setting, void *argument), void *argument)
{
	CarpoolGucWalk walk;
	struct config_generic *setting;

	if (!carpool_guc_list_is_known())
		return;
	walk = carpool_guc_walk();
	while ((setting = carpool_guc_walk_next(&walk)) != NULL)
		if (!visit(setting, argument))
			return;
}
