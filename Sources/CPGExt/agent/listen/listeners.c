/*
 * listeners.c: keeps the hub's table of listeners; see listeners.h. Of each client it keeps the
 * bytes of its room as they were, so that one that has 20,000 channels and changes one of them
 * costs a compare. A session's list of channels keeps its order: UNLISTEN takes one out, LISTEN
 * puts one at the end.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "private/asyncqueue.h"
#include "private/ledger.h"
#include "private/listen.h"
#include "private/listeners.h"

/* Of the table: the listeners of one channel. */
typedef struct CarpoolChannelListeners
{
	char		name[NAMEDATALEN];	/* the key */
	dlist_head	listeners;
} CarpoolChannelListeners;

/* A client's channel: where its bytes end among those of the client. */
typedef struct Entry
{
	int			end;
	CarpoolListener *listener;
} Entry;

typedef struct Client
{
	uint64		reference;		/* 0: it does not listen */
	uint32		process_id;
	int			encoding;
	uint32		saves;			/* CledgerRoom.saves, as of the rest */
	int			count;
	Entry	   *entries;
	StringInfoData bytes;
} Client;

static MemoryContext context;
static Client *clients;			/* by slot */
static HTAB *channels;
static uint32 pass;
static bool has_new;			/* listeners of this pass */
static CarpoolPosition first_new;

static void
open_table(void)
{
	HASHCTL		control = {.keysize = NAMEDATALEN, .entrysize = sizeof(CarpoolChannelListeners)};

	context = AllocSetContextCreate(TopMemoryContext, "carpool hub", ALLOCSET_DEFAULT_SIZES);
	control.hcxt = context;
	channels = hash_create("carpool channels", 256, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	clients = MemoryContextAllocExtended(context, carpool_ledger->client_slots * sizeof(Client),
										 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* A client begins to listen to a channel. */
static CarpoolListener *
add(uint32 slot, const CarpoolChannel *wanted)
{
	bool		found;
	CarpoolChannelListeners *channel = hash_search(channels, wanted->name, HASH_ENTER, &found);
	CarpoolListener *listener = MemoryContextAllocZero(context, sizeof(*listener));

	if (!found)
		dlist_init(&channel->listeners);
	listener->channel = channel;
	listener->slot = slot;
	listener->pass = pass;
	listener->from = wanted->from;
	dlist_push_tail(&channel->listeners, &listener->node);
	if (!has_new || carpool_queue_compare(wanted->from, first_new) < 0)
		first_new = wanted->from;
	has_new = true;
	return listener;
}

static void
take_out(CarpoolListener *listener)
{
	CarpoolChannelListeners *channel = listener->channel;

	dlist_delete(&listener->node);
	pfree(listener);
	if (dlist_is_empty(&channel->listeners))
		hash_search(channels, channel->name, HASH_REMOVE, NULL);
}

/* A client listens no more. */
static void
forget(Client *client)
{
	for (int i = 0; i < client->count; i++)
		take_out(client->entries[i].listener);
	if (client->entries != NULL)
		pfree(client->entries);
	if (client->bytes.data != NULL)
		pfree(client->bytes.data);
	*client = (Client) {0};
}

/*
 * Of a channel that the client has just left; or the session has listened all the time, with
 * UNLISTEN and LISTEN in one transaction.
 */
static CarpoolListener *
find_gone(uint32 slot, const CarpoolChannel *wanted)
{
	CarpoolChannelListeners *channel = hash_search(channels, wanted->name, HASH_FIND, NULL);
	dlist_iter	iter;

	if (channel == NULL)
		return NULL;
	dlist_foreach(iter, &channel->listeners)
	{
		CarpoolListener *listener = dlist_container(CarpoolListener, node, iter.cur);

		if (listener->slot == slot && listener->is_gone &&
			carpool_queue_compare(listener->from, wanted->from) == 0)
			return listener;
	}
	return NULL;
}

/* A channel that is not among those which the client had left behind the last one found. */
static CarpoolListener *
add_or_revive(uint32 slot, const CarpoolChannel *wanted, bool may_be_there)
{
	CarpoolListener *listener = may_be_there ? find_gone(slot, wanted) : NULL;

	if (listener == NULL)
		listener = add(slot, wanted);
	listener->is_gone = false;
	listener->end = wanted->end;
	listener->changed = pass;
	return listener;
}

/*
 * Goes on in what the client had until there is this channel; what it passes by has gone. -1: it is
 * not there.
 */
static int
find_former(const Client *client, int from, int first_end, const char *bytes, int size, bool *any_gone)
{
	for (int i = from; i < client->count; i++)
	{
		int			start = i > 0 ? client->entries[i - 1].end : first_end;

		if (client->entries[i].end - start == size && memcmp(client->bytes.data + start, bytes, size) == 0)
			return i;
		client->entries[i].listener->is_gone = true;
		*any_gone = true;
	}
	return -1;
}

/* Frees what has gone, and keeps the rest. */
static void
take_over(Client *client, StringInfo bytes, Entry *entries, int count, bool any_gone)
{
	for (int i = 0; any_gone && i < client->count; i++)
		if (client->entries[i].listener->is_gone)
			take_out(client->entries[i].listener);
	if (client->entries != NULL)
		pfree(client->entries);
	if (client->bytes.data != NULL)
		pfree(client->bytes.data);
	client->bytes = *bytes;
	client->entries = entries;
	client->count = count;
}

/* Makes a client's listeners what its room says; bytes is the client's from then on. */
static void
update(Client *client, uint32 slot, StringInfo bytes)
{
	int			former = 0;		/* the next of what the client had */
	bool		any_gone = false;
	CarpoolChannels head = carpool_channels_head(bytes);
	int			count = head.count;
	int			first_end = bytes->cursor;
	Entry	   *entries;

	client->encoding = head.encoding;
	entries = MemoryContextAllocExtended(context, count * sizeof(Entry) + 1, MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
	{
		int			start = bytes->cursor;
		CarpoolChannel channel;
		char		name[NAMEDATALEN];
		int			same = -1;

		carpool_channels_next(bytes, &channel, name);
		if (former < client->count)
			same =
				find_former(client, former, first_end, bytes->data + start, bytes->cursor - start, &any_gone);
		former = same >= 0 ? same + 1 : client->count;
		entries[i].listener = same >= 0 ? client->entries[same].listener
										: add_or_revive(slot, &channel, any_gone);
		entries[i].end = bytes->cursor;
	}
	/* the rest was taken out at the end */
	(void) find_former(client, former, first_end, "", 0, &any_gone);
	take_over(client, bytes, entries, count, any_gone);
}

/* Reads a client's room; the next refresh comes back to one that is being written. */
static void
read_client(Client *client, uint32 slot, uint64 reference, const CledgerClient *entry)
{
	uint32		saves = __atomic_load_n(&entry->channels.saves, __ATOMIC_ACQUIRE);
	MemoryContext old = MemoryContextSwitchTo(context);
	StringInfoData bytes;

	initStringInfo(&bytes);
	carpool_room_get(reference, CARPOOL_ROOM_CHANNELS, &bytes);
	MemoryContextSwitchTo(old);
	if (bytes.len == 0)
	{
		pfree(bytes.data);
		return;
	}
	client->reference = reference;
	client->process_id = entry->process_id;
	update(client, slot, &bytes);
	client->saves = saves;
}

void
carpool_listeners_refresh(void)
{
	if (context == NULL)
		open_table();
	for (uint32 slot = 1; slot < carpool_ledger->client_slots; slot++)
	{
		CledgerClient *entry = cledger_client(carpool_ledger, slot);
		Client	   *client = &clients[slot];
		uint64		reference = cledger_reference(slot, entry->generation);

		/* nothing new, or its agent is about to write what is */
		if (client->reference == reference &&
			(client->saves == entry->channels.saves || entry->channels.generation == 0))
			continue;
		if (entry->channels.generation != (uint32) (reference >> 32) || entry->database != MyDatabaseId ||
			entry->channels.size == 0)
			reference = 0;
		if (client->reference != reference)
			forget(client);
		if (reference != 0)
			read_client(client, slot, reference, entry);
	}
}

void
carpool_listeners_of(const char *name, void (*visit) (const CarpoolListener *listener))
{
	CarpoolChannelListeners *channel = hash_search(channels, name, HASH_FIND, NULL);
	dlist_iter	iter;

	if (channel == NULL)
		return;
	dlist_foreach(iter, &channel->listeners)
		visit(dlist_container(CarpoolListener, node, iter.cur));
}

CarpoolListeningClient
carpool_listeners_client(const CarpoolListener *listener)
{
	const Client *client = &clients[listener->slot];

	return (CarpoolListeningClient) {client->reference, client->process_id, client->encoding};
}

bool
carpool_listeners_first(CarpoolPosition *first)
{
	*first = first_new;
	return has_new;
}

bool
carpool_listeners_is_new(const CarpoolListener *listener)
{
	return listener->pass == pass;
}

bool
carpool_listeners_has_left(const CarpoolListener *listener, CarpoolPosition at)
{
	return listener->end.page >= 0 &&
		(listener->changed != pass || carpool_queue_compare(at, listener->end) >= 0);
}

void
carpool_listeners_end_pass(void)
{
	pass++;
	has_new = false;
}
