/*
 * notify.c: has notifications sent under the process id that the client knows as its own. A
 * listener hears by it from which session a notification comes, and async.c takes it from
 * MyProcPid when it writes a transaction's notifications into the queue. So this file has them
 * written a moment earlier, under the client's number; async.c then finds nothing left to write.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "storage/lmgr.h"

#include "private/asyncqueue.h"
#include "private/ledger.h"
#include "private/session.h"

CarpoolPosition carpool_notified_from = {-1, 0};

static void *written;			/* the transaction's notifications, which are in the queue */

/* No handler of a signal is to see the client's number. */
static void
block_signals(sigset_t *former)
{
	sigset_t	all;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGABRT);
	sigprocmask(SIG_SETMASK, &all, former);
}

/*
 * Writes the notifications as the client's. Whatever waits on a latch, and so for its own
 * process, has to come before: the lock that puts writers in order, and becoming a listener
 * (LISTEN in the same transaction).
 */
static void
write_as(uint32 process_id)
{
	int			own = MyProcPid;
	void	   *notifies = *carpool_notifies;
	sigset_t	signals;

	*carpool_notifies = NULL;
	PreCommit_Notify();
	*carpool_notifies = notifies;
	(void) GetCurrentTransactionId();
	LockSharedObject(DatabaseRelationId, InvalidOid, 0, AccessExclusiveLock);
	carpool_notified_from = carpool_queue_head();
	block_signals(&signals);
	MyProcPid = (int) process_id;
	PG_TRY();
	{
		PreCommit_Notify();
	}
	PG_FINALLY();
	{
		MyProcPid = own;
		sigprocmask(SIG_SETMASK, &signals, NULL);
	}
	PG_END_TRY();
	written = notifies;
	*carpool_notifies = NULL;
}

/* After the commit async.c wakes listeners only if it finds notifications. */
static void
transaction_event(XactEvent event, void *argument)
{
	uint64		client;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (carpool_notifies == NULL || *carpool_notifies == NULL)
				break;
			client = cledger_attached(carpool_agent_server());
			if (client != 0)
				write_as(cledger_client(carpool_ledger, (uint32) client)->process_id);
			break;
		case XACT_EVENT_COMMIT:
			if (written != NULL && *carpool_notifies == NULL)
				*carpool_notifies = written;
			written = NULL;
			break;
		case XACT_EVENT_ABORT:
			written = NULL;
			break;
		default:
			break;
	}
}

void
carpool_notify_install(void)
{
	RegisterXactCallback(transaction_event, NULL);
}
