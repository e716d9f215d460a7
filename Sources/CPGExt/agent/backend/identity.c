/*
 * identity.c: makes the server's views, functions and log show the client that is served, not the
 * worker.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include "libpq/libpq-be.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/backend_status.h"

#include "private/backend.h"

static emit_log_hook_type next_emit_log;
static bool is_named = true;	/* remote_host and remote_port are those of raddr */

/* So much of an address is ever looked at; the rest of its 128 bytes stays as it was. */
#define ADDRESS_SIZE sizeof(struct sockaddr_in6)

/* The client's address, as PostgreSQL would have it from accept(). */
static void
fill_address(SockAddr *to, const CledgerClient *client)
{
	memset(&to->addr, 0, ADDRESS_SIZE);
	if (client->family == AF_INET)
	{
		struct sockaddr_in *in = (struct sockaddr_in *) &to->addr;

		in->sin_family = AF_INET;
		in->sin_port = htons(client->port);
		memcpy(&in->sin_addr, client->address, 4);
		to->salen = sizeof(*in);
	}
	else if (client->family == AF_INET6)
	{
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &to->addr;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(client->port);
		memcpy(&in6->sin6_addr, client->address, 16);
		to->salen = sizeof(*in6);
	}
	else
	{
		((struct sockaddr_un *) &to->addr)->sun_family = AF_UNIX;
		to->salen = sizeof(sa_family_t);
	}
}

/* For log_line_prefix (%h, %r) and csvlog; made when a line is logged, as most clients never log one. */
static void
name_address(void)
{
	static char host[INET6_ADDRSTRLEN];
	static char port[8];
	const struct sockaddr_storage *address = &MyProcPort->raddr.addr;

	port[0] = '\0';
	if (address->ss_family == AF_INET)
	{
		const struct sockaddr_in *in = (const struct sockaddr_in *) address;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(port, sizeof(port), "%u", ntohs(in->sin_port));
	}
	else if (address->ss_family == AF_INET6)
	{
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) address;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(port, sizeof(port), "%u", ntohs(in6->sin6_port));
	}
	else
		strlcpy(host, "[local]", sizeof(host));
	MyProcPort->remote_host = host;
	MyProcPort->remote_port = port;
}

/* Called before a line is logged. */
static void
name_for_log(ErrorData *error)
{
	if (!is_named)
	{
		is_named = true;
		name_address();
	}
	if (next_emit_log)
		next_emit_log(error);
}

void
carpool_identity_open(void)
{
	next_emit_log = emit_log_hook;
	emit_log_hook = name_for_log;
}

/* For pg_stat_activity. */
static void
report_address(void)
{
	volatile PgBackendStatus *entry = MyBEEntry;

	if (entry == NULL)
		return;
	PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
	memcpy(unvolatize(SockAddr *, &entry->st_clientaddr), &MyProcPort->raddr, ADDRESS_SIZE);
	if (entry->st_clientaddr.salen != MyProcPort->raddr.salen)
		entry->st_clientaddr.salen = MyProcPort->raddr.salen;
	PGSTAT_END_WRITE_ACTIVITY(entry);
}

void
carpool_identity_show(const CledgerClient *client)
{
	fill_address(&MyProcPort->raddr, client);
	is_named = false;
	report_address();
}
