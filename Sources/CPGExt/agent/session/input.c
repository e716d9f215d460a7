/*
 * input.c: waits for what the worker sends, by way of the set of events that PostgreSQL itself
 * waits with: socket, latch, and the postmaster's death.
 */
#include "postgres.h"

#include "libpq/libpq.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "private/session.h"

uint32
carpool_input_wait(bool may_wait)
{
	WaitEvent	event;

	ModifyWaitEvent(FeBeWaitSet, FeBeWaitSetSocketPos, WL_SOCKET_READABLE, NULL);
	if (WaitEventSetWait(FeBeWaitSet, may_wait ? -1 : 0, &event, 1, WAIT_EVENT_CLIENT_READ) == 0)
		return 0;
	if (event.events & WL_POSTMASTER_DEATH)
		ereport(FATAL,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("terminating connection due to unexpected postmaster exit")));
	if (event.events & WL_LATCH_SET)
		ResetLatch(MyLatch);
	return event.events;
}
