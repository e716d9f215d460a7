/*
 * rooms.c: what of a client is saved apart from its session, in the same dynamic shared
 * memory: its unnamed statement, and the channels it listens to. Each has a room there that
 * is used again as long as what comes fits. The lock is the room's own: it is contended
 * only when a slot has a new client while a backend still writes for the former one.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "utils/dsa.h"

#include "private/ledger.h"

#define SMALLEST 256			/* bytes of a room */
#define BIG 4096				/* times as large as it has to be */
#define MOST_KEPT 65536			/* bytes of an empty room */

typedef struct Room
{
	uint32		size;			/* bytes there are */
	char		bytes[FLEXIBLE_ARRAY_MEMBER];
} Room;

/* Nothing between these two raises an error or waits. */
static void
lock(CledgerRoom *room)
{
	while (__atomic_exchange_n(&room->lock, 1, __ATOMIC_ACQUIRE) != 0)
		pg_usleep(1);
}

static void
unlock(CledgerRoom *room)
{
	__atomic_store_n(&room->lock, 0, __ATOMIC_RELEASE);
}

static CledgerRoom *
room_of(CledgerClient *client, CarpoolRoom which)
{
	return which == CARPOOL_ROOM_UNNAMED ? &client->unnamed : &client->channels;
}

static bool
is_present(const CledgerClient *client, uint64 reference)
{
	return client->generation == (uint32) (reference >> 32);
}

static Room *
room_at(dsa_pointer pointer)
{
	return DsaPointerIsValid(pointer) ? dsa_get_address(carpool_saved_area(true), pointer) : NULL;
}

/* With a power of two in all, header included. */
static dsa_pointer
make(uint32 size)
{
	uint32		all = Max(SMALLEST, pg_nextpower2_32(size + offsetof(Room, bytes)));
	dsa_pointer pointer = dsa_allocate(carpool_saved_area(true), all);

	room_at(pointer)->size = all - offsetof(Room, bytes);
	__atomic_fetch_add(&carpool_ledger->state_bytes, all, __ATOMIC_RELAXED);
	return pointer;
}

/*
 * Puts a new room in the old one's place, or takes it out; gives back what was there. It is
 * no client's until it is filled: a hub that looks meanwhile sees a client that writes, and
 * not one that has no channels left.
 */
static dsa_pointer
replace(CledgerRoom *room, dsa_pointer to)
{
	dsa_pointer former;

	lock(room);
	former = (dsa_pointer) room->pointer;
	room->pointer = (uint64) to;
	room->generation = 0;
	unlock(room);
	return former;
}

static void
free_at(dsa_pointer pointer)
{
	if (!DsaPointerIsValid(pointer))
		return;
	__atomic_fetch_sub(&carpool_ledger->state_bytes, room_at(pointer)->size + offsetof(Room, bytes),
					   __ATOMIC_RELAXED);
	dsa_free(carpool_saved_area(true), pointer);
}

/* Applications say the same again and again. */
static bool
is_there(const CledgerRoom *room, const Room *at, uint32 generation, const char *bytes, uint32 size)
{
	return room->generation == generation && room->size == size &&
		(size == 0 || memcmp(at->bytes, bytes, size) == 0);
}

/* Writes into the room that is there; false when there is another one meanwhile. */
static bool
fill(CledgerClient *client, CledgerRoom *room, uint64 reference, dsa_pointer pointer, const char *bytes,
	 uint32 size)
{
	Room	   *at = room_at(pointer);
	uint32		generation = (uint32) (reference >> 32);
	bool		same;

	lock(room);
	same = room->pointer == (uint64) pointer;
	if (same && is_present(client, reference) && !is_there(room, at, generation, bytes, size))
	{
		if (size > 0)
			memcpy(at->bytes, bytes, size);
		room->size = size;
		room->generation = generation;
		room->saves++;
	}
	unlock(room);
	return same;
}

/*
 * Makes room for so many bytes; where there is enough, nothing is done. One that is far too big is
 * made anew.
 */
static dsa_pointer
prepare(CledgerRoom *room, uint32 size)
{
	dsa_pointer pointer = (dsa_pointer) room->pointer;
	Room	   *at = room_at(pointer);

	if (size > 0 ? at == NULL || at->size < size || at->size / BIG > size
				 : at != NULL && at->size > MOST_KEPT)
	{
		pointer = size > 0 ? make(size) : InvalidDsaPointer;
		free_at(replace(room, pointer));
	}
	return pointer;
}

uint32
carpool_room_put(uint64 reference, CarpoolRoom which, const char *bytes, uint32 size)
{
	CledgerClient *client = cledger_client(carpool_ledger, (uint32) reference);
	CledgerRoom *room = room_of(client, which);

	if (!is_present(client, reference))
		return 0;
	while (!fill(client, room, reference, prepare(room, size), bytes, size))
		;
	return room->saves;
}

bool
carpool_room_has(uint64 reference, CarpoolRoom which, uint32 *saves)
{
	const CledgerRoom *room = room_of(cledger_client(carpool_ledger, (uint32) reference), which);

	*saves = room->saves;
	return room->size > 0 && room->generation == (uint32) (reference >> 32);
}

void
carpool_room_get(uint64 reference, CarpoolRoom which, StringInfo bytes)
{
	CledgerClient *client = cledger_client(carpool_ledger, (uint32) reference);
	CledgerRoom *room = room_of(client, which);
	dsa_pointer pointer;
	Room	   *at;

	resetStringInfo(bytes);
	if (!is_present(client, reference) || room->size == 0)
		return;
	pointer = (dsa_pointer) room->pointer;
	at = room_at(pointer);
	if (at == NULL)
		return;
	enlargeStringInfo(bytes, (int) at->size);
	lock(room);
	if (room->generation == (uint32) (reference >> 32) && room->pointer == (uint64) pointer)
	{
		bytes->len = (int) room->size;
		memcpy(bytes->data, at->bytes, room->size);
	}
	unlock(room);
}

/* Frees the rooms that a slot's former client had, unless the present one uses them. */
void
carpool_rooms_free(uint32 slot)
{
	CledgerClient *client = cledger_client(carpool_ledger, slot);

	for (CarpoolRoom which = CARPOOL_ROOM_UNNAMED; which <= CARPOOL_ROOM_CHANNELS; which++)
	{
		CledgerRoom *room = room_of(client, which);

		if (room->pointer != 0 && room->generation != client->generation && carpool_saved_area(false) != NULL)
			free_at(replace(room, InvalidDsaPointer));
	}
}
