/* ctesthost.c: fills the structs of chost.h for tests of the worker. */
#include "ctesthost.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "chost.h"
#include "cledger.h"

struct CtestHost
{
	CarpoolHost host;			/* first: the worker takes the one pointer for the other */
	CtestCalls	calls;
};

static const char *
text(const char *string)
{
	return string == NULL ? "" : string;
}

/* "SQLSTATE message" into its parts. */
static void
fill_error(CarpoolError *error, const char *string)
{
	if (string == NULL || strlen(string) < 6)
		return;
	memcpy(error->sqlstate, string, 5);
	snprintf(error->message, sizeof(error->message), "%s", string + 6);
}

/* The address of an abstract Unix socket; returns its size. */
static uint32_t
fill_address(struct sockaddr_storage *storage, const char *name)
{
	struct sockaddr_un *address = (struct sockaddr_un *) storage;
	size_t		length = strnlen(name, sizeof(address->sun_path) - 2);

	address->sun_family = AF_UNIX;
	memcpy(address->sun_path + 1, name, length);
	return (uint32_t) (offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

static void
fill_answer(CarpoolAnswer *to, const CtestAnswer *from)
{
	memset(to, 0, sizeof(*to));
	to->ticket = (CarpoolTicket) {from->thread, from->slot, from->generation, from->kind};
	fill_error(&to->refusal, from->refusal);
	fill_error(&to->failure, from->failure);
	to->numbers.method = from->method;
	snprintf(to->secret, sizeof(to->secret), "%s", text(from->secret));
	to->numbers.database_id = from->database_id;
	to->numbers.user_id = from->user_id;
	to->numbers.facts = from->facts;
	to->numbers.pool.pool_mode = from->pool_mode;
	to->numbers.pool.pool_size = from->pool_size;
	to->numbers.pool.min_pool_size = from->min_pool_size;
	to->numbers.pool.max_db_connections = from->max_db_connections;
	to->numbers.pool.max_user_connections = from->max_user_connections;
	to->numbers.pool.server_lifetime = from->server_lifetime;
	to->numbers.pool.client_idle_timeout = from->client_idle_timeout;
	to->numbers.pool.idle_transaction_timeout = from->idle_transaction_timeout;
	if (from->server != NULL)
		to->numbers.server_size = fill_address(&to->server, from->server);
	snprintf(to->server_user, sizeof(to->server_user), "%s", text(from->server_user));
	snprintf(to->server_database, sizeof(to->server_database), "%s", text(from->server_database));
	to->numbers.server_slot = from->server_slot;
	to->numbers.must_become = from->must_become;
	to->numbers.may_share = from->may_share;
}

static int
ask(void *context, const CarpoolQuestion *question, CarpoolAnswer *answer)
{
	const CtestCalls *calls = context;
	CtestQuestion asked = {
		.kind = question->ticket.kind, .thread = question->ticket.thread,
		.slot = question->ticket.slot, .generation = question->ticket.generation,
		.user = question->user, .database = question->database,
		.database_id = question->numbers.database_id, .user_id = question->numbers.user_id,
		.holds = question->numbers.holds, .server_pid = question->numbers.server_pid
	};
	CtestAnswer given = {
		.kind = asked.kind, .thread = asked.thread, .slot = asked.slot, .generation = asked.generation
	};
	int			result = calls->ask(calls->context, &asked, &given);

	if (result == 1)
		fill_answer(answer, &given);
	return result;
}

static void
log_line(void *context, CarpoolLogLevel level, const char *line)
{
	const CtestCalls *calls = context;

	calls->log(calls->context, (int) level, line);
}

static bool
cancel(void *context, int32_t server_pid, uint32_t server_slot)
{
	const CtestCalls *calls = context;

	return calls->cancel(calls->context, server_pid, server_slot);
}

CtestHost *
ctest_host_new(const CtestCalls *calls, bool keeps_oids, uint32_t clients, uint32_t servers)
{
	CtestHost  *host = calloc(1, sizeof(*host));
	void	   *ledger = aligned_alloc(64, (cledger_size(clients, servers) + 63) / 64 * 64);

	if (host == NULL || ledger == NULL)
		abort();
	memset(ledger, 0, cledger_size(clients, servers));
	cledger_init(ledger, clients, servers);
	host->calls = *calls;
	host->host = (CarpoolHost) {
		.context = &host->calls, .ask = ask, .log = log_line, .cancel = cancel,
		.most_servers = 64, .name = "test", .keeps_oids = keeps_oids, .ledger = ledger
	};
	return host;
}

void *
ctest_host_ledger(CtestHost *host)
{
	return host->host.ledger;
}

void *
ctest_answer_new(const CtestAnswer *answer)
{
	CarpoolAnswer *made = malloc(sizeof(*made));

	if (made == NULL)
		abort();
	fill_answer(made, answer);
	return made;
}

CarpoolSettings *
ctest_settings_new(void)
{
	CarpoolSettings *settings = calloc(1, sizeof(*settings));

	if (settings == NULL)
		abort();
	carpool_settings_defaults(settings);
	return settings;
}

bool
ctest_settings_set(CarpoolSettings *settings, const char *name, const char *value)
{
	const CarpoolSettingInfo *info = carpool_setting_find(name);
	char		error[256];

	return info != NULL && carpool_setting_parse(info, value, settings, error, sizeof(error));
}

void
ctest_free(void *memory)
{
	free(memory);
}

int
ctest_listen(const char *name, int backlog)
{
	struct sockaddr_storage address = {0};
	uint32_t	size = fill_address(&address, name);
	int			fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *) &address, size) == 0 && listen(fd, backlog) == 0)
		return fd;
	size = (uint32_t) errno;
	close(fd);
	return -(int) size;
}

int
ctest_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0 ? 0 : -errno;
}

void
ctest_timer_stop(int fd)
{
	struct itimerspec never = {0};

	timerfd_settime(fd, 0, &never, NULL);
}
