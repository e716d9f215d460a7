/*
 * replication.c: sees that a session replays another server's changes, holds slots or takes a
 * backup.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "replication/origin.h"
#include "replication/slot.h"
#include "tcop/tcopprot.h"

#include "cledger.h"
#include "private/compat.h"
#include "private/pins.h"
#include "private/signs.h"

/* Whether a slot is the session's: a temporary one, which goes with it. */
static bool
has_slots(void)
{
	bool		found = false;

	LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
	for (int i = 0; i < max_replication_slots && !found; i++)
	{
		const ReplicationSlot *slot = &ReplicationSlotCtl->replication_slots[i];

		found = slot->in_use && slot->active_pid == MyProcPid;
	}
	LWLockRelease(ReplicationSlotControlLock);
	return found;
}

uint32
carpool_replication_now(void)
{
	uint32		pins = 0;

	/* an error ends temporary slots too: looked for until there are none */
	if (carpool_signs.has_slots)
		carpool_signs.has_slots = has_slots();
	if (carpool_signs.has_slots || MyReplicationSlot != NULL ||
		replorigin_session_origin != InvalidRepOriginId)
		pins |= CLEDGER_PIN_REPLICATION;
	if (get_backup_status() != SESSION_BACKUP_NONE)
		pins |= CLEDGER_PIN_BACKUP;
	return pins;
}

/* As at the end of a session. The warning that a backup is given up goes to the log only. */
static void
end_backup(void)
{
	CommandDest destination = whereToSendOutput;

	whereToSendOutput = DestNone;
	do_pg_abort_backup(0, BoolGetDatum(false));
	whereToSendOutput = destination;
}

void
carpool_replication_reset(void)
{
	if (replorigin_session_origin != InvalidRepOriginId)
	{
		if (replorigin_session_origin != DoNotReplicateId)
			replorigin_session_reset();
		replorigin_session_origin = InvalidRepOriginId;
		replorigin_session_origin_lsn = InvalidXLogRecPtr;
		replorigin_session_origin_timestamp = 0;
	}
	if (MyReplicationSlot != NULL)
		ReplicationSlotRelease();
	if (carpool_signs.has_slots)
		carpool_replication_slot_cleanup();
	carpool_signs.has_slots = false;
	if (get_backup_status() != SESSION_BACKUP_NONE)
		end_backup();
}
