/*
 * session_start.c: starts a client's session. The worker asks for that once, by a message in
 * front of the client's first byte on its first server; PostgreSQL never sees the bytes.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "access/xact.h"
#include "libpq/libpq-be.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "tcop/dest.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

#include "private/agent.h"
#include "private/backend.h"
#include "private/compat/settings.h"
#include "private/listen.h"
#include "private/reports.h"
#include "private/session.h"
#include "private/settings.h"
#include "private/state.h"

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
		if (carpool_input_wait(true) & WL_LATCH_SET)
			CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Makes the session the client's; false after an error, which the client has been told.
 * What other clients left is taken back first, in a transaction of its own that an error
 * in the client's parameters does not undo.
 */
static bool
take(const char *lists, Size size)
{
	MemoryContext context = CurrentMemoryContext;
	bool		fine = true;

	StartTransactionCommand();
	carpool_startup_take(lists, size, false);
	CommitTransactionCommand();
	carpool_startup_settle(NULL);
	PG_TRY();
	{
		StartTransactionCommand();
		carpool_startup_take(lists, size, true);
		CommitTransactionCommand();
		carpool_startup_settle(NULL);
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

/* Reports all that is reported at a login. */
static void
report(void)
{
	int			count;
	struct config_generic **settings = carpool_all_settings(&count);

	/* of a promotion PostgreSQL would tell last, and before that that this is a standby */
	carpool_silence_begin();
	carpool_silence_end();
	for (int i = 0; i < count; i++)
		if ((settings[i]->flags & GUC_REPORT) && settings[i]->last_reported != NULL)
		{
			guc_free(settings[i]->last_reported);
			settings[i]->last_reported = NULL;
		}
	pfree(settings);
	BeginReportingGUCOptions();
	ReportChangedGUCOptions();
}

/* Makes the backend its pool's role's; the values that are reported are those of a login of its own. */
static bool
become(void)
{
	if (!carpool_settings_stays_owner())
		carpool_become(carpool_agent_server()->become);
	report();
	ReadyForQuery(DestRemote);
	return true;
}

/* Makes the backend its database's hub. */
static bool
become_hub(void)
{
	carpool_hub_start();
	ReadyForQuery(DestRemote);
	return true;
}

/* Reads the message in front of the client's first byte, and answers it if it is to be. */
bool
carpool_start_client(uint32 message)
{
	uint32		size;
	char	   *lists;

	receive((char *) &size, sizeof(size));
	size = ntohl(size);
	if (message == CLEDGER_BECOME && size == sizeof(size))
		return become();
	if (message == CLEDGER_HUB && size == sizeof(size))
		return become_hub();
	if (size <= sizeof(size) || size > LONGEST)
		ereport(FATAL,
				(errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("invalid length of the start of a session")));
	size -= sizeof(size);
	lists = palloc(size);
	receive(lists, size);
	if (message != CLEDGER_START_AND_ANSWER)
	{
		carpool_silence_begin();
		StartTransactionCommand();
		carpool_startup_take(lists, size, true);
		CommitTransactionCommand();
		carpool_startup_settle(NULL);
		carpool_silence_end();
		pfree(lists);
		return false;
	}
	if (take(lists, size))
	{
		carpool_reports_take_encoding(carpool_client);
		report();
	}
	else
	{
		StartTransactionCommand();
		carpool_startup_state.reset();
		CommitTransactionCommand();
		carpool_startup_settle(NULL);
	}
	pfree(lists);
	carpool_reports_attached(carpool_client, carpool_startup_state.fingerprint(), true);
	ReadyForQuery(DestRemote);
	return true;
}
