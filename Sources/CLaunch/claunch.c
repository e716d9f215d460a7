/* claunch.c: see claunch.h. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "claunch.h"
#include "csys.h"

/* <linux/close_range.h> is not on every system we build on */
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

const CarpoolSettingInfo *
claunch_setting(int index)
{
	return &carpool_setting_table[index];
}

char	  **
claunch_environment(void)
{
	return environ;
}

int
claunch_signal_fd(void)
{
	static const int answered[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};
	sigset_t	set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(answered) / sizeof(answered[0]); i++)
		sigaddset(&set, answered[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int
claunch_next_signal(int fd)
{
	struct signalfd_siginfo info;
	ssize_t		n;

	do
		n = read(fd, &info, sizeof(info));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t) sizeof(info) ? (int) info.ssi_signo : 0;
}

int
claunch_event_fd(void)
{
	int			fd = csys_eventfd();

	return fd < 0 ? -1 : fd;
}

void
claunch_event_clear(int fd)
{
	csys_eventfd_read(fd);
}

void
claunch_block_signals(void)
{
	sigset_t	set;

	sigfillset(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

bool
claunch_random(void *buffer, size_t size)
{
	return csys_random(buffer, size);
}

bool
claunch_replace_fd(int from, int to)
{
	int			result;

	do
		result = dup3(from, to, O_CLOEXEC);
	while (result < 0 && errno == EINTR);
	close(from);
	return result >= 0;
}

int64_t
claunch_uptime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

void
claunch_run_again(char *const *arguments)
{
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	execv("/proc/self/exe", arguments);
}
