/* ledger.c: the ledger in PostgreSQL's shared memory, and which slot is whose. */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/builtins.h"

#include "private/compat.h"
#include "private/ledger.h"
#include "private/settings.h"

CledgerHeader *carpool_ledger;

/* One slot for each process that may be a backend. */
static uint32
server_slots(void)
{
	return (uint32) MaxBackends;
}

/*
 * Clients the ledger has room for: as many as are allowed at the server's start, and for each
 * server one that has left while its statement still runs.
 */
static uint32
client_slots(void)
{
	return (uint32) carpool_settings_read()->max_client_conn + server_slots();
}

void
carpool_ledger_request_memory(void)
{
	RequestAddinShmemSpace(cledger_size(client_slots(), server_slots()));
	RequestNamedLWLockTranche("carpool", 1);
}

void
carpool_ledger_make_memory(void)
{
	Size		size = cledger_size(client_slots(), server_slots());
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	carpool_ledger = ShmemInitStruct("carpool ledger", size, &found);
	if (!found)
	{
		memset(carpool_ledger, 0, size);
		cledger_init(carpool_ledger, client_slots(), server_slots());
		if (!pg_strong_random(carpool_ledger->secret, sizeof(carpool_ledger->secret)))
			ereport(FATAL, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
		carpool_ledger->state_tranche = (uint32) LWLockNewTrancheId();
		carpool_ledger->masks_names = CARPOOL_MASKS_NAMES;
		ereport(LOG,
				(errmsg("carpool keeps a ledger of %zu kB for %u clients and %u servers",
						size / 1024, client_slots() - server_slots(), server_slots())));
	}
	LWLockRelease(AddinShmemInitLock);
}

/* A token nobody can guess; none where the kernel gives no random bytes. */
static void
make_token(void)
{
	uint8		bytes[(CLEDGER_TOKEN_SIZE - 1) / 2];

	memset(carpool_ledger->token, 0, CLEDGER_TOKEN_SIZE);
	if (pg_strong_random(bytes, sizeof(bytes)))
		hex_encode((const char *) bytes, sizeof(bytes), carpool_ledger->token);
}

/*
 * The worker has come up: nobody is served yet. Clients of an earlier one go with
 * cworker_ledger_take_over().
 */
void
carpool_ledger_open(void)
{
	for (uint32 slot = 1; slot < carpool_ledger->server_slots; slot++)
	{
		CledgerServer *server = cledger_server(carpool_ledger, slot);

		cledger_attach(server, 0);
		server->message = CLEDGER_NO_MESSAGE;
	}
	make_token();
	carpool_ledger->starts++;
	carpool_ledger->worker = MyProcPid;
}

/* The worker ends: no new backend is its own. */
void
carpool_ledger_close(void)
{
	if (carpool_ledger->worker == MyProcPid)
		carpool_ledger->worker = 0;
}

/* Frees what is saved of clients that are gone. */
void
carpool_ledger_sweep(void)
{
	for (uint32 slot = 1; slot < carpool_ledger->client_slots; slot++)
	{
		CledgerClient *client = cledger_client(carpool_ledger, slot);

		if (client->state != 0 && client->state_generation != client->generation)
			carpool_saved_free(slot);
		carpool_rooms_free(slot);
	}
}

uint32
carpool_ledger_own_slot(void)
{
	return carpool_slot_of_proc(MyProc);
}

/* The slot of a backend with an agent; 0: it has none. */
uint32
carpool_ledger_slot_of(int pid)
{
	PGPROC	   *proc = BackendPidGetProc(pid);
	uint32		slot = proc ? carpool_slot_of_proc(proc) : 0;

	return cledger_server(carpool_ledger, slot)->pid == pid ? slot : 0;
}
