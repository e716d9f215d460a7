/*
 * hub.c: makes a backend its database's hub, which reads the notifications for all clients that
 * listen there. A hub listens to a channel of its own, so that PostgreSQL wakes it, and reads the
 * queue itself: only so it knows of each notification where it stands in the queue, and clients
 * can come to it from other backends without missing one or hearing one twice.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/async.h"
#include "libpq/libpq.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/backend_status.h"

#include "private/asyncqueue.h"
#include "private/backend.h"
#include "private/compat.h"
#include "private/ledger.h"
#include "private/listen.h"
#include "private/listeners.h"
#include "private/session.h"

static CarpoolPosition reached; /* all who came before this pass have heard all up to here */
static uint32 seen_saves;		/* channel_saves, as of listeners.c */
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
	uint32		number =
		__atomic_add_fetch(&cledger_server(carpool_ledger, hub)->hub_requests, 1, __ATOMIC_SEQ_CST);
	PGPROC	   *process = carpool_proc_of_slot(hub);

	if (process != NULL)
		SetLatch(&process->procLatch);
	return number;
}

bool
carpool_hub_has_read(uint32 request)
{
	uint32		hub = carpool_hub_find();
	uint32	   *reached_request = &cledger_server(carpool_ledger, hub)->hub_answered;

	return hub == 0 || (int32) (__atomic_load_n(reached_request, __ATOMIC_ACQUIRE) - request) >= 0;
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
	done =
		pg_do_encoding_conversion_buf(procedure, from, encoding, (unsigned char *) unconstify(char *, text),
									  length, (unsigned char *) converted, length * MAX_CONVERSION_GROWTH + 1,
									  true);
	appendBinaryStringInfoNT(to, converted, (int) strlen(converted) + 1);
	pfree(converted);
	return done == length;
}

static void
begin_message(StringInfo message, char kind, const CarpoolListeningClient *client)
{
	pq_beginmessage(message, CLEDGER_AGENT_MESSAGE);
	pq_sendbyte(message, kind);
	pq_sendint32(message, client->process_id);
	pq_sendint64(message, client->reference);
}

/* Sends the worker a notification for one client. */
static void
send_to(const CarpoolListeningClient *client, const CarpoolNotification *notification)
{
	StringInfoData message;

	begin_message(&message, CLEDGER_AGENT_NOTIFICATION, client);
	pq_sendint32(&message, (uint32) notification->sender);
	if (!put_text(&message, notification->channel, client->encoding) ||
		!put_text(&message, notification->payload, client->encoding))
	{
		pfree(message.data);
		begin_message(&message, CLEDGER_AGENT_UNWRITABLE, client);
	}
	pq_endmessage(&message);
}

static const CarpoolNotification *delivered;

static void
deliver_to(const CarpoolListener *listener)
{
	CarpoolListeningClient client;

	if (carpool_queue_compare(delivered->at, listener->from) < 0 ||
		carpool_listeners_has_left(listener, delivered->at) ||
		(!carpool_listeners_is_new(listener) && carpool_queue_compare(delivered->at, reached) < 0))
		return;
	client = carpool_listeners_client(listener);
	send_to(&client, delivered);
}

static void
deliver(const CarpoolNotification *notification)
{
	delivered = notification;
	carpool_listeners_of(notification->channel, deliver_to);
}

/*
 * Reads on from where any listener is, as far as there is something. What was committed at the
 * last pass is so now, so one that has come since catches up with all.
 */
static void
read_on(CarpoolPosition own)
{
	CarpoolPosition from;
	CarpoolPosition first;
	CarpoolPosition head = carpool_queue_head();

	if (carpool_queue_compare(reached, own) < 0)
		reached = own;
	from = reached;
	/* none has come from before this backend's position, behind which the queue may be cut off */
	if (carpool_listeners_first(&first) && carpool_queue_compare(first, from) < 0)
		from = carpool_queue_compare(first, own) < 0 ? own : first;
	if (carpool_queue_compare(from, head) < 0)
	{
		StartTransactionCommand();
		from = carpool_queue_read(from, head, deliver);
		CommitTransactionCommand();
	}
	if (carpool_queue_compare(from, reached) > 0)
		reached = from;
	carpool_listeners_end_pass();
}

/*
 * Reads until no client has come meanwhile whose notifications lie behind. A client comes
 * only with the lock, and only ahead of this backend's position, which is moved last.
 */
static void
read_all(void)
{
	static bool is_read;		/* what the ledger says */
	bool		is_done;

	do
	{
		uint32		saves = __atomic_load_n(&carpool_ledger->channel_saves, __ATOMIC_ACQUIRE);
		CarpoolPosition own;

		if (saves != seen_saves || !is_read)
			carpool_listeners_refresh();
		is_read = true;
		seen_saves = saves;
		carpool_queue_lock(true);
		own = carpool_queue_own_position();
		carpool_queue_unlock();
		read_on(own);
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
		__atomic_store_n(&carpool_agent_server()->hub_answered, asked, __ATOMIC_RELEASE);
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
	server->hub_answered = 0;
	StartTransactionCommand();
	Async_Listen("carpool");
	CommitTransactionCommand();
	pgstat_report_appname("carpool hub");
	carpool_become_untouchable();
	__atomic_store_n(&server->is_hub, 1, __ATOMIC_RELEASE);
}
