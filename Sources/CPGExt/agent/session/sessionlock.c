/*
 * sessionlock.c: is the second lock. A client's message must only ever run in its own client's
 * session. The worker sees to that: it attaches the next client when PostgreSQL has read all of
 * the last one's. Should the worker be mistaken, PostgreSQL would go on in the former session; so
 * before anything runs, and before anything is answered, this file compares the session's client
 * with the one that the worker serves.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "libpq/pqcomm.h"
#include "parser/analyze.h"
#include "storage/ipc.h"

#include "private/ledger.h"
#include "private/session.h"

static post_parse_analyze_hook_type next_analyze;
static ExecutorStart_hook_type next_start;
static uint32 opened_by;		/* CledgerHeader.starts: the worker that this backend is of */

static bool is_served;			/* the login is over, and the worker has sent something */

/* Until then the entry may still be written for the backend that had it before. */
void
carpool_session_served(void)
{
	is_served = true;
}

/* Not inlined: where all is well it is never called. */
void
carpool_session_differs(void)
{
	uint64		served = cledger_attached(carpool_own_server);

	/* the agent's own work changes who it is; another worker can't have sent anything here */
	if (!is_served || carpool_agent_is_working || proc_exit_inprogress || carpool_ledger->starts != opened_by)
		return;
	__atomic_fetch_add(&carpool_ledger->wrong_sessions, 1, __ATOMIC_RELAXED);
	ereport(FATAL,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("terminating connection because a message was about to run in another client's session"),
			 errdetail("The session is that of client %u, the message came from client %u.",
					   cledger_client(carpool_ledger, (uint32) carpool_client)->process_id,
					   cledger_client(carpool_ledger, (uint32) served)->process_id),
			 errhint("This is a bug of carpool. Nothing of the message was executed.")));
}

static void
analyzed(ParseState *state, Query *query, JumbleState *jumble)
{
	carpool_session_check();
	if (next_analyze)
		next_analyze(state, query, jumble);
}

static void
execution_starts(QueryDesc *query, int flags)
{
	carpool_session_check();
	if (next_start)
		next_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

/*
 * What goes to a client unasked may come while the next one is attached already: between two
 * transactions. Rows come from what was checked when it started.
 */
bool
carpool_session_answers(char type)
{
	switch (type)
	{
		case 'E':
		case 'N':
		case 'A':
		case 'S':
		case 'D':
		case 'd':
		case CLEDGER_AGENT_MESSAGE:
			return false;
		default:
			return true;
	}
}

void
carpool_session_lock_open(void)
{
	opened_by = carpool_ledger->starts;
	next_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = analyzed;
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = execution_starts;
}
