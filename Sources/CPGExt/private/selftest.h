/* selftest.h: whether what the agent relies on in PostgreSQL works on this server. */
#ifndef CARPOOL_SELFTEST_H
#define CARPOOL_SELFTEST_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* Gets the result of one mechanism's test; why: what failed, or "". */
typedef void (*CarpoolTell) (const char *mechanism, bool works, const char *why);

/*
 * selftest.c: tries each mechanism, in a transaction; leaves nothing behind. *failed gets the
 * CLEDGER_PIN_… of the kinds of state that don't work. tell NULL: the log gets what fails, and
 * carpool_pins_unseen what can't be seen. Returns whether all works.
 */
extern bool carpool_self_test_run(uint32 *failed, CarpoolTell tell);

/*
 * The tests of the kinds of state, which try all of a kind and what it relies on. Each returns
 * false if the kind does not work here, and appends why.
 */
extern bool carpool_startup_self_test(StringInfo why);
extern bool carpool_settings_self_test(StringInfo why);
extern bool carpool_customs_self_test(StringInfo why);
extern bool carpool_statements_self_test(StringInfo why);
extern bool carpool_sequences_self_test(StringInfo why);

#endif
