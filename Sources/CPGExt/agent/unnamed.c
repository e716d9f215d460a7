/*
 * unnamed.c: the unnamed statement follows its client. At the end of a transaction it is
 * written into the client's slot when it is another one than before. A client that comes
 * gets it back from there, unless its first message drops it.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "access/xact.h"
#include "libpq/libpq-be.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "../private/ledger.h"
#include "../private/statements.h"
#include "../private/unnamed.h"

/* What is needed of a first message: type, length, the name of a Parse with its NUL. */
#define PEEKED 6

uint32		carpool_unnamed_saves;

static const CachedPlanSource *known;	/* the one that is saved; NULL: none, or it is gone */
static bool is_saved;			/* the client's slot holds one */
static StringInfoData saved;	/* what it holds, as far as we know; else empty */
static StringInfoData fresh;

/* PostgreSQL frees a plan source. */
static void
forget(void *argument)
{
	if (known == argument)
		known = NULL;
}

/* A plan source that is saved; another one may have its address one day. */
static void
know(CachedPlanSource *source)
{
	MemoryContextCallback *callback = MemoryContextAlloc(source->context, sizeof(*callback));

	callback->func = forget;
	callback->arg = source;
	MemoryContextRegisterResetCallback(source->context, callback);
	known = source;
}

static void
make_buffers(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	initStringInfo(&saved);
	initStringInfo(&fresh);
	MemoryContextSwitchTo(old);
}

/* Writes down what the variable points to now. */
static void
save(uint64 client, CachedPlanSource *source)
{
	if (fresh.data == NULL)
		make_buffers();
	resetStringInfo(&fresh);
	if (source != NULL)
	{
		carpool_plan_write(&fresh, source, false);
		know(source);
	}
	/* applications say the same again and again */
	if (is_saved && source != NULL && fresh.len == saved.len &&
		memcmp(fresh.data, saved.data, fresh.len) == 0)
		return;
	carpool_unnamed_saves = carpool_unnamed_put(client, fresh.data, (uint32) fresh.len);
	is_saved = source != NULL;
	{
		StringInfoData former = saved;

		saved = fresh;
		fresh = former;
	}
}

void
carpool_unnamed_save(uint64 client)
{
	CachedPlanSource *source;

	if (carpool_unnamed == NULL)
		return;
	source = *carpool_unnamed;
	if (source == known && is_saved == (source != NULL))
		return;
	if (client != 0)
		save(client, source);
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
 * Whether PostgreSQL would drop the statement before anybody could ask for it: at a simple
 * Query, an unnamed Parse and the end.
 */
static bool
is_dropped_first(void)
{
	char		bytes[PEEKED];
	ssize_t		got = recv(MyProcPort->sock, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);

	if (got < 1)
		return false;
	return bytes[0] == 'Q' || bytes[0] == 'X' || (got == PEEKED && bytes[0] == 'P' && bytes[5] == '\0');
}

/* Makes it from what is saved. */
static void
load(void)
{
	CachedPlanSource *source;

	StartTransactionCommand();
	source = carpool_plan_make(saved.data, (uint32) saved.len);
	SaveCachedPlan(source);
	know(source);
	CommitTransactionCommand();
	*carpool_unnamed = source;
}

void
carpool_unnamed_load(uint64 client, bool can_peek)
{
	if (carpool_unnamed == NULL)
		return;
	if (saved.data == NULL)
		make_buffers();
	resetStringInfo(&saved);
	is_saved = carpool_unnamed_has(client, &carpool_unnamed_saves);
	if (!is_saved || (can_peek && is_dropped_first()))
		return;
	carpool_unnamed_get(client, &saved);
	if (saved.len > 0)
		load();
}
