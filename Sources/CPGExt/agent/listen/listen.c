/* listen.c: makes what a session listens to follow its client; see listen.h. */
#include "postgres.h"

#include "access/xact.h"
#include "commands/async.h"
#include "libpq/libpq.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "private/asyncqueue.h"
#include "private/ledger.h"
#include "private/listen.h"
#include "private/pins.h"
#include "private/signs.h"

#define TRIES 3					/* to read as far as the hub has */

uint32		carpool_listen_saves;

static MemoryContext held_context;
static CarpoolChannels held;	/* the hub reads these for the client */
static bool has_read_left;		/* the room has left channels that the hub needs no longer */
static bool is_due;				/* the worker has to be told */
static uint32 asked;			/* the latest request to the hub */

/* A first LISTEN makes a backend see to its end as a listener; without it UNLISTEN does nothing. */
static void
warm_up(void)
{
	static bool is_warm;

	if (is_warm)
		return;
	is_warm = true;
	StartTransactionCommand();
	Async_Listen("carpool");
	CommitTransactionCommand();
	StartTransactionCommand();
	Async_UnlistenAll();
	CommitTransactionCommand();
}

/* Of the table: a channel that is held. */
typedef struct HeldChannel
{
	char		name[NAMEDATALEN];	/* the key */
	CarpoolPosition from;
	bool		is_kept;		/* the session has it still */
} HeldChannel;

/* Finds what is held, and was not left, by name: a session may have many channels. */
static HTAB *
index_held(MemoryContext context)
{
	HASHCTL		control = {.keysize = NAMEDATALEN, .entrysize = sizeof(HeldChannel), .hcxt = context};
	HTAB	   *table = hash_create("carpool held channels", held.live, &control,
									HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);

	for (int i = 0; i < held.live; i++)
	{
		HeldChannel *entry = hash_search(table, held.list[i].name, HASH_ENTER, NULL);

		entry->from = held.list[i].from;
		entry->is_kept = false;
	}
	return table;
}

/* Whether the session has other channels than those held, or another encoding; or some held are done with. */
static bool
has_changed(void)
{
	List	   *names = *carpool_channels;
	int			i = 0;
	ListCell   *cell;

	has_read_left = has_read_left || (held.count > held.live && carpool_hub_has_read(asked));
	if (has_read_left || list_length(names) != held.live ||
		(held.live > 0 && held.encoding != pg_get_client_encoding()))
		return true;
	foreach(cell, names)
		if (strcmp(held.list[i++].name, lfirst(cell)) != 0)
			return true;
	return false;
}

static const CarpoolPosition no_end = {-1, 0};

static void
add_channel(CarpoolChannels *to, const char *name, CarpoolPosition from, CarpoolPosition end)
{
	to->list[to->count++] = (CarpoolChannel) {pstrdup(name), from, end};
}

/*
 * Adds the channels that the session has left. The client hears on them what was committed before,
 * but not what its own transaction sent, as with PostgreSQL. What lies behind `from`, unless that is
 * NULL, was committed later, if at all: the client hears it on channels that begin there.
 */
static void
add_left(CarpoolChannels *to, HTAB *known, const CarpoolPosition *from)
{
	CarpoolPosition now = carpool_notified_from.page >= 0 ? carpool_notified_from : carpool_queue_head();
	int			all = carpool_hub_has_read(asked) ? held.live : held.count;

	for (int i = 0; i < all; i++)
	{
		const CarpoolChannel *channel = &held.list[i];
		CarpoolPosition end = i < held.live ? now : channel->end;

		if (i < held.live && ((HeldChannel *) hash_search(known, channel->name, HASH_FIND, NULL))->is_kept)
			continue;
		if (from != NULL && carpool_queue_compare(*from, end) < 0)
			end = *from;
		add_channel(to, channel->name, channel->from, end);
	}
}

/*
 * Of the session, in a context of their own; those that are not held are to be read from a place
 * on. NULL: there are none.
 */
static CarpoolChannels
gather(const CarpoolPosition *from, MemoryContext *context)
{
	MemoryContext old;
	List	   *names = *carpool_channels;
	int			most = list_length(names) + held.count;
	CarpoolChannels channels = {.encoding = pg_get_client_encoding()};
	HTAB	   *known = held.count > 0 ? index_held(CurrentMemoryContext) : NULL;
	ListCell   *cell;

	*context = AllocSetContextCreate(TopMemoryContext, "carpool channels", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(*context);
	channels.list = palloc_extended(most * sizeof(CarpoolChannel) + 1, MCXT_ALLOC_HUGE);
	foreach(cell, names)
	{
		HeldChannel *entry = known != NULL ? hash_search(known, lfirst(cell), HASH_FIND, NULL) : NULL;

		if (entry != NULL)
			entry->is_kept = true;
		if (entry != NULL || from != NULL)
			add_channel(&channels, lfirst(cell), entry != NULL ? entry->from : *from, no_end);
	}
	channels.live = channels.count;
	if (known != NULL)
		add_left(&channels, known, from);
	MemoryContextSwitchTo(old);
	if (known != NULL)
		hash_destroy(known);
	return channels;
}

static void
hold(CarpoolChannels channels, MemoryContext context)
{
	if (held_context != NULL)
		MemoryContextDelete(held_context);
	held_context = context;
	held = channels;
	has_read_left = false;
}

/* Puts the channels, as bytes, into the client's room. */
static void
put(uint64 client, const StringInfo bytes)
{
	carpool_listen_saves = carpool_room_put(client, CARPOOL_ROOM_CHANNELS, bytes->data, (uint32) bytes->len);
	__atomic_fetch_add(&carpool_ledger->channel_saves, 1, __ATOMIC_RELEASE);
}

static void
save(uint64 client, const CarpoolChannels *channels)
{
	StringInfoData bytes;

	initStringInfo(&bytes);
	carpool_channels_write(&bytes, channels);
	put(client, &bytes);
	pfree(bytes.data);
}

/* The session's list stays, but it is no listener any more; what was still to be read is the hub's. */
static void
leave_queue(void)
{
	List	   *names = *carpool_channels;
	CarpoolPosition head;

	*carpool_channels = NIL;
	StartTransactionCommand();
	Async_UnlistenAll();
	CommitTransactionCommand();
	*carpool_channels = names;
	notifyInterruptPending = false;
	/* a signal that comes late makes async.c read once more: from a place that is there */
	head = carpool_queue_head();
	carpool_queue_lock(true);
	carpool_queue_move(head);
	carpool_queue_unlock();
}

/* The hub takes over from a place on, if it has not read farther itself: so it has all that comes. */
static bool
give_to_hub(uint64 client, uint32 hub, const CarpoolChannels *channels, CarpoolPosition from)
{
	bool		has_all;
	StringInfoData bytes;

	/* everybody's LISTEN and NOTIFY waits for the lock: it is held for a copy at most */
	initStringInfo(&bytes);
	carpool_channels_write(&bytes, channels);
	carpool_queue_lock(false);
	has_all = carpool_queue_compare(carpool_queue_position(hub), from) <= 0;
	if (has_all)
		put(client, &bytes);
	carpool_queue_unlock();
	pfree(bytes.data);
	return has_all;
}

/* This session listens no more, the hub does so for the client. False: the hub is always ahead. */
static bool
hand_over(uint64 client, uint32 hub)
{
	for (int i = 0; i < TRIES; i++)
	{
		CarpoolPosition own = carpool_queue_own_position();
		MemoryContext context;
		CarpoolChannels channels = gather(&own, &context);

		if (give_to_hub(client, hub, &channels, own))
		{
			hold(channels, context);
			leave_queue();
			return true;
		}
		MemoryContextDelete(context);
		notifyInterruptPending = true;
		ProcessNotifyInterrupt(false);
	}
	return false;
}

/* Without the variables: as PostgreSQL's function says. */
static bool
keeps_listener(void)
{
	if (carpool_signs.listens)
		carpool_signs.listens = carpool_is_listening();
	return carpool_signs.listens;
}

/* As carpool_listen_ended(). */
static bool
follow(uint64 client)
{
	MemoryContext context = CurrentMemoryContext;
	bool		is_kept = false;

	is_due = false;
	if (!carpool_signs.listens && held.count == 0 && !has_read_left)
		return false;
	if (!carpool_async_open())
		return keeps_listener();
	carpool_signs.listens = carpool_queue_is_listener();
	if (client == 0)
		return carpool_signs.listens;
	is_due = held.live > 0;
	if (carpool_signs.listens)
	{
		uint32		hub = carpool_hub_find();

		is_kept = hub == 0 || !hand_over(client, hub);
		carpool_signs.listens = is_kept;
		is_due |= !is_kept;
	}
	else if (has_changed())
	{
		MemoryContext own_context;
		CarpoolChannels channels = gather(NULL, &own_context);

		hold(channels, own_context);
		save(client, &held);
	}
	MemoryContextSwitchTo(context);
	return is_kept;
}

bool
carpool_listen_ended(uint64 client)
{
	bool		is_kept = follow(client);

	carpool_notified_from.page = -1;
	return is_kept;
}

void
carpool_listen_report(void)
{
	StringInfoData message;
	uint32		hub;

	if (!is_due)
		return;
	is_due = false;
	hub = carpool_hub_find();
	asked = hub != 0 ? carpool_hub_ask(hub) : 0;
	pq_beginmessage(&message, CLEDGER_AGENT_MESSAGE);
	pq_sendbyte(&message, CLEDGER_AGENT_LISTENS);
	pq_sendint32(&message, hub);
	pq_sendint32(&message, (uint32) cledger_server(carpool_ledger, hub)->pid);
	pq_sendint32(&message, asked);
	pq_sendbyte(&message, held.live > 0);
	pq_endmessage(&message);
}

void
carpool_listen_drop(void)
{
	if (held_context == NULL && !carpool_signs.listens)
		return;
	/* what is left of a listener is ended with the other pins */
	if (carpool_channels != NULL && *carpool_channels != NIL && !carpool_queue_is_listener())
	{
		list_free_deep(*carpool_channels);
		*carpool_channels = NIL;
	}
	if (held_context != NULL)
		MemoryContextDelete(held_context);
	held_context = NULL;
	held = (CarpoolChannels) {0};
	has_read_left = false;
}

void
carpool_listen_load(uint64 client)
{
	MemoryContext old;

	if (!carpool_room_has(client, CARPOOL_ROOM_CHANNELS, &carpool_listen_saves) || !carpool_async_open())
		return;
	warm_up();
	held_context = AllocSetContextCreate(TopMemoryContext, "carpool channels", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(held_context);
	held = carpool_channels_read(client);
	/* the client got its answer behind what the hub read of them */
	has_read_left = held.count > held.live;
	held.count = held.live;
	MemoryContextSwitchTo(TopMemoryContext);
	for (int i = 0; i < held.count; i++)
		*carpool_channels = lappend(*carpool_channels, pstrdup(held.list[i].name));
	MemoryContextSwitchTo(old);
}

bool
carpool_listen_hears(const char *body)
{
	const char *channel = body + sizeof(int32);

	if (carpool_channels == NULL)
		return true;
	if (!carpool_queue_is_listener())
		return false;
	for (int i = 0; i < held.live; i++)
	{
		const char *name = held.list[i].name;
		char	   *sent = pg_server_to_client(name, (int) strlen(name));
		bool		is_same = strcmp(sent, channel) == 0;

		if (sent != name)
			pfree(sent);
		if (is_same)
			return false;
	}
	return true;
}
