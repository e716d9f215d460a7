/*
 * agent.c: is the agent of a pooled backend. It knows the worker when that logs in, and from then
 * on stands between PostgreSQL and its socket: it learns of the end of each transaction from the
 * ReadyForQuery that PostgreSQL sends, and waits in its place for the next client's first byte,
 * so that the session can be made that client's before PostgreSQL reads anything of it.
 */
#include "postgres.h"

#include <signal.h>
#include <sys/socket.h>

#include "access/xact.h"
#include "commands/async.h"
#include "libpq/auth.h"
#include "libpq/hba.h"
#include "libpq/libpq.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "replication/walsender.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/sinval.h"
#include "utils/timeout.h"

#include "private/agent.h"
#include "private/asyncqueue.h"
#include "private/backend.h"
#include "private/compat.h"
#include "private/ledger.h"
#include "private/listen.h"
#include "private/pins.h"
#include "private/reports.h"
#include "private/session.h"
#include "private/settings.h"
#include "private/signs.h"
#include "private/state.h"
#include "private/statements.h"
#include "private/unnamed.h"

static ClientAuthentication_hook_type next_authentication;
static const PQcommMethods *inner;	/* PostgreSQL's own way to the socket */
static PQcommMethods methods;
static bool is_ready;			/* ReadyForQuery is about to be flushed */
static bool is_searched;		/* for the unnamed statement */
static volatile uint64 serving; /* the client whose transaction or request runs; 0: none does */

/* An error of the agent's ends the backend: PostgreSQL would go on with half a session. */
static CARPOOL_NORETURN void
fail(MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	carpool_agent_silent = false;
	ereport(FATAL,
			(errcode(error->sqlerrcode),
			 errmsg("carpool agent: %s", error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
}

/* Runs a part of the agent. */
static void
work(void (*part) (void))
{
	MemoryContext context = CurrentMemoryContext;
	uint32		holdoff = QueryCancelHoldoffCount;

	carpool_agent_is_working = true;
	/* a cancel that comes late is for a statement that has ended, not for us */
	QueryCancelHoldoffCount++;
	PG_TRY();
	{
		part();
	}
	PG_CATCH();
	{
		fail(context);
	}
	PG_END_TRY();
	carpool_agent_is_working = false;
	QueryCancelHoldoffCount = holdoff;	/* an error that was caught has set it to 0 */
	MemoryContextSwitchTo(context);
}

/* The same, with its time taken where that is wanted. */
static void
work_timed(void (*part) (void), uint64 *total)
{
	instr_time	before,
				after;

	if (!carpool_settings_times_agents())
	{
		work(part);
		return;
	}
	INSTR_TIME_SET_CURRENT(before);
	work(part);
	INSTR_TIME_SET_CURRENT(after);
	INSTR_TIME_SUBTRACT(after, before);
	*total += (uint64) carpool_nanoseconds(after);
}

/*
 * SIGUSR2, from the worker: a cancel for the client that the ledger names. Who is not served
 * now, or has its last answer on its way, has nothing to cancel. Else it goes the way of
 * pg_cancel_backend(): to the whole process group, so that COPY … PROGRAM ends, too.
 */
static void
cancel_client(SIGNAL_ARGS)
{
	int			save_errno = errno;

	if (serving != 0 && cledger_cancelled(carpool_own_server) == serving && kill(-MyProcPid, SIGINT) != 0)
		kill(MyProcPid, SIGINT);
	errno = save_errno;
}

static void
serve(void)
{
	CHECK_FOR_INTERRUPTS();
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
	if (carpool_own_server->is_hub)
		carpool_hub_serve();
	else if (notifyInterruptPending)
		ProcessNotifyInterrupt(true);
}

/*
 * What other processes want of an idle backend; as ProcessClientReadInterrupt() does it. An
 * error ends the backend: PostgreSQL would send it, and a ReadyForQuery, to whoever is next.
 */
static void
serve_interrupts(void)
{
	QueryCancelPending = false; /* nothing runs */
	IdleSessionTimeoutPending = false;
	work(serve);
}

/* While nobody wants anything: bit by bit, so that who comes doesn't wait. */
static void
tidy(void)
{
	carpool_statements_tidy();
	carpool_customs_tidy();
}

/* Waits until the worker has sent something. */
static void
wait_for_input(void)
{
	for (;;)
	{
		bool		is_untidy = carpool_statements_are_untidy() || carpool_customs_are_untidy();
		uint32		events = carpool_input_wait(!is_untidy);

		if (events == 0)
			work(tidy);
		if (events & WL_LATCH_SET)
			serve_interrupts();
		if (events & WL_SOCKET_READABLE)
			return;
	}
}

/*
 * Between two transactions: whose is the next one? is_ready is false while it waits, or the
 * last words of a backend that is terminated then would be taken for the end of a transaction.
 */
static void
wait_for_client(void)
{
	bool		is_answered;

	/* a client's idle_session_timeout is about the client, and this backend is not only its */
	disable_timeout(IDLE_SESSION_TIMEOUT, false);
	do
	{
		wait_for_input();
		carpool_session_served();
		/* a cancel that came before this was for an earlier statement */
		QueryCancelPending = false;
		if (!carpool_attach_needed())
			return;
		work_timed(carpool_attach, &carpool_own_server->attach_ns);
		is_answered = is_ready;
		is_ready = false;
	} while (is_answered);		/* a client was answered, and is served no longer */
}

static int
agent_flush(void)
{
	int			result = carpool_unnamed_is_searching ? 0 : inner->flush();

	if (is_ready && !carpool_agent_is_working)
	{
		is_ready = false;
		if (result == 0 && !carpool_has_unread_input())
			wait_for_client();
		is_ready = false;
		serving = cledger_attached(carpool_own_server);
	}
	return result;
}

/* Whether what PostgreSQL sends is the search's, not the worker's. */
static bool
is_for_search(char type, const char *bytes, size_t size)
{
	if (type == 'Z')
		work(carpool_unnamed_round);
	else
		carpool_unnamed_hear(type, bytes, size);
	return carpool_unnamed_is_searching;
}

static int
agent_putmessage(char type, const char *bytes, size_t size)
{
	if (carpool_agent_silent && type != 'E')
		return 0;
	if (carpool_session_answers(type))
		carpool_session_check();
	if (carpool_unnamed_is_searching && is_for_search(type, bytes, size))
		return 0;
	if (type == '1' && carpool_unnamed == NULL)
		carpool_signs.lasting |= CLEDGER_PIN_STATEMENT;
	if (type == 'Z' && size == 1 && bytes[0] == 'I')
	{
		serving = 0;
		if (!is_searched)
		{
			is_searched = true;
			work(carpool_unnamed_search);
			if (carpool_unnamed_is_searching)
				return 0;
		}
		if (!carpool_agent_is_working)
		{
			work_timed(carpool_attach_transaction_ended, &carpool_own_server->ended_ns);
			if (carpool_settings_times_agents())
				carpool_own_server->ended++;
			carpool_listen_report();
		}
		else
			carpool_attach_transaction_ended();
		is_ready = true;
	}
	if (type == 'Z' && !carpool_agent_is_working)
		carpool_reports_tell();
	if (type == 'A' && !carpool_listen_hears(bytes))
		return 0;
	return inner->putmessage(type, bytes, size);
}

/*
 * The backend ends. Its pins stay for the worker, which may look for them only now, behind the last
 * ReadyForQuery: the client goes with a server that it keeps.
 */
static void
close_agent(int code, Datum argument)
{
	serving = 0;
	carpool_own_server->is_cancellable = false;
	carpool_own_server->is_hub = 0;
	carpool_own_server->pid = 0;
}

/* This backend is the worker's. */
static void
open_agent(void)
{
	uint32		slot = carpool_ledger_own_slot();

	carpool_own_server = cledger_server(carpool_ledger, slot);
	memset(carpool_own_server, 0, sizeof(*carpool_own_server));
	carpool_own_server->database = InvalidOid;
	before_shmem_exit(close_agent, 0);
	carpool_pins_install();
	carpool_session_lock_open();
	carpool_notify_install();
	carpool_identity_open();
	carpool_attach_open();
	inner = PqCommMethods;
	methods = *inner;
	methods.flush = agent_flush;
	methods.putmessage = agent_putmessage;
	PqCommMethods = &methods;
	/* to a walsender it would mean that the server stops */
	if (!am_walsender)
	{
		pqsignal(SIGUSR2, cancel_client);
		carpool_own_server->is_cancellable = true;
	}
	carpool_own_server->pid = MyProcPid;
}

/* Whether the other end of a Unix socket is the worker's process. */
static bool
is_worker(const Port *port)
{
	struct ucred peer;
	socklen_t	size = sizeof(peer);

	return port->raddr.addr.ss_family == AF_UNIX && carpool_ledger->worker != 0 &&
		getsockopt(port->sock, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
		peer.pid == carpool_ledger->worker;
}

/*
 * Takes the worker's token out of the startup parameters, where every role could SHOW it;
 * NULL: there is none.
 */
static const char *
take_token(Port *port)
{
	for (int i = 0; i + 1 < list_length(port->guc_options); i += 2)
		if (strcmp(list_nth(port->guc_options, i), CLEDGER_TOKEN_PARAMETER) == 0)
		{
			const char *token = list_nth(port->guc_options, i + 1);

			port->guc_options = list_delete_nth_cell(port->guc_options, i + 1);
			port->guc_options = list_delete_nth_cell(port->guc_options, i);
			return token;
		}
	return NULL;
}

/* Whether the worker logs in, of which over TCP only its token tells. */
static bool
is_worker_by_token(Port *port)
{
	const char *token = take_token(port);

	if (token == NULL)
		return false;
	if (carpool_ledger->worker == 0 || carpool_ledger->token[0] == '\0' ||
		strlen(token) != strlen(carpool_ledger->token) ||
		timingsafe_bcmp(token, carpool_ledger->token, strlen(token)) != 0)
		ereport(FATAL,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("\"%s\" is not the token of the carpool worker", CLEDGER_TOKEN_PARAMETER)));
	return true;
}

/* Whether this backend is the worker's. A token is taken out in any case. */
static bool
is_workers(Port *port)
{
	bool		has_token = is_worker_by_token(port);

	return has_token || is_worker(port);
}

/* The hook: PostgreSQL has decided about a login. */
static void
authenticated(Port *port, int status)
{
	if (next_authentication)
		next_authentication(port, status);
	if (status != STATUS_OK || carpool_ledger == NULL || !is_workers(port))
		return;
	/* system_user must not be the worker's */
	if (port->hba->auth_method == uaPeer)
		carpool_forget_identity(port);
	open_agent();
}

void
carpool_agent_install(void)
{
	next_authentication = ClientAuthentication_hook;
	ClientAuthentication_hook = authenticated;
}
