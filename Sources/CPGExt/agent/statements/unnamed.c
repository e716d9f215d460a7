/*
 * unnamed.c: makes the unnamed statement follow its client. At the end of a transaction it is
 * written into the client's slot when it is another one than before. A client that comes gets it
 * back from there, unless its first message drops it.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "access/xact.h"
#include "libpq/libpq-be.h"
#include "libpq/libpq.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "private/ledger.h"
#include "private/plans.h"
#include "private/unnamed.h"

/* What is needed of a first message: type, length, the name of a Parse with its NUL. */
#define NAME 5
#define PEEKED (NAME + 1)

#define MOST_KEPT 65536			/* bytes of a buffer that is not in use */

/* Where nothing was received: no type of a message, nor the end of a name. */
#define UNKNOWN 0x7f

uint32		carpool_unnamed_saves;

static const CachedPlanSource *known;	/* the one that is saved; NULL: none, or it is gone */
static bool is_saved;			/* the client's slot holds one */
static bool is_kept_here;		/* it is too large for that */
static StringInfoData buffer;

/* PostgreSQL frees the plan source that is known. */
static void
forget(void *argument)
{
	known = NULL;
}

/*
 * A plan source that is saved; another one may have its address one day. There is one at a
 * time: what the variable points to is dropped before it points to another.
 */
static void
know(CachedPlanSource *source)
{
	static MemoryContextCallback forgotten = {.func = forget};

	Assert(known == NULL);
	MemoryContextRegisterResetCallback(source->context, &forgotten);
	known = source;
}

static StringInfo
empty_buffer(void)
{
	MemoryContext old;

	if (buffer.data == NULL)
	{
		old = MemoryContextSwitchTo(TopMemoryContext);
		initStringInfo(&buffer);
		MemoryContextSwitchTo(old);
	}
	resetStringInfo(&buffer);
	return &buffer;
}

static void
free_buffer(void)
{
	pfree(buffer.data);
	buffer.data = NULL;
}

/* Writes down what the variable points to now. */
static void
save(uint64 client, CachedPlanSource *source)
{
	StringInfo	bytes = empty_buffer();

	if (source != NULL)
	{
		carpool_plan_write(bytes, source, false);
		know(source);
	}
	/* it may be of any size, and mostly is gone in a moment: its client keeps the server until then */
	is_kept_here = !carpool_saved_may_have(0, (Size) bytes->len);
	if (is_kept_here)
		resetStringInfo(bytes);
	carpool_unnamed_saves = carpool_room_put(client, CARPOOL_ROOM_UNNAMED, bytes->data, (uint32) bytes->len);
	is_saved = source != NULL && !is_kept_here;
	if (bytes->maxlen > MOST_KEPT)
		free_buffer();
}

bool
carpool_unnamed_save(uint64 client)
{
	CachedPlanSource *source;

	if (carpool_unnamed == NULL)
		return true;
	source = *carpool_unnamed;
	if (source == known && (is_saved || is_kept_here) == (source != NULL))
		return !is_kept_here;
	if (client != 0)
		save(client, source);
	return !is_kept_here;
}

void
carpool_unnamed_drop(void)
{
	CachedPlanSource *source;

	if (carpool_unnamed == NULL || *carpool_unnamed == NULL)
		return;
	source = *carpool_unnamed;
	*carpool_unnamed = NULL;
	DropCachedPlan(source);
}

/*
 * Lets PostgreSQL receive, as it would next, and looks at what came; by way of a system call
 * of our own where we don't know its buffer. False: nothing came.
 */
static bool
peek(char bytes[PEEKED])
{
	int			first;

	memset(bytes, UNKNOWN, PEEKED);
	if (carpool_received == NULL)
		return recv(MyProcPort->sock, bytes, PEEKED, MSG_PEEK | MSG_DONTWAIT) > 0;
	memset(carpool_received, UNKNOWN, PEEKED);
	pq_startmsgread();
	first = pq_peekbyte();
	pq_endmsgread();
	memcpy(bytes, carpool_received, PEEKED);
	return first != EOF && bytes[0] == (char) first;
}

/*
 * Whether PostgreSQL would drop the statement before anybody could ask for it: at a simple
 * Query, an unnamed Parse and the end.
 */
static bool
is_dropped_first(void)
{
	char		bytes[PEEKED];

	if (!peek(bytes))
		return false;
	return bytes[0] == 'Q' || bytes[0] == 'X' || (bytes[0] == 'P' && bytes[NAME] == '\0');
}

static CachedPlanSource *
make(const StringInfo bytes)
{
	CachedPlanSource *source;

	StartTransactionCommand();
	source = carpool_plan_make(bytes->data, (uint32) bytes->len);
	SaveCachedPlan(source);
	CommitTransactionCommand();
	return source;
}

void
carpool_unnamed_load(uint64 client, bool can_peek)
{
	StringInfo	bytes;

	if (carpool_unnamed == NULL)
		return;
	is_kept_here = false;
	is_saved = carpool_room_has(client, CARPOOL_ROOM_UNNAMED, &carpool_unnamed_saves);
	if (!is_saved || (can_peek && is_dropped_first()))
		return;
	bytes = empty_buffer();
	carpool_room_get(client, CARPOOL_ROOM_UNNAMED, bytes);
	if (bytes->len == 0)
		return;
	*carpool_unnamed = make(bytes);
	know(*carpool_unnamed);
}
