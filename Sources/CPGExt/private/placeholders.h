/* placeholders.h: custom settings that no module has defined, and drawers for very many of them. */
#ifndef CARPOOL_PLACEHOLDERS_H
#define CARPOOL_PLACEHOLDERS_H

#include "postgres.h"

#include "lib/ilist.h"
#include "utils/guc_tables.h"
#include "utils/hsearch.h"

#include "private/compat/settinglists.h"
#include "private/compat/settingtable.h"

/*
 * placeholders.c: looks for the table of all settings, known: where drawers.c has found it. Of a
 * placeholder that was ever set something stays: current_setting('a.b', true) is '' and no longer
 * NULL. Returns NULL if placeholders can't be seen nor removed here. May be called again. *memory
 * gets the context that settings are in.
 */
extern CarpoolGucTable *carpool_placeholders_open(CarpoolGucTable *known, MemoryContext *memory);

/* Names of placeholders, as long as the table of all settings has so many entries. */
typedef struct CarpoolGucNames
{
	MemoryContext memory;
	const char **names;
	int			count;
	int			room;
	long		entries;
} CarpoolGucNames;

/* One that has no value but what the session set. */
static inline bool
carpool_placeholder_is_own(const struct config_generic *setting)
{
	return (setting->flags & GUC_CUSTOM_PLACEHOLDER) && setting->reset_source == PGC_S_DEFAULT;
}

/* Whether there are more or fewer settings than when they were looked at last. */
extern bool carpool_placeholders_are_others(void);

/* How many the session has of its own. */
extern int carpool_placeholders_count(void);

/* Of the names of those that have no value, when so many have one; 0: there are none. */
extern uint64 carpool_placeholders_fingerprint(int with_value);

/*
 * PostgreSQL has another table from now on; names: in it, NULL: to be looked for. Returns those in
 * the former one.
 */
extern CarpoolGucNames carpool_placeholders_swap(CarpoolGucTable *to, const CarpoolGucNames *names);

/* All other settings, as they were when the names were looked for. */
extern struct config_generic **carpool_placeholders_others(int *count);

/* What settings there are, or which are whose, may have changed though not their number. */
extern void carpool_placeholders_look_again(void);

/* Gives back the memory of one that is in no list and no table. */
extern void carpool_placeholder_free(struct config_generic *setting);

/*
 * drawers.c: looks for the table of all settings, for placeholders.c too, and for PostgreSQL's
 * pointer to it.
 */
extern void carpool_drawers_open(void);

/*
 * drawers.c: many placeholders at once. put: takes the session's own out of PostgreSQL, if they
 * are so many at least, until a session has the same; first: where those with a value begin in
 * the list of settings not at their default, of which they are the last, or NULL; false: not
 * done. take: puts those of a fingerprint back; false: they aren't there. clear: frees so many at
 * most of what no session will take back.
 */
extern bool carpool_drawers_put(uint64 fingerprint, CarpoolGucPlace first, int least);
extern bool carpool_drawers_take(uint64 fingerprint, CarpoolGucPlace *first);
extern void carpool_drawers_clear(long most);
extern bool carpool_drawers_are_untidy(void);

/* Calls visit for each placeholder without a value. */
extern void carpool_placeholders_walk(void (*visit) (struct config_generic *setting, void *argument),
									  void *argument);

/* The setting of a name, made when there is none; NULL when the name isn't allowed. */
extern struct config_generic *carpool_placeholder_make(const char *name);

/* Takes a placeholder out of PostgreSQL altogether. False: that can't be done, or not now. */
extern bool carpool_placeholder_remove(struct config_generic *setting);

#endif
