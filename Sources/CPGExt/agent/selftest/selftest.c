/*
 * selftest.c: tries, in a pooled backend before its first client and for carpool.self_test(),
 * whether each kind of session state can be carried here, and whether everything that pins is
 * seen.
 */
#include "postgres.h"

#include "cledger.h"
#include "private/asyncqueue.h"
#include "private/caches.h"
#include "private/guc.h"
#include "private/pins.h"
#include "private/selftest.h"
#include "private/settings.h"
#include "private/state.h"
#include "private/unnamed.h"

/* In the order in which they are told. */
static const struct
{
	const CarpoolStateKind *kind;
	bool		(*test) (StringInfo why);
}			kinds[] = {
	{&carpool_startup_state, carpool_startup_self_test},
	{&carpool_settings_state, carpool_settings_self_test},
	{&carpool_customs_state, carpool_customs_self_test},
	{&carpool_statements_state, carpool_statements_self_test},
	{&carpool_sequences_state, carpool_sequences_self_test},
};

/* Tells of a mechanism, or logs that it does not work; why is empty again. */
static void
conclude(const char *mechanism, bool works, StringInfo why, CarpoolTell tell)
{
	if (tell)
		tell(mechanism, works, why->data);
	else if (!works)
		ereport(LOG, (errmsg("carpool self-test of %s failed: %s", mechanism, why->data)));
	resetStringInfo(why);
}

/* Those that don't need what they test to work before the first client. */
static void
tell_of_rest(StringInfo why, CarpoolTell tell)
{
	bool		works = carpool_unnamed_self_test(why);

	conclude(CARPOOL_UNNAMED, works, why, tell);
	works = carpool_guc_changes_self_test(why);
	conclude(CARPOOL_GUC_CHANGES, works, why, tell);
	works = carpool_async_self_test(why);
	conclude(CARPOOL_ASYNC, works, why, tell);
}

bool
carpool_self_test_run(uint32 *failed, CarpoolTell tell)
{
	StringInfoData why;
	uint32		pins_failed = 0;
	bool		works;

	*failed = 0;
	initStringInfo(&why);
	for (int i = 0; i < lengthof(kinds); i++)
	{
		const CarpoolStateKind *kind = kinds[i].kind;

		works = !carpool_settings_breaks(kind->name, &why) && kinds[i].test(&why);
		if (!works)
			*failed |= kind->pin;
		conclude(kind->name, works, &why, tell);
	}
	works = carpool_pins_self_test(&why, &pins_failed);
	conclude("pins", works, &why, tell);
	works = carpool_caches_self_test(&why);
	/* then each client has a backend of its own, and so none has what was made for another */
	if (!works)
		pins_failed |= CLEDGER_PIN_LANGUAGE;
	conclude(CARPOOL_CACHES, works, &why, tell);
	if (tell)
		tell_of_rest(&why, tell);
	else
		carpool_pins_unseen = pins_failed;
	pfree(why.data);
	return *failed == 0 && pins_failed == 0;
}
