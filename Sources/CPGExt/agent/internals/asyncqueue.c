/*
 * asyncqueue.c: reads PostgreSQL's queue of notifications, as async.c does. PostgreSQL declares
 * the two structures in shared memory in async.c alone; their size is compared, and with another
 * one nothing here is used.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/snapmgr.h"

#include "private/asyncqueue.h"
#include "private/compat.h"
#include "private/compat/queue.h"

/* As in async.c. */
typedef struct AsyncQueueEntry
{
	int			length;
	Oid			dboid;			/* InvalidOid: fills the rest of a page */
	TransactionId xid;
	int32		srcPid;
	char		data[FLEXIBLE_ARRAY_MEMBER];	/* channel and payload, each with its NUL */
} AsyncQueueEntry;

#define SMALLEST INTALIGN(offsetof(AsyncQueueEntry, data) + 2)

static AsyncQueueControl *queue;
static SlruCtlData pages;

/* Never called: nothing is cut off here. */
static bool
precedes(CarpoolQueuePage left, CarpoolQueuePage right)
{
	return left < right;
}

/* Finds what the postmaster has made; an error where it has another size. */
static void
find(void)
{
	Size		backends = CARPOOL_QUEUE_BACKENDS * sizeof(QueueBackendStatus);
	Size		size = offsetof(AsyncQueueControl, backend) + backends;
	bool		found;
	AsyncQueueControl *control = ShmemInitStruct("Async Queue Control", size, &found);

	if (!found)
		ereport(ERROR, (errmsg_internal("there is no queue of notifications")));
	pages.PagePrecedes = precedes;
	carpool_queue_open_pages(&pages);
	queue = control;
}

bool
carpool_queue_open(void)
{
	MemoryContext context = CurrentMemoryContext;

	if (queue != NULL)
		return true;
	PG_TRY();
	{
		find();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
	}
	PG_END_TRY();
	return queue != NULL;
}

int
carpool_queue_compare(CarpoolPosition left, CarpoolPosition right)
{
	int64		pages_between = left.page - right.page;

	if (CARPOOL_QUEUE_WRAPS > 0 && pages_between >= CARPOOL_QUEUE_WRAPS / 2)
		pages_between -= CARPOOL_QUEUE_WRAPS;
	else if (CARPOOL_QUEUE_WRAPS > 0 && pages_between < -(CARPOOL_QUEUE_WRAPS / 2))
		pages_between += CARPOOL_QUEUE_WRAPS;
	if (pages_between != 0)
		return pages_between < 0 ? -1 : 1;
	return left.offset - right.offset;
}

/* The entry of a backend, by its slot in the ledger. */
static QueueBackendStatus *
listener(uint32 slot)
{
	return &queue->backend[CARPOOL_QUEUE_NUMBER(slot)];
}

static CarpoolPosition
position(CarpoolQueuePosition at)
{
	return (CarpoolPosition) {at.page, at.offset};
}

bool
carpool_queue_is_listener(void)
{
	return listener(carpool_slot_of_proc(MyProc))->pid == MyProcPid;
}

CarpoolPosition
carpool_queue_position(uint32 slot)
{
	return position(listener(slot)->pos);
}

CarpoolPosition
carpool_queue_own_position(void)
{
	return carpool_queue_position(carpool_slot_of_proc(MyProc));
}

CarpoolPosition
carpool_queue_head(void)
{
	CarpoolPosition head;

	carpool_queue_lock(true);
	head = position(queue->head);
	carpool_queue_unlock();
	return head;
}

void
carpool_queue_lock(bool shared)
{
	LWLockAcquire(NotifyQueueLock, shared ? LW_SHARED : LW_EXCLUSIVE);
}

void
carpool_queue_unlock(void)
{
	LWLockRelease(NotifyQueueLock);
}

void
carpool_queue_move(CarpoolPosition to)
{
	QueueBackendStatus *own = listener(carpool_slot_of_proc(MyProc));

	own->pos = (CarpoolQueuePosition) {(CarpoolQueuePage) to.page, to.offset};
}

/* The place behind an entry. */
static CarpoolPosition
behind(CarpoolPosition at, int length)
{
	at.offset += length;
	if (at.offset + SMALLEST > BLCKSZ)
	{
		at.page++;
		if (CARPOOL_QUEUE_WRAPS > 0 && at.page == CARPOOL_QUEUE_WRAPS)
			at.page = 0;
		at.offset = 0;
	}
	return at;
}

/* Copies what of a page is before `end`. */
static void
copy_page(CarpoolPosition from, CarpoolPosition end, char *to)
{
	int			slot = SimpleLruReadPage_ReadOnly(&pages, from.page, InvalidTransactionId);
	int			stop = from.page == end.page ? end.offset : BLCKSZ;

	if (stop > from.offset)
		memcpy(to + from.offset, pages.shared->page_buffer[slot] + from.offset, stop - from.offset);
	LWLockRelease(carpool_queue_page_lock(&pages, from.page));
}

/* One page; *at is moved. False: a sender hasn't committed yet. */
static bool
read_page(CarpoolPosition *at, CarpoolPosition end, const char *page, Snapshot snapshot,
		  void (*visit) (const CarpoolNotification *notification))
{
	int64		number = at->page;

	while (at->page == number && carpool_queue_compare(*at, end) < 0)
	{
		const AsyncQueueEntry *entry = (const AsyncQueueEntry *) (page + at->offset);

		if (entry->dboid == MyDatabaseId)
		{
			if (XidInMVCCSnapshot(entry->xid, snapshot))
				return false;
			if (TransactionIdDidCommit(entry->xid))
			{
				CarpoolNotification notification = {
					*at, entry->srcPid, entry->data, entry->data + strlen(entry->data) + 1
				};

				visit(&notification);
			}
		}
		*at = behind(*at, entry->length);
	}
	return true;
}

CarpoolPosition
carpool_queue_read(CarpoolPosition from, CarpoolPosition end,
				   void (*visit) (const CarpoolNotification *notification))
{
	char	   *page;
	Snapshot	snapshot;

	if (carpool_queue_compare(from, end) >= 0)
		return from;
	page = palloc(BLCKSZ);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	do
	{
		CHECK_FOR_INTERRUPTS();
		copy_page(from, end, page);
	} while (read_page(&from, end, page, snapshot, visit) && carpool_queue_compare(from, end) < 0);
	UnregisterSnapshot(snapshot);
	pfree(page);
	return from;
}
