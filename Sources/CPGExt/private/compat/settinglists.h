/*
 * settinglists.h: goes through the settings that are not at their default, and through those that
 * the transaction under way has changed. Since 16 guc.c has a list of each; until 15 all settings
 * have to be looked at.
 */
#ifndef CARPOOL_COMPAT_SETTINGLISTS_H
#define CARPOOL_COMPAT_SETTINGLISTS_H

#include "postgres.h"

#include "lib/ilist.h"

#include "private/compat/settings.h"

#if !CARPOOL_SETTINGS_ARE_ARRAY
/* guclist.c: the head of guc_nondef_list; NULL: not found. */
extern dlist_node *carpool_guc_list;

static inline bool
carpool_guc_list_is_known(void)
{
	return carpool_guc_list != NULL;
}

/* A walk through those not at their default. The setting that it has come to may be taken out. */
typedef dlist_node *CarpoolGucPlace;

typedef struct CarpoolGucWalk
{
	dlist_node *next;
} CarpoolGucWalk;

static inline CarpoolGucWalk
carpool_guc_walk(void)
{
	return (CarpoolGucWalk) {carpool_guc_list->next};
}

/* Through those from a place on; none, where that is NULL. */
static inline CarpoolGucWalk
carpool_guc_walk_from(CarpoolGucPlace first)
{
	return (CarpoolGucWalk) {first != NULL ? first : carpool_guc_list};
}

/* The next one; NULL: there are no more. */
static inline struct config_generic *
carpool_guc_walk_next(CarpoolGucWalk *walk)
{
	dlist_node *node = walk->next;

	if (node == carpool_guc_list)
		return NULL;
	walk->next = node->next;
	return dlist_container(struct config_generic, nondef_link, node);
}

/* Moves those that are to the end of the list, and returns how many they are. *first: where they begin. */
static inline int
carpool_guc_list_gather(bool (*is) (const struct config_generic *setting), CarpoolGucPlace *first)
{
	int			count = 0;
	dlist_node *next;

	*first = NULL;
	for (dlist_node *node = carpool_guc_list->next; node != carpool_guc_list; node = next)
	{
		next = node->next;
		if (is(dlist_container(struct config_generic, nondef_link, node)))
		{
			if (*first == NULL)
				*first = node;
			count++;
		}
		else if (*first != NULL)
		{
			dlist_delete(node);
			dlist_insert_before(*first, node);
		}
	}
	return count;
}

/* Whether the last one is. */
static inline bool
carpool_guc_list_ends_with(bool (*is) (const struct config_generic *setting))
{
	return is(dlist_container(struct config_generic, nondef_link, carpool_guc_list->prev));
}

/* A setting leaves its default, or comes back to it. */
static inline void
carpool_guc_list_add(struct config_generic *setting)
{
	dlist_insert_before(carpool_guc_list, &setting->nondef_link);
}

static inline void
carpool_guc_list_remove(struct config_generic *setting)
{
	dlist_delete(&setting->nondef_link);
}

/* What a transaction has changed, guc_stack_list. */
typedef slist_head CarpoolGucChanges;

typedef struct CarpoolGucChangesWalk
{
	slist_node *next;
} CarpoolGucChangesWalk;

static inline CarpoolGucChangesWalk
carpool_guc_changes_walk(const CarpoolGucChanges *changes)
{
	return (CarpoolGucChangesWalk) {changes->head.next};
}

static inline const struct config_generic *
carpool_guc_changes_next(CarpoolGucChangesWalk *walk)
{
	slist_node *node = walk->next;

	if (node == NULL)
		return NULL;
	walk->next = node->next;
	return slist_container(struct config_generic, stack_link, node);
}

#else
static inline bool
carpool_guc_list_is_known(void)
{
	return true;
}

/*
 * Backwards, so that what a walk has come to may be taken out of the array. A place is no more than
 * a sign that there is one.
 */
typedef const struct config_generic *CarpoolGucPlace;

typedef struct CarpoolGucWalk
{
	struct config_generic **all;
	int			left;
} CarpoolGucWalk;

static inline CarpoolGucWalk
carpool_guc_walk(void)
{
	return (CarpoolGucWalk) {get_guc_variables(), GetNumConfigOptions()};
}

static inline CarpoolGucWalk
carpool_guc_walk_from(CarpoolGucPlace first)
{
	return (CarpoolGucWalk) {get_guc_variables(), first != NULL ? GetNumConfigOptions() : 0};
}

static inline struct config_generic *
carpool_guc_walk_next(CarpoolGucWalk *walk)
{
	while (walk->left > 0)
	{
		struct config_generic *setting = walk->all[--walk->left];

		if (setting->source != PGC_S_DEFAULT)
			return setting;
	}
	return NULL;
}

static inline int
carpool_guc_list_gather(bool (*is) (const struct config_generic *setting), CarpoolGucPlace *first)
{
	CarpoolGucWalk walk = carpool_guc_walk();
	const struct config_generic *setting;
	int			count = 0;

	*first = NULL;
	while ((setting = carpool_guc_walk_next(&walk)) != NULL)
		if (is(setting))
		{
			*first = setting;
			count++;
		}
	return count;
}

/* There is no order. */
static inline bool
carpool_guc_list_ends_with(bool (*is) (const struct config_generic *setting))
{
	return false;
}

static inline void
carpool_guc_list_add(struct config_generic *setting)
{
}

static inline void
carpool_guc_list_remove(struct config_generic *setting)
{
}

/* Whether there may be any, guc_dirty; a setting that was changed has something to go back to. */
typedef bool CarpoolGucChanges;
typedef CarpoolGucWalk CarpoolGucChangesWalk;

static inline CarpoolGucChangesWalk
carpool_guc_changes_walk(const CarpoolGucChanges *changes)
{
	return (CarpoolGucChangesWalk) {get_guc_variables(), *changes ? GetNumConfigOptions() : 0};
}

static inline const struct config_generic *
carpool_guc_changes_next(CarpoolGucChangesWalk *walk)
{
	while (walk->left > 0)
	{
		const struct config_generic *setting = walk->all[--walk->left];

		if (setting->stack != NULL)
			return setting;
	}
	return NULL;
}
#endif

/* Whether a transaction has changed any. */
static inline bool
carpool_guc_changes_any(const CarpoolGucChanges *changes)
{
	CarpoolGucChangesWalk walk = carpool_guc_changes_walk(changes);

	return carpool_guc_changes_next(&walk) != NULL;
}

#endif
