/* thread.c: monitors, wake-ups, and engine threads whose traps stay theirs. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "csys.h"

struct CsysMonitor
{
	pthread_mutex_t mutex;
	pthread_cond_t changed;
};

CsysMonitor *
csys_monitor_new(void)
{
	CsysMonitor *monitor = calloc(1, sizeof(*monitor));

	if (monitor == NULL)
		abort();
	pthread_mutex_init(&monitor->mutex, NULL);
	pthread_cond_init(&monitor->changed, NULL);
	return monitor;
}

void
csys_monitor_lock(CsysMonitor *monitor)
{
	pthread_mutex_lock(&monitor->mutex);
}

void
csys_monitor_unlock(CsysMonitor *monitor)
{
	pthread_mutex_unlock(&monitor->mutex);
}

void
csys_monitor_wait(CsysMonitor *monitor)
{
	pthread_cond_wait(&monitor->changed, &monitor->mutex);
}

void
csys_monitor_signal(CsysMonitor *monitor)
{
	pthread_cond_signal(&monitor->changed);
}

/* What csys_end_at_once() needs, which may take no lock and no memory. */
#define WAKES_MAX 80
static int	wakes[WAKES_MAX];
static int	wake_count;
static int	end_reason;
static int	said;			/* owners that have said their last words */

void
csys_end_at_once(int reason)
{
	struct timespec moment = {.tv_nsec = 1000000};

	__atomic_store_n(&end_reason, reason, __ATOMIC_RELEASE);
	for (int i = 0; i < wake_count; i++)
		csys_eventfd_write(wakes[i]);
	for (int turn = 0; turn < 200 && __atomic_load_n(&said, __ATOMIC_ACQUIRE) < wake_count; turn++)
		nanosleep(&moment, NULL);
}

int
csys_ends_at_once(void)
{
	return __atomic_load_n(&end_reason, __ATOMIC_ACQUIRE);
}

void
csys_last_words_said(void)
{
	__atomic_fetch_add(&said, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

int
csys_wake_new(void)
{
	int			fd = csys_eventfd();

	if (fd < 0)
		abort();
	if (wake_count < WAKES_MAX)
		wakes[wake_count++] = fd;
	return fd;
}

#define THREADS_MAX 80
#define PARK_SIGNAL (SIGRTMIN + 7)

typedef struct Thread
{
	pthread_t	id;
	void		(*body) (void *);
	void	   *argument;
	int			still;			/* ended or parked */
} Thread;

static Thread threads[THREADS_MAX];
static int	thread_count;
static __thread Thread *current_thread;
static int	contain_fd = -1;
static int	trapped;

/* Never returns: the thread keeps its stack and does nothing any more. */
static void
park(void)
{
	sigset_t	all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	__atomic_store_n(&current_thread->still, 1, __ATOMIC_RELEASE);
	for (;;)
		sleep(3600);
}

static void
on_park(int signal)
{
	if (current_thread)
		park();
}

/* A trap on an engine thread; async-signal-safe calls only. */
static void
on_trap(int signal)
{
	static const char line[] = "carpool: an engine thread trapped; the worker will restart\n";

	if (current_thread == NULL)
	{
		/* Not ours: a crash like any other. */
		struct sigaction usual = {.sa_handler = SIG_DFL};

		sigaction(signal, &usual, NULL);
		raise(signal);
		return;
	}
	if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
	{
		/* nothing more can be done about it */
	}
	__atomic_store_n(&trapped, 1, __ATOMIC_RELEASE);
	csys_eventfd_write(contain_fd);
	park();
}

void
csys_contain(int notify_fd)
{
	static const int traps[] = {SIGILL, SIGTRAP, SIGABRT};
	struct sigaction on = {.sa_flags = SA_NODEFER};

	contain_fd = notify_fd;
	sigemptyset(&on.sa_mask);
	on.sa_handler = on_trap;
	for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++)
		sigaction(traps[i], &on, NULL);
	on.sa_handler = on_park;
	sigaction(PARK_SIGNAL, &on, NULL);
}

bool
csys_trapped(void)
{
	return __atomic_load_n(&trapped, __ATOMIC_ACQUIRE) != 0;
}

static void *
thread_main(void *argument)
{
	current_thread = argument;
	current_thread->body(current_thread->argument);
	__atomic_store_n(&current_thread->still, 1, __ATOMIC_RELEASE);
	return NULL;
}

int
csys_thread_start(void (*body) (void *), void *argument)
{
	static const int open[] = {SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS, SIGFPE};
	sigset_t	blocked;
	sigset_t	before;
	Thread	   *thread;
	int			error;

	if (thread_count == THREADS_MAX)
		return -1;
	thread = &threads[thread_count];
	thread->body = body;
	thread->argument = argument;
	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		sigdelset(&blocked, open[i]);
	sigdelset(&blocked, PARK_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	error = pthread_create(&thread->id, NULL, thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error ? -1 : thread_count++;
}

/* Waits up to the time for every thread to be still. */
static bool
all_still(int milliseconds)
{
	uint64_t	deadline = csys_now() + (uint64_t) milliseconds * 1000000u;
	struct timespec pause = {.tv_nsec = 1000000};

	for (;;)
	{
		bool		still = true;

		for (int i = 0; i < thread_count; i++)
			still = still && __atomic_load_n(&threads[i].still, __ATOMIC_ACQUIRE);
		if (still || csys_now() >= deadline)
			return still;
		nanosleep(&pause, NULL);
	}
}

void
csys_threads_end(int milliseconds)
{
	if (all_still(milliseconds))
		return;
	for (int i = 0; i < thread_count; i++)
		if (!__atomic_load_n(&threads[i].still, __ATOMIC_ACQUIRE))
			pthread_kill(threads[i].id, PARK_SIGNAL);
	all_still(1000);
}
