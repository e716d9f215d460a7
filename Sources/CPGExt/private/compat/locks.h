/* locks.h: the locks that a process holds: a queue of PostgreSQL's own until 15, a list since 16. */
#ifndef CARPOOL_COMPAT_LOCKS_H
#define CARPOOL_COMPAT_LOCKS_H

#include "postgres.h"

#include "lib/ilist.h"
#include "storage/lock.h"
#include "storage/proc.h"

/* The first of this process's locks in a partition, and the one behind another; NULL: there is none. */
static inline const PROCLOCK *
carpool_first_lock(int partition)
{
#if PG_VERSION_NUM >= 160000
	const dlist_head *locks = &MyProc->myProcLocks[partition];

	return dlist_is_empty(locks) ? NULL : dlist_container(PROCLOCK, procLink, locks->head.next);
#else
	SHM_QUEUE  *locks = &MyProc->myProcLocks[partition];

	return (PROCLOCK *) SHMQueueNext(locks, locks, offsetof(PROCLOCK, procLink));
#endif
}

static inline const PROCLOCK *
carpool_next_lock(int partition, const PROCLOCK *lock)
{
#if PG_VERSION_NUM >= 160000
	return lock->procLink.next == &MyProc->myProcLocks[partition].head ? NULL :
		dlist_container(PROCLOCK, procLink, lock->procLink.next);
#else
	return (PROCLOCK *) SHMQueueNext(&MyProc->myProcLocks[partition], &lock->procLink,
									 offsetof(PROCLOCK, procLink));
#endif
}

#endif
