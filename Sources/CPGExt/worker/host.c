/* host.c: CarpoolHost filled from PostgreSQL; its functions run on engine threads. */
#include "postgres.h"

#include <signal.h>

#include "../private/host.h"
#include "../private/mailbox.h"

/* CarpoolHost.cancel: backends lead process groups of their own, which their children share. */
static bool
cancel_backend(void *context, int32_t server_pid)
{
	if (server_pid <= 1)
		return false;
	return kill(-server_pid, SIGINT) == 0 || kill(server_pid, SIGINT) == 0;
}

/* The ledger is filled in when the worker starts. */
CarpoolHost carpool_pg_host = {
	.context = NULL,
	.ask = carpool_mailbox_ask,
	.log = carpool_mailbox_say,
	.cancel = cancel_backend,
	.name = "pg_carpool",
	.keeps_oids = true,
	.ledger = NULL
};
