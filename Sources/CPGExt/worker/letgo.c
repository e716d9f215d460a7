/*
 * letgo.c: a few slots in shared memory through which a backend asks the worker to let
 * go of a database, so that its pooled servers don't stand in the way of DROP, RENAME,
 * SET TABLESPACE or a copy.
 */
#include "postgres.h"

#include <signal.h>

#include "chost.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "private/ledger.h"
#include "private/letgo.h"

#define SLOTS 8
#define WORKER_PATIENCE 2000	/* ms until idle servers have to be gone */
#define BACKEND_PATIENCE 4000	/* ms until a backend goes on without the worker */
#define EXIT_PATIENCE 1000		/* ms until the processes of closed servers have to be gone */

typedef enum SlotState
{
	SLOT_FREE, SLOT_ASKED, SLOT_EMPTYING, SLOT_DONE
} SlotState;

typedef struct Slot
{
	SlotState	state;
	uint32		serial;			/* counts the uses of the slot */
	Oid			database;
	bool		force;			/* whatever clients it has */
	int			own_clients;	/* clients that may be the asking backend itself */
	int			clients;		/* result: clients in the way */
	bool		had_servers;	/* result */
	TimestampTz deadline;		/* of SLOT_EMPTYING */
} Slot;

typedef struct LetGo
{
	slock_t		mutex;			/* guards all below */
	ConditionVariable done;
	Latch	   *worker;			/* NULL: no worker runs */
	Slot		slots[SLOTS];
} LetGo;

static LetGo *shared;

/* Shared memory, as the postmaster's hooks want it. */
void
carpool_letgo_request_memory(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(LetGo)));
}

void
carpool_letgo_make_memory(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("carpool", sizeof(LetGo), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(*shared));
		SpinLockInit(&shared->mutex);
		ConditionVariableInit(&shared->done);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* The worker takes questions from now on. */
void
carpool_letgo_open(void)
{
	SpinLockAcquire(&shared->mutex);
	shared->worker = MyLatch;
	SpinLockRelease(&shared->mutex);
}

/* The worker takes no more questions; those who wait go on by themselves. */
void
carpool_letgo_close(void)
{
	SpinLockAcquire(&shared->mutex);
	shared->worker = NULL;
	SpinLockRelease(&shared->mutex);
	ConditionVariableBroadcast(&shared->done);
}

/* Puts the worker's changes of a slot back, unless the asker has gone meanwhile. */
static void
put_back(int i, const Slot *slot)
{
	bool		same;

	SpinLockAcquire(&shared->mutex);
	same = shared->slots[i].serial == slot->serial && shared->slots[i].state != SLOT_FREE;
	if (same)
		shared->slots[i] = *slot;
	SpinLockRelease(&shared->mutex);
	if (same && slot->state == SLOT_DONE)
		ConditionVariableBroadcast(&shared->done);
}

/* The worker's part for one slot; no lock is held. True while it has to be looked at again. */
static bool
serve_slot(int i, Slot *slot)
{
	if (slot->state == SLOT_ASKED)
	{
		int			clients = carpool_worker_database_clients(slot->database);
		bool		in_use = clients > slot->own_clients;

		/* with FORCE PostgreSQL itself ends the servers in use; there is no point in waiting for them */
		slot->had_servers = carpool_worker_database_servers(slot->database) > 0 && !(in_use && slot->force);
		slot->clients = in_use && !slot->force ? clients : 0;
		slot->state = slot->had_servers && !in_use ? SLOT_EMPTYING : SLOT_DONE;
		slot->deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), WORKER_PATIENCE);
		if (slot->clients == 0)
			carpool_worker_evict(slot->database);
		put_back(i, slot);
	}
	else if (carpool_worker_database_servers(slot->database) <= slot->own_clients ||
			 GetCurrentTimestamp() >= slot->deadline)
	{
		slot->state = SLOT_DONE;
		put_back(i, slot);
	}
	return slot->state == SLOT_EMPTYING;
}

/* Serves what backends ask; true while something is still to be watched. */
bool
carpool_letgo_serve(void)
{
	bool		busy = false;

	for (int i = 0; i < SLOTS; i++)
	{
		Slot		slot;

		SpinLockAcquire(&shared->mutex);
		slot = shared->slots[i];
		SpinLockRelease(&shared->mutex);
		if (slot.state == SLOT_ASKED || slot.state == SLOT_EMPTYING)
			busy |= serve_slot(i, &slot);
	}
	return busy;
}

/* Gives a slot back; also on the way out of an error. */
static void
free_slot(int code, Datum argument)
{
	ConditionVariableCancelSleep();
	SpinLockAcquire(&shared->mutex);
	shared->slots[DatumGetInt32(argument)].state = SLOT_FREE;
	SpinLockRelease(&shared->mutex);
}

/* Takes a slot and wakes the worker; -1 when there is none, or no worker. */
static int
ask_worker(Oid database, bool force)
{
	Latch	   *worker;
	int			taken = -1;

	SpinLockAcquire(&shared->mutex);
	worker = shared->worker;
	for (int i = 0; worker && taken < 0 && i < SLOTS; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (slot->state != SLOT_FREE)
			continue;
		taken = i;
		*slot = (Slot)
		{
			.state = SLOT_ASKED, .serial = slot->serial + 1, .database = database, .force = force,
				.own_clients = database == MyDatabaseId ? 1 : 0
		};
	}
	SpinLockRelease(&shared->mutex);
	if (taken >= 0)
		SetLatch(worker);
	return taken;
}

/* Whether there is nothing left to wait for; result is what is known so far. */
static bool
is_answered(int i, Slot *result)
{
	bool		over;

	SpinLockAcquire(&shared->mutex);
	*result = shared->slots[i];
	over = result->state == SLOT_DONE || shared->worker == NULL;
	SpinLockRelease(&shared->mutex);
	return over;
}

/* Waits for the processes behind closed sockets, which PostgreSQL would count as other users. */
static void
wait_for_exits(Oid database)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), EXIT_PATIENCE);
	int			own = database == MyDatabaseId ? 1 : 0;

	while (CountDBBackends(database) > own && GetCurrentTimestamp() < deadline)
	{
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 5, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Ends the hub of a database that is dropped with FORCE, and waits for that. Who may drop
 * the database may end its sessions, but PostgreSQL takes the hub for a superuser's.
 */
static void
end_hub(Oid database)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), EXIT_PATIENCE);

	for (uint32 slot = 1; slot < carpool_ledger->server_slots; slot++)
	{
		const CledgerServer *server = cledger_server(carpool_ledger, slot);
		int			pid = server->pid;

		if (pid == 0 || server->database != database || server->is_hub == 0 || kill(pid, SIGTERM) != 0)
			continue;
		while (BackendPidGetProc(pid) != NULL && GetCurrentTimestamp() < deadline)
		{
			WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 5, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
	}
}

/*
 * Has the worker close its idle servers of a database and waits for that, a few
 * seconds at most. Returns the number of clients that use it, who are left alone
 * then; 0 also when no worker runs or it does not answer. Can be interrupted.
 */
int
carpool_letgo_ask(Oid database, bool force)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), BACKEND_PATIENCE);
	Slot		result = {0};
	int			i;

	if (shared == NULL || (i = ask_worker(database, force)) < 0)
		return 0;
	PG_ENSURE_ERROR_CLEANUP(free_slot, Int32GetDatum(i));
	{
		ConditionVariablePrepareToSleep(&shared->done);
		while (!is_answered(i, &result) && GetCurrentTimestamp() < deadline)
			ConditionVariableTimedSleep(&shared->done, 100, PG_WAIT_EXTENSION);
	}
	PG_END_ENSURE_ERROR_CLEANUP(free_slot, Int32GetDatum(i));
	free_slot(0, Int32GetDatum(i));
	if (result.state != SLOT_DONE)
		return 0;
	if (result.clients == 0 && result.had_servers)
		wait_for_exits(database);
	if (force)
		end_hub(database);
	return result.clients;
}
