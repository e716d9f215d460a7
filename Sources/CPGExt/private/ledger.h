/* ledger.h: the ledger in PostgreSQL's shared memory. */
#ifndef CARPOOL_PG_LEDGER_H
#define CARPOOL_PG_LEDGER_H

#include "postgres.h"

#include "cledger.h"
#include "lib/stringinfo.h"

/* The ledger; NULL before shared memory is made. */
extern CledgerHeader *carpool_ledger;

/* In the postmaster's hooks. */
extern void carpool_ledger_request_memory(void);
extern void carpool_ledger_make_memory(void);

/* In the worker's main thread: at its start, once a second, at its end. */
extern void carpool_ledger_open(void);
extern void carpool_ledger_sweep(void);
extern void carpool_ledger_close(void);

/* Slot of this backend, or of another's. */
extern uint32 carpool_ledger_own_slot(void);
extern uint32 carpool_ledger_slot_of(int pid);

/*
 * saved.c: saved sessions, in dynamic shared memory, by the kinds of attach.c. A place is how
 * far a kind's bytes go; of another epoch they are all others.
 */
#define CARPOOL_KINDS 5

typedef struct CarpoolSavedPlace
{
	uint64		epoch;
	uint32		size;			/* 0: there are none */
	bool		is_rest;		/* only the bytes behind the other place were given */
} CarpoolSavedPlace;

/* The fingerprints; 0 where there is nothing. */
extern void carpool_saved_look(uint64 client, uint64 fingerprints[CARPOOL_KINDS]);

/*
 * Fills bytes, unless NULL, with those of a kind; where `after` is of the same epoch, with what
 * came behind it.
 */
extern CarpoolSavedPlace carpool_saved_get(uint64 client, int kind, const CarpoolSavedPlace *after,
										   StringInfo bytes);

/* Whether a session of so many bytes may have more. */
extern bool carpool_saved_may_have(Size own, Size more);

/* Replaces what is there; fingerprint 0: by nothing. FATAL 53400 or 53200 where it would be too much. */
extern CarpoolSavedPlace carpool_saved_put(uint64 client, int kind, uint64 fingerprint,
										   const StringInfo bytes);

/* Adds to what is there. False: that does not end at the place. Else the place is moved. */
extern bool carpool_saved_add(uint64 client, int kind, CarpoolSavedPlace *place, uint64 fingerprint,
							  const StringInfo bytes);
extern void carpool_saved_free(uint32 slot);

/* Where they are, and the lock of what points there; NULL: there is none yet. */
struct dsa_area;
extern struct dsa_area *carpool_saved_area(bool make);
extern struct LWLock *carpool_saved_lock(void);

/* What has room of its own, which is used again. */
typedef enum CarpoolRoom
{
	CARPOOL_ROOM_UNNAMED,		/* the client's unnamed statement */
	CARPOOL_ROOM_CHANNELS		/* what it listens to: listen.h */
} CarpoolRoom;

/*
 * rooms.c: size 0: there is nothing. put and has give CledgerRoom.saves; get is as above.
 * free takes what a former client of the slot has left.
 */
extern uint32 carpool_room_put(uint64 client, CarpoolRoom which, const char *bytes, uint32 size);
extern bool carpool_room_has(uint64 client, CarpoolRoom which, uint32 *saves);
extern void carpool_room_get(uint64 client, CarpoolRoom which, StringInfo bytes);
extern void carpool_rooms_free(uint32 slot);

#endif
