/*
 * worker.c: the main thread of the background worker. It alone calls PostgreSQL, waits
 * where PostgreSQL can interrupt it, and is the only one to leave the process, after
 * all engine threads have ended.
 */
#include "postgres.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/pmsignal.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "csys.h"

#include "private/compat.h"
#include "private/host.h"
#include "private/ledger.h"
#include "private/letgo.h"
#include "private/lookup.h"
#include "private/mailbox.h"
#include "private/rules.h"
#include "private/settings.h"

#define TICK 1000				/* ms between two looks at what nobody tells us */
#define SHORT_TICK 5			/* ms, while a database is being let go of */
#define QUESTIONS_A_TURN 256
#define RETRY_AFTER 10000		/* ms after a start that failed */

extern PGDLLEXPORT void carpool_worker_main(Datum argument);

static int	notify_fd = -1;
static bool started;
static bool draining;
static WaitEventSet *wait_set;

/* Ends all threads, once; before the process gives up its shared memory, whyever it ends. */
static void
stop_threads(int code, Datum argument)
{
	/* a FATAL error may come from anywhere, and Swift is never called with a lock held */
	LWLockReleaseAll();
	AbortOutOfAnyTransaction();
	carpool_letgo_close();
	carpool_ledger_close();
	carpool_names_close();
	if (started)
	{
		started = false;
		carpool_worker_stop();
	}
	carpool_mailbox_log();
}

/* Leaves the process: status 1 lets the postmaster start the worker again, 0 does not. */
static CARPOOL_NORETURN void
leave(int status)
{
	/* we are on our way already: no log line may end the process in the middle of it */
	HOLD_INTERRUPTS();
	stop_threads(status, 0);
	proc_exit(status);
}

/* Starts the engine threads, with all signals blocked but those that a fault of their own raises. */
static bool
start_threads(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT};
	sigset_t	blocked,
				old;

	sigfillset(&blocked);
	for (int i = 0; i < (int) lengthof(faults); i++)
		sigdelset(&blocked, faults[i]);
	pthread_sigmask(SIG_SETMASK, &blocked, &old);
	started = carpool_worker_start(&carpool_pg_host, carpool_settings_read(), notify_fd) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	carpool_mailbox_log();
	return started;
}

/* After a failed start: waits a while, so that the log is not flooded, and lets the postmaster try again. */
static CARPOOL_NORETURN void
leave_for_retry(void)
{
	TimestampTz again = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETRY_AFTER);

	ereport(LOG,
			(errmsg("carpool worker could not start, and tries again in %d seconds", RETRY_AFTER / 1000)));
	while (!ProcDiePending && GetCurrentTimestamp() < again)
	{
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, TICK, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	leave(1);
}

/*
 * SIGQUIT: another process has crashed, or the shutdown is an immediate one. As backends do, we
 * tell our clients and
 * end; shared memory is not to be trusted any more.
 */
static void
end_at_once(SIGNAL_ARGS)
{
	csys_end_at_once(GetQuitSignalReason() == PMQUIT_FOR_STOP ? CSYS_END_IMMEDIATE : CSYS_END_CRASH);
	_exit(2);
}

/* Connects to PostgreSQL, and makes all that the loop needs. */
static void
prepare(void)
{
	/* SIGINT cancels a lookup, also when its lock_timeout is over; SIGTERM is seen by the loop */
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGQUIT, end_at_once);
	BackgroundWorkerUnblockSignals();
	carpool_warm_up();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	carpool_mailbox_open();
	notify_fd = carpool_eventfd_open();
	carpool_lookup_open();
	carpool_ledger_open();
	carpool_pg_host.ledger = carpool_ledger;
	carpool_pg_host.most_servers = MaxConnections;
	carpool_rules_load();
	before_shmem_exit(stop_threads, 0);

	wait_set = carpool_wait_event_set(4);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_POSTMASTER_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, notify_fd, NULL, NULL);
	AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, carpool_mailbox_fd(), NULL, NULL);
}

/* Sleeps until there is something to do, and forgets who woke us. */
static void
wait_for_work(long timeout)
{
	WaitEvent	events[4];
	int			found = WaitEventSetWait(wait_set, timeout, events, lengthof(events), PG_WAIT_EXTENSION);

	for (int i = 0; i < found; i++)
	{
		if (events[i].events & WL_POSTMASTER_DEATH)
			leave(1);
		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		if (events[i].events & WL_SOCKET_READABLE)
			csys_eventfd_read(events[i].fd);
	}
}

/* Does what other processes want of us. */
static void
serve_interrupts(void)
{
	if (ProcDiePending)
	{
		HOLD_INTERRUPTS();
		ereport(LOG, (errmsg("carpool worker is told to end")));
		leave(1);
	}
	QueryCancelPending = false; /* no lookup is under way */
	CHECK_FOR_INTERRUPTS();
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		carpool_rules_load();
		carpool_worker_reload(carpool_settings_read());
	}
}

/* Answers one question, unless it has to wait for a host name. */
static void
serve_question(const CarpoolQuestion *question)
{
	static CarpoolAnswer answer;

	if (carpool_lookup(question, &answer))
		carpool_worker_answer(&answer);
	explicit_bzero(answer.secret, sizeof(answer.secret));
}

/* Answers what is in the mailbox; true when something is left for the next turn. */
static bool
serve_questions(void)
{
	CarpoolQuestion question;
	int			budget = QUESTIONS_A_TURN;

	while (budget-- > 0 && !ProcDiePending)
	{
		if (!carpool_mailbox_take(&question) && !carpool_names_take(&question))
			return false;
		serve_question(&question);
	}
	return true;
}

/* Lets the clients go on a smart shutdown, which does not end before their servers do. */
static void
watch_shutdown(void)
{
	if (!draining && carpool_server_is_stopping())
	{
		draining = true;
		ereport(LOG, (errmsg("carpool worker lets its clients go: the server is shutting down")));
		carpool_lookup_stopping();
		carpool_worker_drain(CARPOOL_DRAIN_TRANSACTIONS);
	}
	if (draining && carpool_worker_client_count() == 0)
		leave(0);
}

/* Servers report something else after a promotion, as after a reload. */
static void
watch_promotion(void)
{
	static bool was_standby;
	bool		is_standby = RecoveryInProgress();

	if (was_standby && !is_standby)
		carpool_worker_reload(carpool_settings_read());
	was_standby = is_standby;
}

/* Shows in pg_stat_activity what we do. */
static void
show_activity(void)
{
	static int	shown = -1;
	int			clients = carpool_worker_client_count();
	char		text[128];

	if (clients == shown)
		return;
	shown = clients;
	snprintf(text, sizeof(text), "%s, %d clients", draining ? "draining" : "serving", clients);
	pgstat_report_activity(STATE_RUNNING, text);
}

/* Once a second, and whenever we are awake anyway after that. */
static void
tick(void)
{
	static TimestampTz last;
	TimestampTz now = GetCurrentTimestamp();

	if (!TimestampDifferenceExceeds(last, now, TICK))
		return;
	last = now;
	watch_shutdown();
	watch_promotion();
	show_activity();
	carpool_ledger_sweep();
	pgstat_report_stat(false);
}

/* The worker's main function. */
void
carpool_worker_main(Datum argument)
{
	long		timeout = TICK;

	carpool_forget_thread_id();
	prepare();
	if (carpool_server_is_stopping())
		leave(0);
	if (!start_threads())
		leave_for_retry();
	carpool_letgo_open();
	for (;;)
	{
		wait_for_work(timeout);
		serve_interrupts();
		timeout = serve_questions() ? 0 : TICK;
		carpool_mailbox_log();
		if (carpool_worker_trapped())
		{
			ereport(LOG, (errmsg("carpool worker ends: an engine thread met an internal error")));
			leave(1);
		}
		if (carpool_letgo_serve())
			timeout = Min(timeout, SHORT_TICK);
		if (draining && carpool_worker_client_count() == 0)
			leave(0);
		tick();
	}
}
