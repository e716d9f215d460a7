/*
 * pins.c: tells what of a session can't be carried to another backend. It looks at most of that
 * where PostgreSQL keeps it; what has no place to look at leaves a sign when it begins.
 */
#include "postgres.h"

#include "commands/async.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/portal.h"

#include "cledger.h"
#include "private/compat/locks.h"
#include "private/dynahash.h"
#include "private/pins.h"
#include "private/settings.h"
#include "private/signs.h"

#define PORTAL_TABLE "Portal hash"

uint32		carpool_pins_unseen;
static bool is_installed;

void
carpool_pins_install(void)
{
	if (is_installed)
		return;
	is_installed = true;
	carpool_temporary_install();
	carpool_functions_install();
	carpool_utility_observe();
}

/*
 * Locks of the user's own, which are advisory ones; this many. After a transaction they
 * are the session's, and no other process touches the lists of locks, which all are held:
 * so they are read without a lock.
 */
static int
count_user_locks(void)
{
	int			count = 0;

	for (int i = 0; i < NUM_LOCK_PARTITIONS; i++)
	{
		const PROCLOCK *held = carpool_first_lock(i);

		for (; held != NULL; held = carpool_next_lock(i, held))
			if (held->tag.myLock->tag.locktag_lockmethodid == USER_LOCKMETHOD)
				count++;
	}
	return count;
}

/* Portals left after the transaction: held cursors. One that has failed still has its name. */
static bool
has_portals(void)
{
	static HTAB *portals;

	if (portals == NULL)
		portals = carpool_hash_find(PORTAL_TABLE);
	return portals ? hash_get_num_entries(portals) > 0 : !ThereAreNoReadyPortals();
}

/* Whether pg_listening_channels() has a row; called by hand, as there is no transaction. */
bool
carpool_is_listening(void)
{
	LOCAL_FCINFO(call, 0);
	FmgrInfo	function;
	ReturnSetInfo result = {.type = T_ReturnSetInfo, .allowedModes = SFRM_ValuePerCall};
	bool		has_row;

	result.econtext = CreateStandaloneExprContext();
	fmgr_info(F_PG_LISTENING_CHANNELS, &function);
	InitFunctionCallInfoData(*call, &function, 0, InvalidOid, NULL, (Node *) &result);
	(void) FunctionCallInvoke(call);
	has_row = result.isDone == ExprMultipleResult;
	/* ends the call where it stands */
	FreeExprContext(result.econtext, true);
	return has_row;
}

uint32
carpool_pins_now(void)
{
	uint32		pins = carpool_signs.lasting | carpool_replication_now();

	carpool_libraries_note();
	if (count_user_locks() > 0)
		pins |= CLEDGER_PIN_ADVISORY_LOCK;
	if (has_portals())
		pins |= CLEDGER_PIN_HELD_CURSOR;
	if (carpool_temporary_now())
		pins |= CLEDGER_PIN_TEMPORARY_OBJECT;
	return pins;
}

uint32
carpool_pins_indelible(void)
{
	return carpool_signs.lasting & (CLEDGER_PIN_LOADED_LIBRARY | CLEDGER_PIN_LANGUAGE);
}

void
carpool_pins_reset(void)
{
	if (has_portals())
		PortalHashTableDeleteAll();
	if (carpool_signs.listens)
		Async_UnlistenAll();
	if (count_user_locks() > 0)
		LockReleaseAll(USER_LOCKMETHOD, true);
	carpool_temporary_reset();
	carpool_replication_reset();
	if (carpool_signs.lasting)
		carpool_functions_reset();
	carpool_signs.listens = false;
	carpool_signs.lasting = 0;
}

/* A lock no client can ask for: the fourth field of theirs is 1 or 2. */
static bool
sees_locks(void)
{
	LOCKTAG		tag;
	int			before = count_user_locks();
	bool		result;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) MyProcPid, 0, 3);
	if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	(void) LockAcquire(&tag, ExclusiveLock, true, true);
	result = count_user_locks() == before + 1;
	(void) LockRelease(&tag, ExclusiveLock, true);
	result &= count_user_locks() == before + 1;
	(void) LockRelease(&tag, ExclusiveLock, true);
	return result && count_user_locks() == before;
}

/* Works without the table too, but then a cursor that has failed is not seen. */
static bool
sees_portals(void)
{
	HTAB	   *portals = carpool_hash_find(PORTAL_TABLE);
	Portal		portal;
	long		before;
	bool		result;

	if (portals == NULL)
		return true;
	before = hash_get_num_entries(portals);
	portal = CreateNewPortal();
	result = hash_get_num_entries(portals) == before + 1;
	/* newer minor versions drop no portal that has yet to be set up */
	portal->status = PORTAL_DONE;
	PortalDrop(portal, false);
	return result && hash_get_num_entries(portals) == before;
}

static void
note(bool works, uint32 pin, const char *text, StringInfo why, uint32 *failed)
{
	if (works && !carpool_settings_breaks(text, NULL))
		return;
	*failed |= pin;
	appendStringInfo(why, "%s%s", why->len > 0 ? ", " : "", text);
}

/*
 * In a session without an agent the hooks are put in first; they stay there. What is
 * looked at in exported variables alone (replication, backup) has nothing to be tried.
 */
bool
carpool_pins_self_test(StringInfo why, uint32 *failed)
{
	*failed = 0;
	carpool_pins_install();
	note(sees_locks(), CLEDGER_PIN_ADVISORY_LOCK, "advisory locks are not seen", why, failed);
	note(sees_portals(), CLEDGER_PIN_HELD_CURSOR, "held cursors are not seen", why, failed);
	note(carpool_temporary_self_test(), CLEDGER_PIN_TEMPORARY_OBJECT,
		 "temporary objects are not seen", why, failed);
	note(carpool_utility_self_test(),
		 CLEDGER_PIN_LISTEN | CLEDGER_PIN_LOADED_LIBRARY | CLEDGER_PIN_LANGUAGE,
		 "another library hides utility statements", why, failed);
	note(carpool_functions_see_setseed(), CLEDGER_PIN_SETSEED, "setseed() is not seen", why, failed);
	note(carpool_functions_see_languages(), CLEDGER_PIN_LANGUAGE,
		 "another library hides functions", why, failed);
	return *failed == 0;
}
