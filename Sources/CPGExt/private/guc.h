/*
 * guc.h: the settings of PostgreSQL as the agent reads, compares, sets and saves them: the list of
 * those not at their default, values, changes, and saved ones.
 */
#ifndef CARPOOL_GUC_H
#define CARPOOL_GUC_H

#include "postgres.h"

#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "utils/guc_tables.h"

#include "private/compat/settinglists.h"

/*
 * guclist.c: PostgreSQL's list of settings that are not at their default (guc_nondef_list).
 * Calls visit for each, in no order, until it returns false.
 */
extern bool carpool_guc_list_open(void);
extern void carpool_guc_list_walk(bool (*visit) (struct config_generic *setting, void *argument),
								  void *argument);

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

/* keepalives.c: the settings of a client's TCP connection; once in each backend. */
extern void carpool_keepalives_open(void);

#endif
