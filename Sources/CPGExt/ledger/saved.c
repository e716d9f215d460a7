/*
 * saved.c: saved sessions, in dynamic shared memory that all agents share. One of them
 * makes it when there is something to save for the first time; it lives as long as the
 * server. Each kind of state has a piece of its own, so that a change of one writes no other,
 * and a piece has room to grow, so that what is added to it is written alone.
 *
 * The lock guards the pointers, and what they point to from being freed. The bytes of a piece
 * are written and read by the one backend that serves the client.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"
#include "utils/memutils.h"

#include "private/ledger.h"
#include "private/settings.h"

#define SMALLEST 64				/* bytes of a piece */
#define FREE 65536				/* bytes of a session that may always be, whatever all take */

typedef struct Piece
{
	uint64		fingerprint;	/* 0: there is nothing of this kind */
	uint64		epoch;			/* another one whenever it is written anew */
	dsa_pointer bytes;
	uint32		size;
	uint32		room;
} Piece;

typedef struct Saved
{
	Piece		pieces[CARPOOL_KINDS];
} Saved;

static dsa_area *area;

LWLock *
carpool_saved_lock(void)
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
	LWLockAcquire(carpool_saved_lock(), LW_EXCLUSIVE);
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
	LWLockRelease(carpool_saved_lock());
	MemoryContextSwitchTo(old);
	return area;
}

/*
 * What is saved of a client that is still there; NULL: nothing. The lock is held, and what is
 * returned is good for as long as it is.
 */
static Saved *
saved_of(uint64 reference)
{
	CledgerClient *client = cledger_client(carpool_ledger, (uint32) reference);
	uint32		generation = (uint32) (reference >> 32);

	if (client->generation != generation || client->state == 0 || client->state_generation != generation)
		return NULL;
	return dsa_get_address(area, (dsa_pointer) client->state);
}

static bool
may_be_saved(uint64 reference)
{
	return cledger_client(carpool_ledger, (uint32) reference)->state != 0 &&
		carpool_saved_area(false) != NULL;
}

void
carpool_saved_look(uint64 reference, uint64 fingerprints[CARPOOL_KINDS])
{
	Saved	   *saved;

	memset(fingerprints, 0, CARPOOL_KINDS * sizeof(*fingerprints));
	if (!may_be_saved(reference))
		return;
	LWLockAcquire(carpool_saved_lock(), LW_SHARED);
	saved = saved_of(reference);
	for (int i = 0; saved != NULL && i < CARPOOL_KINDS; i++)
		fingerprints[i] = saved->pieces[i].fingerprint;
	LWLockRelease(carpool_saved_lock());
}

CarpoolSavedPlace
carpool_saved_get(uint64 reference, int kind, const CarpoolSavedPlace *after, StringInfo bytes)
{
	CarpoolSavedPlace place = {0};
	Saved	   *saved;

	if (bytes != NULL)
		resetStringInfo(bytes);
	if (!may_be_saved(reference))
		return place;
	LWLockAcquire(carpool_saved_lock(), LW_SHARED);
	saved = saved_of(reference);
	if (saved != NULL && saved->pieces[kind].size > 0)
	{
		const Piece *piece = &saved->pieces[kind];
		uint32		from = 0;

		place.epoch = piece->epoch;
		place.size = piece->size;
		if (after != NULL && after->epoch == piece->epoch && after->size <= piece->size)
			from = after->size;
		place.is_rest = from > 0;
		if (bytes != NULL)
			appendBinaryStringInfoNT(bytes, (char *) dsa_get_address(area, piece->bytes) + from,
									 (int) (piece->size - from));
	}
	LWLockRelease(carpool_saved_lock());
	return place;
}

/* Gives memory back; the lock may be held or not. */
static void
free_piece(const Piece *piece)
{
	if (!DsaPointerIsValid(piece->bytes))
		return;
	dsa_free(area, piece->bytes);
	__atomic_fetch_sub(&carpool_ledger->state_bytes, piece->room, __ATOMIC_RELAXED);
}

static void
free_saved(dsa_pointer pointer)
{
	Saved	   *saved;

	if (!DsaPointerIsValid(pointer))
		return;
	saved = dsa_get_address(area, pointer);
	for (int i = 0; i < CARPOOL_KINDS; i++)
		free_piece(&saved->pieces[i]);
	dsa_free(area, pointer);
}

/* Room for a client's pieces where there is none yet. False: the client has gone. */
static bool
prepare(uint64 reference)
{
	CledgerClient *client = cledger_client(carpool_ledger, (uint32) reference);
	uint32		generation = (uint32) (reference >> 32);
	dsa_pointer made;
	dsa_pointer old;

	if (client->state != 0 && client->state_generation == generation)
		return client->generation == generation;
	made = dsa_allocate0(area, sizeof(Saved));
	HOLD_INTERRUPTS();
	LWLockAcquire(carpool_saved_lock(), LW_EXCLUSIVE);
	old = made;
	if (client->generation == generation)
	{
		old = (dsa_pointer) client->state;
		client->state = (uint64) made;
		client->state_generation = generation;
	}
	LWLockRelease(carpool_saved_lock());
	free_saved(old);
	RESUME_INTERRUPTS();
	return old != made;
}

/* Twice as much whenever it grows, so that all the copying is linear. */
static uint32
room_for(uint32 size)
{
	return Max(SMALLEST, pg_nextpower2_32(size));
}

/* Room for so many bytes and some more, the first of which are there already. */
static Piece
make_piece(uint32 size, const StringInfo bytes)
{
	static uint32 count;
	Piece		piece = {.size = size, .room = room_for(size)};

	piece.epoch = (uint64) MyProcPid << 32 | ++count;
	piece.bytes = dsa_allocate(area, piece.room);
	memcpy(dsa_get_address(area, piece.bytes), bytes->data, bytes->len);
	__atomic_fetch_add(&carpool_ledger->state_bytes, piece.room, __ATOMIC_RELAXED);
	return piece;
}

bool
carpool_saved_may_have(Size own, Size more)
{
	if (own + more > carpool_settings_session_state(false))
		return false;
	return own + more <= FREE ||
		__atomic_load_n(&carpool_ledger->state_bytes, __ATOMIC_RELAXED) + room_for((uint32) more) <=
		carpool_settings_session_state(true);
}

/* The bytes a client has of other kinds. */
static Size
size_of_others(uint64 reference, int kind)
{
	Size		size = 0;
	Saved	   *saved;

	LWLockAcquire(carpool_saved_lock(), LW_SHARED);
	saved = saved_of(reference);
	for (int i = 0; saved != NULL && i < CARPOOL_KINDS; i++)
		if (i != kind)
			size += saved->pieces[i].size;
	LWLockRelease(carpool_saved_lock());
	return size;
}

/* Ends the session of a client that would have too much. more: bytes that there is no room for yet. */
static void
check_limits(uint64 reference, int kind, Size size, Size more)
{
	Size		all = size_of_others(reference, kind) + size;
	bool		is_own = all > carpool_settings_session_state(false);

	if (!is_own && (more == 0 || carpool_saved_may_have(all - more, more)))
		return;
	ereport(FATAL,
			(errcode(is_own ? ERRCODE_CONFIGURATION_LIMIT_EXCEEDED : ERRCODE_OUT_OF_MEMORY),
			 errmsg(is_own ? "the session's state is too large" : "there is no room for the session's state"),
			 errdetail("Its settings and prepared statements would take %zu kB; %s is %zu kB.", all / 1024,
					   is_own ? "carpool.max_session_state" : "carpool.max_total_session_state",
					   carpool_settings_session_state(!is_own) / 1024),
			 errhint("Deallocate prepared statements that are no longer needed, or raise the limit.")));
}

/* Puts a piece in the place of another. */
static void
replace(uint64 reference, int kind, Piece piece)
{
	Piece		old = piece;
	Saved	   *saved;

	HOLD_INTERRUPTS();
	LWLockAcquire(carpool_saved_lock(), LW_EXCLUSIVE);
	saved = saved_of(reference);
	if (saved != NULL)
	{
		old = saved->pieces[kind];
		saved->pieces[kind] = piece;
		cledger_client(carpool_ledger, (uint32) reference)->saves++;
	}
	LWLockRelease(carpool_saved_lock());
	free_piece(&old);
	RESUME_INTERRUPTS();
}

CarpoolSavedPlace
carpool_saved_put(uint64 reference, int kind, uint64 fingerprint, const StringInfo bytes)
{
	Piece		piece = {0};

	if (carpool_saved_area(fingerprint != 0) != NULL && prepare(reference))
	{
		if (fingerprint != 0)
		{
			check_limits(reference, kind, bytes->len, bytes->len);
			piece = make_piece((uint32) bytes->len, bytes);
		}
		piece.fingerprint = fingerprint;
		replace(reference, kind, piece);
	}
	return (CarpoolSavedPlace) {.epoch = piece.epoch, .size = piece.size};
}

/* Writes behind what is there. False: it is not what it was, or has no room. */
static bool
write_behind(uint64 reference, int kind, const CarpoolSavedPlace *place, uint64 fingerprint,
			 const StringInfo bytes)
{
	Saved	   *saved;
	bool		fits = false;

	LWLockAcquire(carpool_saved_lock(), LW_SHARED);
	saved = saved_of(reference);
	if (saved != NULL)
	{
		Piece	   *piece = &saved->pieces[kind];

		fits = piece->epoch == place->epoch && piece->size == place->size &&
			(uint32) bytes->len <= piece->room - piece->size;
		if (fits)
		{
			memcpy((char *) dsa_get_address(area, piece->bytes) + piece->size, bytes->data, bytes->len);
			piece->size += (uint32) bytes->len;
			piece->fingerprint = fingerprint;
			cledger_client(carpool_ledger, (uint32) reference)->saves++;
		}
	}
	LWLockRelease(carpool_saved_lock());
	return fits;
}

bool
carpool_saved_add(uint64 reference, int kind, CarpoolSavedPlace *place, uint64 fingerprint,
				  const StringInfo bytes)
{
	StringInfoData all;
	CarpoolSavedPlace there;

	if (place->size == 0 || !may_be_saved(reference))
		return false;
	check_limits(reference, kind, (Size) place->size + bytes->len, 0);
	if (write_behind(reference, kind, place, fingerprint, bytes))
	{
		place->size += (uint32) bytes->len;
		return true;
	}
	initStringInfo(&all);
	there = carpool_saved_get(reference, kind, NULL, &all);
	if (there.epoch == place->epoch && there.size == place->size)
	{
		appendBinaryStringInfoNT(&all, bytes->data, bytes->len);
		*place = carpool_saved_put(reference, kind, fingerprint, &all);
	}
	else
		place->size = 0;
	pfree(all.data);
	return place->size > 0;
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
	LWLockAcquire(carpool_saved_lock(), LW_EXCLUSIVE);
	if (client->state != 0 && client->state_generation != client->generation)
	{
		old = (dsa_pointer) client->state;
		client->state = 0;
	}
	LWLockRelease(carpool_saved_lock());
	free_saved(old);
	RESUME_INTERRUPTS();
}
