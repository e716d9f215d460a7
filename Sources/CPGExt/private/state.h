/*
 * state.h: the kinds of session state that follow a client from backend to backend. Each
 * is a module of its own in agent/state or agent/statements; attach.c calls them,
 * and selftest/ tries them.
 *
 * "As after login" is the state of a backend before any client was attached to it. All
 * functions run on the main thread of a pooled backend. An error in any of them ends that
 * backend, never reaches a client as someone else's message.
 */
#ifndef CARPOOL_STATE_H
#define CARPOOL_STATE_H

#include "postgres.h"

#include "lib/stringinfo.h"

typedef struct CarpoolStateKind
{
	const char *name;			/* for the log and carpool.self_test() */
	uint32		pin;			/* CLEDGER_PIN_…: what its clients are pinned for where the self-test fails */

	/*
	 * Of what the session holds now: 0 when it is as after login. Equal contents have
	 * equal fingerprints in any backend. Runs before every ReadyForQuery outside a
	 * transaction, and therefore: no transaction, no catalog, no allocation that stays, no
	 * error, next to no time when the session is clean.
	 */
	uint64		(*fingerprint) (void);

	/* Appends the session's contents, which are not empty. Outside a transaction. */
	void		(*save) (StringInfo to);

	/*
	 * Appends what has changed since the last save or load, size being the bytes saved so far.
	 * False: all has to be saved. NULL: it always has.
	 */
	bool		(*save_changes) (StringInfo to, uint32 size);

	/* Takes what it has kept of a session with this fingerprint; false: nothing. NULL: it never has. */
	bool		(*take) (uint64 fingerprint);

	/* Takes what save wrote into a session as after login. In a transaction. */
	void		(*load) (StringInfo from);

	/* Takes what save_changes has written into the session that it was told of before; as load. */
	void		(*load_changes) (StringInfo from);

	/* Makes the session as after login again. In a transaction. */
	void		(*reset) (void);
} CarpoolStateKind;

/* In the order in which they are loaded; they are reset the other way round. */

/*
 * login_settings.c: what a login sets. Here 0 is a login that sets nothing; and load takes the
 * place of what is there, as most of it often is what is to be.
 */
extern const CarpoolStateKind carpool_startup_state;
/* settings_state.c: SET, role, session authorization */
extern const CarpoolStateKind carpool_settings_state;
/* customs_state.c: settings that nobody has defined */
extern const CarpoolStateKind carpool_customs_state;
/*
 * statements.c: prepared statements of both kinds. Here, too, load takes the place of what is
 * there, where the settings stay; neither load nor reset needs a transaction, but load may
 * begin one.
 */
extern const CarpoolStateKind carpool_statements_state;
extern const CarpoolStateKind carpool_sequences_state;	/* sequences.c: currval and lastval */

/* login_settings.c: once in each backend, before anything else of it is used. */
extern void carpool_startup_open(void);

/*
 * login_settings.c: after a take, load or reset, outside of a transaction: does what PostgreSQL refused
 * within one because something a value names was dropped. from: what was loaded, or NULL.
 */
extern void carpool_startup_settle(StringInfo from);

/*
 * login_settings.c: makes the session one of a client attached for the first time, whoever had it
 * before; nothing is SET. message: the lists of CLEDGER_START. Checked as PostgreSQL checks
 * a startup packet. In a transaction; after an error, take it back in another one.
 */
extern void carpool_startup_take(const char *message, Size size, bool with_parameters);

/* settings_state.c: looks for PostgreSQL's private lists; before anything else of it is used. */
extern void carpool_settings_state_open(void);

/* settings_state.c: the last load left a setting at another value than it was to have. */
extern bool carpool_settings_refused;

/* settings_state.c: after such a load, outside of a transaction: sets what is to be had there. */
extern void carpool_settings_load_left(StringInfo from);

/*
 * settings_state.c, customs_state.c: the fingerprint after a transaction; before: the last one,
 * which holds if none changed.
 */
extern uint64 carpool_settings_now(uint64 before, bool may_have_changed);
extern uint64 carpool_customs_now(uint64 before);

/*
 * customs_state.c: whether the session has so many that making them in another backend would
 * take long, and its client keeps this one: for each, 15 sorts all that there are.
 */
extern bool carpool_customs_are_very_many(void);

/* customs_state.c: one of them may be a setting of another kind by now, or the other way round. */
extern void carpool_customs_look_again(void);

/* customs_state.c: what was loaded has this fingerprint, and no client has changed it since. */
extern void carpool_customs_loaded(uint64 fingerprint);

/*
 * customs_state.c, for its self-test: sets one; puts all away as they were looked at, and returns
 * false if that isn't done here.
 */
struct CarpoolGucSaved;
extern void carpool_customs_set(const struct CarpoolGucSaved *saved);
extern bool carpool_customs_put_away(void);

/*
 * customs_state.c: whether there is something to be freed that no client needs any more; frees a
 * little of it, outside of a transaction.
 */
extern bool carpool_customs_are_untidy(void);
extern void carpool_customs_tidy(void);

#endif
