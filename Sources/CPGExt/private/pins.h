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

#endif
