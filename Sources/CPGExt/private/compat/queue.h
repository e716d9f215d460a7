/*
 * queue.h: PostgreSQL's queue of notifications as async.c of each server version declares it, in
 * shared memory; included by asyncqueue.c alone.
 */
#ifndef CARPOOL_COMPAT_QUEUE_H
#define CARPOOL_COMPAT_QUEUE_H

#include "postgres.h"

#include "access/slru.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

/* The numbers of pages, and how a backend is told; pages of 16 and older wrap around. */
#if PG_VERSION_NUM >= 170000
typedef int64 CarpoolQueuePage;
typedef ProcNumber CarpoolListenerNumber;

#define CARPOOL_QUEUE_WRAPS 0
#define CARPOOL_QUEUE_BACKENDS MaxBackends
#define CARPOOL_QUEUE_NUMBER(slot) ((slot) - 1)
#else
typedef int CarpoolQueuePage;
typedef BackendId CarpoolListenerNumber;

#define CARPOOL_QUEUE_WRAPS (SLRU_PAGES_PER_SEGMENT * 0x10000)
#define CARPOOL_QUEUE_BACKENDS (MaxBackends + 1)
#define CARPOOL_QUEUE_NUMBER(slot) (slot)
#endif

/* As in async.c, whose names these are but for the types' own. */
typedef struct CarpoolQueuePosition
{
	CarpoolQueuePage page;
	int			offset;
} CarpoolQueuePosition;

typedef struct QueueBackendStatus
{
	int32		pid;
	Oid			dboid;
	CarpoolListenerNumber nextListener;
	CarpoolQueuePosition pos;
} QueueBackendStatus;

typedef struct AsyncQueueControl
{
	CarpoolQueuePosition head;
	CarpoolQueuePosition tail;
	CarpoolQueuePage stopPage;
	CarpoolListenerNumber firstListener;
	TimestampTz lastQueueFillWarn;
	QueueBackendStatus backend[FLEXIBLE_ARRAY_MEMBER];
} AsyncQueueControl;

/* Opens the pages that the postmaster has made. */
static inline void
carpool_queue_open_pages(SlruCtl pages)
{
#if PG_VERSION_NUM >= 170000
	SimpleLruInit(pages, "notify", notify_buffers, 0, "pg_notify", LWTRANCHE_NOTIFY_BUFFER,
				  LWTRANCHE_NOTIFY_SLRU, SYNC_HANDLER_NONE, true);
#else
	SimpleLruInit(pages, "Notify", NUM_NOTIFY_BUFFERS, 0, NotifySLRULock, "pg_notify",
				  LWTRANCHE_NOTIFY_BUFFER, SYNC_HANDLER_NONE);
#endif
}

/* The lock under which SimpleLruReadPage_ReadOnly() returns a page. */
static inline LWLock *
carpool_queue_page_lock(SlruCtl pages, CarpoolQueuePage page)
{
#if PG_VERSION_NUM >= 170000
	return SimpleLruGetBankLock(pages, page);
#else
	return NotifySLRULock;
#endif
}

#endif
