/*
 * start.c: a client's startup parameters. The worker sends them once, in front of the
 * client's first byte on its first server; PostgreSQL never sees the bytes.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "access/xact.h"
#include "libpq/libpq-be.h"
#include "libpq/libpq.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "tcop/dest.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

#include "../private/agent.h"
#include "../private/settings.h"
#include "../private/state.h"

#define LONGEST 65536			/* bytes of a message; a startup packet has at most 10,000 */

/* Receives exactly so many bytes from the worker. */
static void
receive(char *to, Size size)
{
	while (size > 0)
	{
		ssize_t		got = recv(MyProcPort->sock, to, size, 0);

		if (got > 0)
		{
			to += got;
			size -= (Size) got;
			continue;
		}
		if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
			ereport(FATAL,
					(errcode(ERRCODE_CONNECTION_FAILURE),
					 errmsg("the worker closed the connection in the middle of a message")));
		ModifyWaitEvent(FeBeWaitSet, FeBeWaitSetSocketPos, WL_SOCKET_READABLE, NULL);
		{
			WaitEvent	event;

			WaitEventSetWait(FeBeWaitSet, -1, &event, 1, WAIT_EVENT_CLIENT_READ);
			if (event.events & WL_LATCH_SET)
			{
				ResetLatch(MyLatch);
				CHECK_FOR_INTERRUPTS();
			}
		}
	}
}

/* Takes the parameters; false after an error, which is in CurrentMemoryContext's hands. */
static bool
take(const char *pairs, Size size)
{
	MemoryContext context = CurrentMemoryContext;
	bool		fine = true;

	PG_TRY();
	{
		StartTransactionCommand();
		carpool_startup_take(pairs, size);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		fine = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return fine;
}

/* Makes the backend its pool's role's; the values that are reported are those of a login of its own. */
static bool
become(void)
{
	if (!carpool_settings_stays_owner())
		carpool_become(carpool_agent_server()->become);
	ReportChangedGUCOptions();
	ReadyForQuery(DestRemote);
	return true;
}

/* Reads the message in front of the client's first byte, and answers it if it is to be. */
bool
carpool_start_client(uint32 message)
{
	uint32		size;
	char	   *pairs;

	receive((char *) &size, sizeof(size));
	size = ntohl(size);
	if (message == CLEDGER_BECOME && size == sizeof(size))
		return become();
	if (size <= sizeof(size) || size > LONGEST)
		ereport(FATAL,
				(errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("invalid length of a client's startup parameters")));
	size -= sizeof(size);
	pairs = palloc(size);
	receive(pairs, size);
	if (message != CLEDGER_START_AND_ANSWER)
	{
		StartTransactionCommand();
		carpool_startup_take(pairs, size);
		CommitTransactionCommand();
		carpool_agent_silent = true;
		ReportChangedGUCOptions();
		carpool_agent_silent = false;
		return false;
	}
	if (take(pairs, size))
		ReportChangedGUCOptions();
	else
	{
		StartTransactionCommand();
		carpool_startup_state.reset();
		CommitTransactionCommand();
	}
	ReadyForQuery(DestRemote);
	return true;
}
