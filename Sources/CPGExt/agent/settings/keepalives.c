/*
 * keepalives.c: carries the settings of the client's TCP connection. PostgreSQL shows what its
 * socket has, but that socket leads to the worker, and may be a Unix socket. A client reads what
 * it would on a connection of its own; what it sets has no effect on its connection to the
 * worker.
 */
#include "postgres.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libpq/libpq-be.h"
#include "miscadmin.h"
#include "utils/guc_tables.h"

#include "private/guc.h"

/* The settings, in the order of the functions below. */
static const struct
{
	const char *name;
	int			option;
}			shown[] = {
	{"tcp_keepalives_idle", TCP_KEEPIDLE},
	{"tcp_keepalives_interval", TCP_KEEPINTVL},
	{"tcp_keepalives_count", TCP_KEEPCNT},
	{"tcp_user_timeout", TCP_USER_TIMEOUT}
};

static int *values[lengthof(shown)];	/* PostgreSQL's variables */
static int	defaults[lengthof(shown)];	/* the kernel's */

/* As PostgreSQL shows it: 0 for a client on a Unix socket, and the kernel's value for 0. */
static const char *
show(int which)
{
	static char text[16];
	bool		is_local = MyProcPort == NULL || MyProcPort->raddr.addr.ss_family == AF_UNIX;
	int			value = *values[which] != 0 ? *values[which] : defaults[which];

	snprintf(text, sizeof(text), "%d", is_local ? 0 : value);
	return text;
}

static const char *
show_idle(void)
{
	return show(0);
}

static const char *
show_interval(void)
{
	return show(1);
}

static const char *
show_count(void)
{
	return show(2);
}

static const char *
show_user_timeout(void)
{
	return show(3);
}

void
carpool_keepalives_open(void)
{
	static const GucShowHook hooks[lengthof(shown)] = {
		show_idle, show_interval, show_count, show_user_timeout
	};
	int			probe = socket(AF_INET, SOCK_STREAM, 0);

	for (int i = 0; i < lengthof(shown); i++)
	{
		struct config_int *setting =
			(struct config_int *) carpool_find_setting(shown[i].name, false, false, ERROR);
		socklen_t	size = sizeof(defaults[i]);

		if (probe < 0 || getsockopt(probe, IPPROTO_TCP, shown[i].option, &defaults[i], &size) != 0)
			defaults[i] = 0;
		values[i] = setting->variable;
		setting->show_hook = hooks[i];
	}
	if (probe >= 0)
		close(probe);
}
