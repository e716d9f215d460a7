/* pinsigns.h: between the files of pins: what the hooks have seen, and what each looks at. */
#ifndef CARPOOL_PINSIGNS_H
#define CARPOOL_PINSIGNS_H

#include "postgres.h"

#include "compat.h"

/* Set by hooks as soon as something may have begun; the looks below take them back. */
typedef struct CarpoolSigns
{
	bool		listens;		/* a LISTEN was executed */
	bool		has_slots;		/* a replication slot was created */
	uint32		lasting;		/* CLEDGER_PIN_… that stay until the client leaves */
} CarpoolSigns;

extern CarpoolSigns carpool_signs;

/* pins.c: whether the session listens, as PostgreSQL's own function says. */
extern bool carpool_is_listening(void);

/*
 * The pins that carpool_pins_reset() forgets but can't undo: a loaded library, variables of
 * a language. Who wants the next client to find nothing of them ends the backend instead.
 */
extern uint32 carpool_pins_indelible(void);

/* temporary.c: objects in this session's temporary schema */
extern void carpool_temporary_install(void);
extern bool carpool_temporary_now(void);	/* outside a transaction */
extern bool carpool_temporary_is_used(void);	/* by the session, or its transaction under way */
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

/* commands.c: LISTEN, LOAD and DO, wherever they are executed */
extern void carpool_utility_observe(void);
extern void carpool_libraries_note(void);	/* those loaded so far are in every backend */
extern bool carpool_utility_self_test(void);	/* in a transaction */

/* replication.c: origin, slots, backup */
extern uint32 carpool_replication_now(void);
extern void carpool_replication_reset(void);

/* Ends the temporary replication slots of this session. */
static inline void
carpool_drop_own_slots(void)
{
	carpool_replication_slot_cleanup();
}

#endif
