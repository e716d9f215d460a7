/* ledger.c: the clients' part of the ledger. */
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "csys.h"
#include "cworker.h"

/* An even generation becomes odd, an odd one even, before or after all else is written. */
static uint32_t
turn_generation(CledgerClient *client)
{
	return __atomic_add_fetch(&client->generation, 1, __ATOMIC_SEQ_CST);
}

void
cworker_ledger_take_over(CledgerHeader *ledger)
{
	for (uint32_t slot = 1; slot < ledger->client_slots; slot++)
	{
		CledgerClient *client = cledger_client(ledger, slot);

		if (client->generation & 1)
			turn_generation(client);
	}
}

/* Writes the address of the peer of a socket. */
static void
describe_address(int fd, CledgerClient *client)
{
	struct sockaddr_storage peer;

	memset(client->address, 0, sizeof(client->address));
	client->port = 0;
	client->family = AF_UNIX;
	if (csys_peer_address(fd, &peer) == 0)
		return;
	client->family = peer.ss_family;
	if (peer.ss_family == AF_INET)
	{
		const struct sockaddr_in *address = (const struct sockaddr_in *) &peer;

		memcpy(client->address, &address->sin_addr, 4);
		client->port = ntohs(address->sin_port);
	}
	else if (peer.ss_family == AF_INET6)
	{
		const struct sockaddr_in6 *address = (const struct sockaddr_in6 *) &peer;

		memcpy(client->address, &address->sin6_addr, 16);
		client->port = ntohs(address->sin6_port);
	}
}

uint64_t
cworker_ledger_enter(CledgerHeader *ledger, uint32_t slot, const CworkerLedgerClient *from)
{
	CledgerClient *client = cledger_client(ledger, slot);

	client->process_id = from->process_id;
	client->server = 0;
	client->database = from->database_id;
	client->role = from->user_id;
	client->thread = from->thread;
	client->environment = 0;
	client->reports = 0;
	client->idle_session_timeout = 0;
	client->login = __atomic_add_fetch(&ledger->logins, 1, __ATOMIC_SEQ_CST);
	describe_address(from->fd, client);
	return cledger_reference(slot, turn_generation(client));
}

bool
cworker_ledger_leave(CledgerHeader *ledger, uint64_t reference)
{
	CledgerClient *client = cledger_client(ledger, (uint32_t) reference);

	if (client->generation != (uint32_t) (reference >> 32))
		return false;
	turn_generation(client);
	return true;
}
