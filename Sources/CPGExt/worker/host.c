/* host.c: CarpoolHost filled from PostgreSQL; its functions run on engine threads. */
#include "postgres.h"

#include <signal.h>

#include "private/host.h"
#include "private/ledger.h"
#include "private/mailbox.h"

/*
 * CarpoolHost.cancel: an agent is told by SIGUSR2, which only it understands, and decides.
 * Backends without one lead process groups of their own, which their children share.
 */
static bool
cancel_backend(void *context, int32_t server_pid, uint32_t server_slot)
{
	if (server_pid <= 1)
		return false;
	if (server_slot != 0)
	{
		if (cledger_takes_cancels(cledger_server(carpool_ledger, server_slot), server_pid))
			kill(server_pid, SIGUSR2);
		return true;
	}
	return kill(-server_pid, SIGINT) == 0 || kill(server_pid, SIGINT) == 0;
}

/* The ledger is filled in when the worker starts. */
CarpoolHost carpool_pg_host = {
	.context = NULL,
	.ask = carpool_mailbox_ask,
	.log = carpool_mailbox_say,
	.cancel = cancel_backend,
	.most_servers = 0,			/* MaxConnections, when the worker starts */
	.forget = NULL,
	.name = "pg_carpool",
	.keeps_oids = true,
	.ledger = NULL
};
