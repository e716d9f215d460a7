/*
 * asyncqueue.h: PostgreSQL's queue of notifications as async.c keeps it in shared memory,
 * and what of its variables is needed to let a client listen without a backend of its own.
 */
#ifndef CARPOOL_ASYNCQUEUE_H
#define CARPOOL_ASYNCQUEUE_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

/* A place in the queue. */
typedef struct CarpoolPosition
{
	int64		page;
	int			offset;
} CarpoolPosition;

/* A notification. */
typedef struct CarpoolNotification
{
	CarpoolPosition at;
	int32		sender;			/* process id */
	const char *channel;
	const char *payload;
} CarpoolNotification;

/*
 * asyncqueue.c: looks for the queue, once. False: this server's is not one we know; then
 * nothing else here may be called.
 */
extern bool carpool_queue_open(void);

/* Returns < 0 if left is before right, 0 if at it, > 0 if behind it, in the queue, which may wrap. */
extern int	carpool_queue_compare(CarpoolPosition left, CarpoolPosition right);

/* Whether this backend is listed as a listener. */
extern bool carpool_queue_is_listener(void);

/* Where this backend has read to, and, with the lock, not shared, the listener of a ledger's slot. */
extern CarpoolPosition carpool_queue_own_position(void);
extern CarpoolPosition carpool_queue_position(uint32 slot);

/* What is written to the queue is before this. */
extern CarpoolPosition carpool_queue_head(void);

/*
 * Between the two no listener comes, goes or is moved, and nothing is written. shared: only
 * this backend's own position may be moved.
 */
extern void carpool_queue_lock(bool shared);
extern void carpool_queue_unlock(void);
extern void carpool_queue_move(CarpoolPosition to);	/* this backend's, with the lock */

/*
 * Calls visit for each notification of this database, from a place that no listener's
 * position has left behind up to `end`, or to one whose sender hasn't committed yet. Returns
 * where it stopped. In a transaction; strings are in the server's encoding, and visit's only.
 */
extern CarpoolPosition carpool_queue_read(CarpoolPosition from, CarpoolPosition end,
										  void (*visit) (const CarpoolNotification *notification));

/*
 * asyncvariables.c: where async.c has its channels (listenChannels) and what a transaction
 * has notified (pendingNotifies); NULL: not found. Open looks for them, once; outside a
 * transaction. False: either isn't found.
 */
extern List **carpool_channels;
extern void **carpool_notifies;
extern bool carpool_async_open(void);

/*
 * As `why` of CarpoolStateKind.self_test. A session that isn't the worker's tells what the
 * backends have found.
 */
extern bool carpool_async_self_test(StringInfo why);
#define CARPOOL_ASYNC "listen and notify"

/*
 * notify.c: the sender of this backend's notifications is the client, by its process id. Of the
 * latest ones, where in the queue they begin; page -1: there are none since the last
 * ReadyForQuery, at which listen.c sets it back.
 */
extern void carpool_notify_install(void);
extern CarpoolPosition carpool_notified_from;

#endif
