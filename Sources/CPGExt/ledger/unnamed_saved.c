/*
 * unnamed_saved.c: the clients' unnamed statements, in the same dynamic shared memory as
 * the saved sessions. A client's room there is used again as long as its next statement
 * fits. The lock is the slot's own: it is contended only when a slot has a new client while
 * a backend still writes for the former one.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "utils/dsa.h"

#include "../private/ledger.h"

#define SMALLEST 256			/* bytes of room */

typedef struct Room
{
	uint32		size;			/* bytes there are */
	char		bytes[FLEXIBLE_ARRAY_MEMBER];
} Room;

/* Nothing between these two raises an error or waits. */
static void
lock(CledgerClient *client)
{
	while (__atomic_exchange_n(&client->unnamed_lock, 1, __ATOMIC_ACQUIRE) != 0)
		pg_usleep(1);
}

static void
unlock(CledgerClient *client)
{
	__atomic_store_n(&client->unnamed_lock, 0, __ATOMIC_RELEASE);
}

/* The slot of a client that is still there. */
static CledgerClient *
present(uint64 reference)
{
	CledgerClient *client = cledger_client(carpool_ledger, (uint32) reference);

	return client->generation == (uint32) (reference >> 32) ? client : NULL;
}

static Room *
room_at(dsa_pointer pointer)
{
	return DsaPointerIsValid(pointer) ? dsa_get_address(carpool_saved_area(true), pointer) : NULL;
}

/* With a power of two in all, header included. */
static dsa_pointer
make_room(uint32 size)
{
	uint32		all = Max(SMALLEST, pg_nextpower2_32(size + offsetof(Room, bytes)));
	dsa_pointer pointer = dsa_allocate(carpool_saved_area(true), all);

	room_at(pointer)->size = all - offsetof(Room, bytes);
	return pointer;
}

/* Puts a new room into the slot, or takes it out; gives back what was there. */
static dsa_pointer
replace(CledgerClient *client, dsa_pointer to)
{
	dsa_pointer former;

	lock(client);
	former = (dsa_pointer) client->unnamed;
	client->unnamed = (uint64) to;
	client->unnamed_size = 0;
	unlock(client);
	return former;
}

static void
free_room(dsa_pointer pointer)
{
	if (DsaPointerIsValid(pointer))
		dsa_free(carpool_saved_area(true), pointer);
}

/* Applications say the same again and again. */
static bool
is_there(const CledgerClient *client, const Room *room, uint32 generation, const char *bytes, uint32 size)
{
	return client->unnamed_generation == generation && client->unnamed_size == size &&
		(size == 0 || memcmp(room->bytes, bytes, size) == 0);
}

/* Writes into the room that the slot has; false when it has got another one meanwhile. */
static bool
fill(CledgerClient *client, uint32 generation, dsa_pointer pointer, const char *bytes, uint32 size)
{
	Room	   *room = room_at(pointer);
	bool		same;

	lock(client);
	same = client->unnamed == (uint64) pointer;
	if (same && client->generation == generation && !is_there(client, room, generation, bytes, size))
	{
		if (size > 0)
			memcpy(room->bytes, bytes, size);
		client->unnamed_size = size;
		client->unnamed_generation = generation;
		client->unnamed_saves++;
	}
	unlock(client);
	return same;
}

uint32
carpool_unnamed_put(uint64 reference, const char *bytes, uint32 size)
{
	CledgerClient *client = present(reference);
	uint32		generation = (uint32) (reference >> 32);
	dsa_pointer pointer;

	if (client == NULL)
		return 0;
	do
	{
		Room	   *room;

		pointer = (dsa_pointer) client->unnamed;
		room = room_at(pointer);
		if (size > 0 && (room == NULL || room->size < size))
		{
			pointer = make_room(size);
			free_room(replace(client, pointer));
		}
	} while (!fill(client, generation, pointer, bytes, size));
	return client->unnamed_saves;
}

bool
carpool_unnamed_has(uint64 reference, uint32 *saves)
{
	CledgerClient *client = cledger_client(carpool_ledger, (uint32) reference);

	*saves = client->unnamed_saves;
	return client->unnamed_size > 0 && client->unnamed_generation == (uint32) (reference >> 32);
}

void
carpool_unnamed_get(uint64 reference, StringInfo bytes)
{
	CledgerClient *client = present(reference);
	dsa_pointer pointer;
	Room	   *room;

	resetStringInfo(bytes);
	if (client == NULL || client->unnamed_size == 0)
		return;
	pointer = (dsa_pointer) client->unnamed;
	room = room_at(pointer);
	if (room == NULL)
		return;
	enlargeStringInfo(bytes, (int) room->size);
	lock(client);
	if (client->unnamed_generation == (uint32) (reference >> 32) && client->unnamed == (uint64) pointer)
	{
		bytes->len = (int) client->unnamed_size;
		memcpy(bytes->data, room->bytes, client->unnamed_size);
	}
	unlock(client);
}

void
carpool_unnamed_free(uint32 slot)
{
	if (carpool_saved_area(false) != NULL)
		free_room(replace(cledger_client(carpool_ledger, slot), InvalidDsaPointer));
}
