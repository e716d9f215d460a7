/*
 * hub.c: the backend that reads the notifications of its database for all clients that
 * listen there. It listens to a channel of ours, so that PostgreSQL wakes it, and reads the
 * queue itself: only so it knows of each notification where it stands in the queue, and
 * clients can come to it from other backends without missing one or hearing one twice.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/async.h"
#include "common/hashfn.h"
#include "libpq/libpq.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"

#include "../private/agent.h"
#include "../private/compat.h"
#include "../private/ledger.h"
#include "../private/listen.h"

/* A channel of a client's. */
typedef struct Listener
{
	uint64		client;
	uint32		process_id;
	uint32		hash;			/* of the channel's name */
	int			encoding;
	CarpoolPosition registered;
	CarpoolPosition from;		/* up to here it has heard all */
	const char *channel;
} Listener;

static MemoryContext context;	/* of the listeners */
static Listener *listeners;		/* in the order of the clients' slots */
static int	listener_count;
static uint32 seen_saves;		/* channel_saves, as of the listeners */
static uint32 answered;			/* hub_requests */

uint32
carpool_hub_find(void)
{
	static uint32 last;

	for (uint32 tries = 0; tries < carpool_ledger->server_slots; tries++)
	{
		CledgerServer *server = cledger_server(carpool_ledger, last);

		if (last != 0 && server->pid != 0 && __atomic_load_n(&server->is_hub, __ATOMIC_ACQUIRE) != 0 &&
			server->database == MyDatabaseId)
			return last;
		last = (last + 1) % carpool_ledger->server_slots;
	}
	return 0;
}

uint32
carpool_hub_ask(uint32 hub)
{
	uint32		number = __atomic_add_fetch(&cledger_server(carpool_ledger, hub)->hub_requests, 1, __ATOMIC_SEQ_CST);
	PGPROC	   *process = carpool_proc_of_slot(hub);

	if (process != NULL)
		SetLatch(&process->procLatch);
	return number;
}

static uint32
hash_of(const char *channel)
{
	return hash_bytes((const unsigned char *) channel, (int) strlen(channel));
}

/* One that has heard more than it was registered with is not moved back. */
static void
keep_progress(Listener *listener, const Listener *former, const Listener *end)
{
	for (; former < end && (uint32) former->client == (uint32) listener->client; former++)
		if (former->client == listener->client && strcmp(former->channel, listener->channel) == 0 &&
			carpool_queue_compare(former->registered, listener->registered) == 0)
			listener->from = former->from;
}

/* Adds a client's channels; there is room for all that are counted. */
static void
add_client(uint64 reference, const CledgerClient *client, int *room)
{
	CarpoolChannels channels = carpool_channels_read(reference);

	if (listener_count + channels.count > *room)
	{
		*room = Max(2 * *room, listener_count + channels.count);
		listeners = repalloc_huge(listeners, *room * sizeof(Listener));
	}
	for (int i = 0; i < channels.count; i++)
		listeners[listener_count++] = (Listener)
		{
			.client = reference,.process_id = client->process_id,.hash = hash_of(channels.list[i].name),
				.encoding = channels.encoding,.registered = channels.list[i].from,
				.from = channels.list[i].from,.channel = channels.list[i].name
		};
}

/* Reads from the ledger who listens. */
static void
refresh(void)
{
	MemoryContext former_context = context;
	const Listener *former = listeners;
	const Listener *former_end = listeners + listener_count;
	MemoryContext old;
	int			room = 64;

	context = AllocSetContextCreate(TopMemoryContext, "carpool hub", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	listeners = palloc(room * sizeof(Listener));
	listener_count = 0;
	for (uint32 slot = 1; slot < carpool_ledger->client_slots; slot++)
	{
		CledgerClient *client = cledger_client(carpool_ledger, slot);
		uint32		generation = client->generation;
		int			first = listener_count;

		if (client->channels.size == 0 || client->channels.generation != generation ||
			client->database != MyDatabaseId)
			continue;
		add_client(cledger_reference(slot, generation), client, &room);
		while (former < former_end && (uint32) former->client < slot)
			former++;
		for (int i = first; i < listener_count; i++)
			keep_progress(&listeners[i], former, former_end);
	}
	MemoryContextSwitchTo(old);
	if (former_context != NULL)
		MemoryContextDelete(former_context);
}

/* Appends a string in the client's encoding, with its NUL; false where it has no such characters. */
static bool
put_text(StringInfo to, const char *text, int encoding)
{
	int			length = (int) strlen(text);
	int			from = GetDatabaseEncoding();
	Oid			procedure;
	char	   *converted;
	int			done;

	if (encoding == from || encoding == PG_SQL_ASCII || from == PG_SQL_ASCII)
	{
		appendBinaryStringInfoNT(to, text, length + 1);
		return true;
	}
	procedure = FindDefaultConversionProc(from, encoding);
	if (!OidIsValid(procedure))
		return false;
	converted = palloc(length * MAX_CONVERSION_GROWTH + 1);
	done = pg_do_encoding_conversion_buf(procedure, from, encoding, (unsigned char *) unconstify(char *, text),
										 length, (unsigned char *) converted,
										 length * MAX_CONVERSION_GROWTH + 1, true);
	appendBinaryStringInfoNT(to, converted, (int) strlen(converted) + 1);
	pfree(converted);
	return done == length;
}

static void
begin_message(StringInfo message, char kind, const Listener *listener)
{
	pq_beginmessage(message, CLEDGER_AGENT_MESSAGE);
	pq_sendbyte(message, kind);
	pq_sendint32(message, listener->process_id);
	pq_sendint64(message, listener->client);
}

/* Sends the worker a notification for one client. */
static void
send_to(const Listener *listener, const CarpoolNotification *notification)
{
	StringInfoData message;

	begin_message(&message, CLEDGER_AGENT_NOTIFICATION, listener);
	pq_sendint32(&message, (uint32) notification->sender);
	if (!put_text(&message, notification->channel, listener->encoding) ||
		!put_text(&message, notification->payload, listener->encoding))
	{
		pfree(message.data);
		begin_message(&message, CLEDGER_AGENT_UNWRITABLE, listener);
	}
	pq_endmessage(&message);
}

static void
deliver(const CarpoolNotification *notification)
{
	uint32		hash = hash_of(notification->channel);

	for (const Listener *each = listeners; each < listeners + listener_count; each++)
		if (each->hash == hash && carpool_queue_compare(notification->at, each->from) >= 0 &&
			strcmp(each->channel, notification->channel) == 0)
			send_to(each, notification);
}

/* Reads on from where any listener is, as far as there is something; returns to where. */
static CarpoolPosition
read_on(CarpoolPosition own)
{
	CarpoolPosition from = own;
	CarpoolPosition head = carpool_queue_head();

	for (const Listener *each = listeners; each < listeners + listener_count; each++)
		if (carpool_queue_compare(each->from, from) < 0)
			from = each->from;
	if (carpool_queue_compare(from, head) >= 0)
		return from;
	StartTransactionCommand();
	from = carpool_queue_read(from, head, deliver);
	CommitTransactionCommand();
	for (Listener *each = listeners; each < listeners + listener_count; each++)
		if (carpool_queue_compare(each->from, from) < 0)
			each->from = from;
	return from;
}

/*
 * Reads until no client has come meanwhile whose notifications lie behind. A client comes
 * only with the lock, and only ahead of this backend's position, which is moved last.
 */
static void
read_all(void)
{
	bool		is_done;

	do
	{
		uint32		saves = __atomic_load_n(&carpool_ledger->channel_saves, __ATOMIC_ACQUIRE);
		CarpoolPosition own;
		CarpoolPosition reached;

		if (saves != seen_saves || listeners == NULL)
			refresh();
		seen_saves = saves;
		carpool_queue_lock(true);
		own = carpool_queue_position(MyBackendId);
		carpool_queue_unlock();
		reached = read_on(own);
		carpool_queue_lock(true);
		is_done = __atomic_load_n(&carpool_ledger->channel_saves, __ATOMIC_ACQUIRE) == saves;
		if (is_done && carpool_queue_compare(reached, own) > 0)
			carpool_queue_move(reached);
		carpool_queue_unlock();
	} while (!is_done);
}

/* Reads, and answers a request. */
static void
serve(uint32 asked)
{
	MemoryContext old = CurrentMemoryContext;

	notifyInterruptPending = false;
	read_all();
	MemoryContextSwitchTo(old);
	if (asked != answered)
	{
		StringInfoData message;

		pq_beginmessage(&message, CLEDGER_AGENT_MESSAGE);
		pq_sendbyte(&message, CLEDGER_AGENT_READ);
		pq_sendint32(&message, asked);
		pq_endmessage(&message);
		answered = asked;
	}
	pq_flush();
}

/* Once more after each time: a flush that has to wait resets the latch. */
void
carpool_hub_serve(void)
{
	for (;;)
	{
		uint32		asked = __atomic_load_n(&carpool_agent_server()->hub_requests, __ATOMIC_SEQ_CST);

		if (!notifyInterruptPending && asked == answered)
			return;
		serve(asked);
	}
}

void
carpool_hub_start(void)
{
	CledgerServer *server = carpool_agent_server();

	if (!carpool_async_open())
		ereport(FATAL,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the queue of notifications cannot be read"),
				 errhint("See SELECT * FROM carpool.self_test().")));
	server->hub_requests = 0;
	StartTransactionCommand();
	Async_Listen("carpool");
	CommitTransactionCommand();
	pgstat_report_appname("carpool hub");
	__atomic_store_n(&server->is_hub, 1, __ATOMIC_RELEASE);
}
