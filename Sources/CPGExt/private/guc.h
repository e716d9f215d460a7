/* guc.h: what the carried settings (settings_state.c, login_settings.c) share. */
#ifndef CARPOOL_GUC_H
#define CARPOOL_GUC_H

#include "postgres.h"

#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "utils/guc_tables.h"

/* guclist.c: the head of guc_nondef_list, for loops that a call per setting would slow down. */
extern dlist_node *carpool_guc_list;

/* gucvalue.c: the value in force, or the one that RESET returns to. */
typedef enum CarpoolGucWhich
{
	CARPOOL_GUC_CURRENT,
	CARPOOL_GUC_RESET
} CarpoolGucWhich;

/* Bytes of a value that is no string, as text. */
#define CARPOOL_GUC_TEXT 32

/*
 * A value as text that set_config_option() takes back for the very same value. Strings are
 * the setting's own, the others are in buffer or static; NULL when there is none.
 */
extern const char *carpool_guc_text(struct config_generic *setting, CarpoolGucWhich which,
									char buffer[CARPOOL_GUC_TEXT]);

/* Of name, value, and who set it in which context; no_value: of a current one, but its value. */
extern uint64 carpool_guc_fingerprint(struct config_generic *setting, CarpoolGucWhich which);
extern uint64 carpool_guc_fingerprint_no_value(struct config_generic *setting);

/* Of name and current value alone, whoever set it. */
extern uint64 carpool_guc_fingerprint_value(struct config_generic *setting);

/*
 * gucchanges.c: whether settings of the session may have changed since this was asked last:
 * what a transaction changes is noticed, what anything else changes has to be noted. open: in
 * a transaction, once in each backend.
 */
extern void carpool_guc_changes_open(void);
extern bool carpool_guc_may_have_changed(void);
extern void carpool_guc_note_change(void);

/* Another one after each transaction that may have changed any, which agents' own may as well. */
extern uint64 carpool_guc_transactions(void);

/* Another one whenever they may have changed; as of the last time that was asked or noted. */
extern uint64 carpool_guc_version(void);

/*
 * Whether the transaction under way has changed a setting that is part of the environment
 * (environment.c), or the role; also for a function only that is running.
 */
extern bool carpool_guc_environment_is_changed(void);
extern bool carpool_guc_changes_self_test(StringInfo why);	/* in a transaction */
#define CARPOOL_GUC_CHANGES "changes of settings"

/* Changes a setting's source (set_guc_source of guc.c); needs the list. */
extern void carpool_guc_set_source(struct config_generic *setting, GucSource source);

/*
 * placeholders.c: custom settings that no module has defined. Of one that was ever set,
 * something stays: current_setting('a.b', true) is '' and no longer NULL.
 */
extern bool carpool_placeholders_open(void);

/* An entry of PostgreSQL's table of settings, as guc.c declares it. */
typedef struct CarpoolGucEntry
{
	const char *name;
	struct config_generic *setting;
} CarpoolGucEntry;

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

/* PostgreSQL has another table from now on; names: in it, NULL: to be looked for. Returns those in the former one. */
struct HTAB;
extern CarpoolGucNames carpool_placeholders_swap(struct HTAB *to, const CarpoolGucNames *names);

/* All other settings, as they were when the names were looked for. */
extern struct config_generic **carpool_placeholders_others(int *count);

/* What settings there are, or which are whose, may have changed though not their number. */
extern void carpool_placeholders_look_again(void);

/* Gives back the memory of one that is in no list and no table. */
extern void carpool_placeholder_free(struct config_generic *setting);

/* drawers.c: the table that PostgreSQL uses, where that has been found; looks for it. */
extern struct HTAB *carpool_drawers_table(void);
extern void carpool_drawers_open(struct HTAB *table, MemoryContext memory);

/*
 * drawers.c: many placeholders at once. put: takes the session's own out of PostgreSQL, if they
 * are so many at least, until a session has the same; first: where those with a value begin in
 * the list of settings not at their default, of which they are the last, or NULL; false: not
 * done. take: puts those of a fingerprint back; false: they aren't there. clear: frees so many at
 * most of what no session will take back.
 */
extern bool carpool_drawers_put(uint64 fingerprint, dlist_node *first, int least);
extern bool carpool_drawers_take(uint64 fingerprint, dlist_node **first);
extern void carpool_drawers_clear(long most);
extern bool carpool_drawers_are_untidy(void);

/* Calls visit for each placeholder without a value. */
extern void carpool_placeholders_walk(void (*visit) (struct config_generic *setting, void *argument),
									  void *argument);

/* The setting of a name, made when there is none; NULL when the name isn't allowed. */
extern struct config_generic *carpool_placeholder_make(const char *name);

/* Takes a placeholder out of PostgreSQL altogether. False: that can't be done, or not now. */
extern bool carpool_placeholder_remove(struct config_generic *setting);

/*
 * gucbase.c: what settings are below those of a login: the configuration files' values,
 * while those of ALTER ROLE and ALTER DATABASE or a client's startup parameters lie above.
 */
typedef struct CarpoolGucBase
{
	char	   *name;
	char	   *value;			/* NULL: the built-in default */
	bool		existed;		/* a custom setting may have been nobody's */
	GucSource	source;
	GucContext	scontext;
	Oid			srole;
	char	   *file_value;		/* of a configuration file read since; NULL: value holds */
	GucSource	above;			/* of what lies above; PGC_S_DEFAULT: nothing yet */
	bool		is_wanted;		/* login_settings.c: by the session that is to be */
	bool		is_left;		/* taken back but for what lies below, which a transaction refused */
	bool		was_current;	/* then: the value in force was the login's */
} CarpoolGucBase;

/* Notes it; setting is NULL when there is none of this name. The strings are in context. */
extern void carpool_guc_base_note(CarpoolGucBase *base, const char *name,
								  struct config_generic *setting, MemoryContext context);

/* Brings bases up to date with the configuration files, which have been read again since. */
extern void carpool_guc_base_refresh(CarpoolGucBase *bases, int count, MemoryContext context);

/* Makes the setting what it was. False: not within this transaction; outside of one it does, or raises an error. */
extern bool carpool_guc_base_restore(CarpoolGucBase *base);

/* Gives back what it holds. */
extern void carpool_guc_base_free(CarpoolGucBase *base);

/*
 * All settings that are not at their defaults, at the time when the backend has
 * authenticated the worker: nothing of a login is set yet. What is below the settings of
 * this backend's own login is looked up there; then the list is forgotten.
 */
extern void carpool_guc_bases_open(void);
extern void carpool_guc_base_note_own(CarpoolGucBase *base, struct config_generic *setting, MemoryContext context);
extern void carpool_guc_bases_close(void);

/* gucloading.c: one saved setting. */
typedef enum CarpoolGucKind
{
	CARPOOL_GUC_VALUE,			/* of a setting that PostgreSQL or a module defines */
	CARPOOL_GUC_CUSTOM,			/* of a placeholder */
	CARPOOL_GUC_NAME,			/* a placeholder without a value */
	CARPOOL_GUC_SOURCE,			/* its source alone */
	CARPOOL_GUC_OWN_ROLE,		/* role is at its reset value, under another session authorization */
	CARPOOL_GUC_END				/* there are no more */
} CarpoolGucKind;

typedef struct CarpoolGucSaved
{
	CarpoolGucKind kind;
	const char *name;
	const char *value;
	GucContext	scontext;
	Oid			srole;
	GucSource	source;			/* of a reset value */
	Oid			role;			/* that the value names; of role and session_authorization */
} CarpoolGucSaved;

extern void carpool_guc_put(StringInfo to, const CarpoolGucSaved *saved);
extern void carpool_guc_put_end(StringInfo to);

/* The next one; false at the end. */
extern bool carpool_guc_get(StringInfo from, CarpoolGucSaved *saved);

/* What saves the present value of a setting; buffer may be where the value is. */
extern CarpoolGucSaved carpool_guc_describe(struct config_generic *setting, CarpoolGucWhich which,
											char buffer[CARPOOL_GUC_TEXT]);

/* Sets it, in a transaction. False: PostgreSQL didn't take it, and said so at elevel. */
extern bool carpool_guc_load(const CarpoolGucSaved *saved, int elevel);

/* Takes back what a session set, in a transaction. */
extern void carpool_guc_unset(struct config_generic *setting);

/* Those that decide on the session's rights. */
extern bool carpool_guc_is_role(const char *name);

/* The self-tests of these kinds. */
extern bool carpool_settings_self_test(StringInfo why);
extern bool carpool_customs_self_test(StringInfo why);

/* customs_state.c, for them: sets one, and puts all away as they were looked at; false: that isn't done here. */
extern void carpool_customs_set(const CarpoolGucSaved *saved);
extern bool carpool_customs_put_away(void);
extern bool carpool_startup_self_test(StringInfo why);

#endif
