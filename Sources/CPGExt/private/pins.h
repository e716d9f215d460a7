/* pins.h: state of a session that can't be carried, and keeps its client on its backend. */
#ifndef CARPOOL_PINS_H
#define CARPOOL_PINS_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* In a pooled backend, once, at its login: hooks and callbacks that only it pays for. */
extern void carpool_pins_install(void);

/*
 * CLEDGER_PIN_… of what the session holds. Runs before every ReadyForQuery outside a
 * transaction: no error, next to no time when there is nothing. May start a transaction of
 * its own where only the catalogs can tell (temporary objects, and only after a transaction
 * that touched them).
 */
extern uint32 carpool_pins_now(void);

/*
 * CLEDGER_PIN_… of what can't be seen here, as the self-test has found: any session may hold
 * it, so each keeps its backend, which ends with it.
 */
extern uint32 carpool_pins_unseen;

/* Ends all of it, as DISCARD ALL does; in a transaction. */
extern void carpool_pins_reset(void);

/* As CarpoolStateKind's; *failed gets the CLEDGER_PIN_… that can't be seen here. */
extern bool carpool_pins_self_test(StringInfo why, uint32 *failed);

/* pins.c: whether the session listens, as PostgreSQL's own function says. */
extern bool carpool_is_listening(void);

/*
 * The pins that carpool_pins_reset() forgets but can't undo: a loaded library, variables of
 * a language. So that the next client finds nothing of them the backend is ended instead.
 */
extern uint32 carpool_pins_indelible(void);

/* temporary.c: objects in this session's temporary schema */
extern void carpool_temporary_install(void);
extern bool carpool_temporary_now(void);	/* outside a transaction */
extern void carpool_temporary_reset(void);	/* in a transaction */
extern bool carpool_temporary_self_test(void);	/* in a transaction */

/* tempbuffers.c: temp_buffers, once in each backend; and after a transaction that used a temporary object */
extern void carpool_temp_buffers_open(void);
extern void carpool_temp_buffers_look(void);

/* functions.c: functions and settings that leave something behind in the session */
extern void carpool_functions_install(void);
extern void carpool_functions_reset(void);
extern void carpool_functions_reseed(void);	/* random() goes on as nobody can foresee */
extern bool carpool_functions_see_setseed(void);
extern bool carpool_functions_see_languages(void);
extern bool carpool_functions_saw_plpgsql(void);	/* a function of that language was looked up */
extern bool carpool_language_is_stateless(const char *name);

/*
 * commands.c: the names of the libraries that are loaded, each ended by NUL, and a NUL; in the
 * current context.
 */
extern char *carpool_loaded_libraries(void);

/* commands.c: LISTEN, LOAD and DO, wherever they are executed */
extern void carpool_utility_observe(void);
extern void carpool_libraries_note(void);	/* those loaded so far are in every backend */
extern bool carpool_utility_self_test(void);	/* in a transaction */

/* replication.c: origin, slots, backup */
extern uint32 carpool_replication_now(void);
extern void carpool_replication_reset(void);

#endif
