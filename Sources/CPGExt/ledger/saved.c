/*
 * saved.c: saved sessions, in dynamic shared memory that all agents share. One of them
 * makes it when there is something to save for the first time; it lives as long as the
 * server. The lock guards the pointers in the clients' slots.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"
#include "utils/memutils.h"

#include "../private/ledger.h"

/* What stands in the area: so many bytes, and the bytes. */
typedef struct Saved
{
	uint32		size;
	char		bytes[FLEXIBLE_ARRAY_MEMBER];
} Saved;

static dsa_area *area;

static LWLock *
lock(void)
{
	static LWLock *found;

	if (found == NULL)
		found = &GetNamedLWLockTranche("carpool")->lock;
	return found;
}

/* Makes the area known to this process; NULL when there is none and none is to be made. */
dsa_area *
carpool_saved_area(bool make)
{
	MemoryContext old;

	if (area)
		return area;
	LWLockRegisterTranche((int) carpool_ledger->state_tranche, "carpool saved sessions");
	old = MemoryContextSwitchTo(TopMemoryContext);
	LWLockAcquire(lock(), LW_EXCLUSIVE);
	if (carpool_ledger->state_area != 0)
		area = dsa_attach((dsa_handle) (carpool_ledger->state_area - 1));
	else if (make)
	{
		area = dsa_create((int) carpool_ledger->state_tranche);
		dsa_pin(area);
		carpool_ledger->state_area = (uint64) dsa_get_handle(area) + 1;
	}
	if (area)
		dsa_pin_mapping(area);
	LWLockRelease(lock());
	MemoryContextSwitchTo(old);
	return area;
}

/* The slot of a client that is still there. */
static CledgerClient *
present(uint64 reference)
{
	CledgerClient *client = cledger_client(carpool_ledger, (uint32) reference);

	return client->generation == (uint32) (reference >> 32) ? client : NULL;
}

void
carpool_saved_get(uint64 reference, StringInfo bytes)
{
	CledgerClient *client = present(reference);

	resetStringInfo(bytes);
	if (client == NULL || client->state == 0 || carpool_saved_area(false) == NULL)
		return;
	LWLockAcquire(lock(), LW_SHARED);
	if (client->state != 0 && client->state_generation == (uint32) (reference >> 32))
	{
		Saved	   *saved = dsa_get_address(area, (dsa_pointer) client->state);

		appendBinaryStringInfo(bytes, saved->bytes, (int) saved->size);
	}
	LWLockRelease(lock());
}

/* Puts a pointer into a client's slot, and frees the one that was there; its own when the client has gone. */
static void
replace(CledgerClient *client, dsa_pointer to, uint32 generation)
{
	dsa_pointer old;

	HOLD_INTERRUPTS();
	LWLockAcquire(lock(), LW_EXCLUSIVE);
	if (client->generation == generation)
	{
		old = (dsa_pointer) client->state;
		client->state = (uint64) to;
		client->state_generation = generation;
		client->saves++;
	}
	else
		old = to;
	LWLockRelease(lock());
	if (DsaPointerIsValid(old))
		dsa_free(area, old);
	RESUME_INTERRUPTS();
}

void
carpool_saved_put(uint64 reference, const StringInfo bytes)
{
	CledgerClient *client = present(reference);
	dsa_pointer pointer = InvalidDsaPointer;

	if (client == NULL || carpool_saved_area(bytes->len > 0) == NULL)
		return;
	if (bytes->len > 0)
	{
		Saved	   *saved;

		pointer = dsa_allocate(area, offsetof(Saved, bytes) + bytes->len);
		saved = dsa_get_address(area, pointer);
		saved->size = (uint32) bytes->len;
		memcpy(saved->bytes, bytes->data, bytes->len);
	}
	replace(client, pointer, (uint32) (reference >> 32));
}

/* Frees what a slot's former client left behind, unless the present one has put its own there. */
void
carpool_saved_free(uint32 slot)
{
	CledgerClient *client = cledger_client(carpool_ledger, slot);
	dsa_pointer old = InvalidDsaPointer;

	if (carpool_saved_area(false) == NULL)
		return;
	HOLD_INTERRUPTS();
	LWLockAcquire(lock(), LW_EXCLUSIVE);
	if (client->state != 0 && client->state_generation != client->generation)
	{
		old = (dsa_pointer) client->state;
		client->state = 0;
	}
	LWLockRelease(lock());
	if (DsaPointerIsValid(old))
		dsa_free(area, old);
	RESUME_INTERRUPTS();
}
