/*
 * asyncvariables.c: finds two static variables of async.c. The first backend that needs them
 * listens to a channel of its own making, and notifies without a commit, and looks which of the
 * program's variables have come to point to just that. Processes of one server have their
 * variables at the same places, so the others read the places from the ledger.
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "private/asyncqueue.h"
#include "private/ledger.h"
#include "private/settings.h"
#include "private/variables.h"

#define PROBE "carpool self-test"

/* No client can listen to a channel with so long a name. */
#define CHANNEL "carpool self-test, a channel with a name that is longer than any LISTEN takes"
StaticAssertDecl(sizeof(CHANNEL) > NAMEDATALEN, "a client could listen to the channel of the search");

List	  **carpool_channels;
void	  **carpool_notifies;

/* As in async.c of PostgreSQL 16. */
typedef struct Notification
{
	uint16		channel_len;
	uint16		payload_len;
	char		data[sizeof(PROBE)];
} Notification;

typedef struct NotificationList
{
	int			nestingLevel;
	List	   *events;
} NotificationList;

static CarpoolVariables variables;
static void **before;			/* a copy of all of them */
static int	conduit[2];

/* Copies from an address that may be none of ours: the kernel can tell. */
static bool
read_from(const void *address, void *to, Size size)
{
	return write(conduit[1], address, size) == (ssize_t) size &&
		read(conduit[0], to, size) == (ssize_t) size;
}

/* What the last element of a list points to; NULL: it is no such list. */
static const void *
last_element(const void *pointer)
{
	List		list;
	ListCell	cell;

	if (!read_from(pointer, &list, offsetof(List, initial_elements)) || list.type != T_List ||
		list.length < 1 || list.length > list.max_length ||
		!read_from(list.elements + list.length - 1, &cell, sizeof(cell)))
		return NULL;
	return cell.ptr_value;
}

/* The session may have other channels, which come before. */
static bool
is_channels(const void *pointer)
{
	const void *name = last_element(pointer);
	char		bytes[sizeof(CHANNEL)];

	return name != NULL && read_from(name, bytes, sizeof(bytes)) &&
		memcmp(bytes, CHANNEL, sizeof(bytes)) == 0;
}

static bool
is_notifies(const void *pointer)
{
	NotificationList list;
	Notification event;
	const void *element;

	if (!read_from(pointer, &list, sizeof(list)) || list.nestingLevel != GetCurrentTransactionNestLevel())
		return false;
	element = last_element(list.events);
	return element != NULL && read_from(element, &event, sizeof(event)) &&
		event.channel_len == sizeof(PROBE) - 1 && event.payload_len == 0 &&
		memcmp(event.data, PROBE, sizeof(PROBE)) == 0;
}

/*
 * The one variable that points to what is looked for. is_new: it has pointed to nothing
 * before, which leaves few to look at.
 */
static void **
find(bool (*is_wanted) (const void *pointer), bool is_new)
{
	void	  **found = NULL;

	for (void **word = variables.first; word < variables.end; word++)
	{
		if (*word == NULL || (is_new && before[word - variables.first] != NULL) ||
			(uintptr_t) *word % sizeof(void *) != 0 || !is_wanted(*word))
			continue;
		if (found != NULL)
			return NULL;
		found = word;
	}
	return found;
}

/* In a transaction. */
static void
find_notifies(void)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	Async_Notify(PROBE, "");
	carpool_notifies = find(is_notifies, true);
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (carpool_notifies != NULL && *carpool_notifies != NULL)
		carpool_notifies = NULL;
}

/*
 * The session may be a client's that listens already: its channels stay, and so does its
 * place in the queue.
 */
static void
search(void)
{
	bool		is_listener = carpool_queue_is_listener();
	Size		size;

	variables = carpool_variables();
	size = (char *) variables.end - (char *) variables.first;
	before = MemoryContextAlloc(TopMemoryContext, size);
	memcpy(before, variables.first, size);
	StartTransactionCommand();
	find_notifies();
	Async_Listen(CHANNEL);
	CommitTransactionCommand();
	carpool_channels = (List **) find(is_channels, !is_listener);
	StartTransactionCommand();
	Async_Unlisten(CHANNEL);
	CommitTransactionCommand();
	pfree(before);
	if (carpool_channels != NULL && *carpool_channels != NIL && is_channels(*carpool_channels))
		carpool_channels = NULL;
}

/* For other backends. */
static void
publish(int variable, void **address)
{
	carpool_ledger->variables[variable] = address != NULL ? (uint64) (uintptr_t) address : CLEDGER_NOT_FOUND;
}

/* What a backend has found; false: none has looked, or not with success. */
static bool
adopt(void)
{
	uint64		channels = carpool_ledger->variables[CLEDGER_LISTEN_CHANNELS];
	uint64		notifies = carpool_ledger->variables[CLEDGER_PENDING_NOTIFIES];

	if (channels == 0 || channels == CLEDGER_NOT_FOUND || notifies == 0 || notifies == CLEDGER_NOT_FOUND)
		return false;
	carpool_channels = (List **) (uintptr_t) channels;
	carpool_notifies = (void **) (uintptr_t) notifies;
	return true;
}

/* Each backend looks once, unless one has found them. */
static void
look(void)
{
	static bool has_looked;
	MemoryContext context = CurrentMemoryContext;

	if (has_looked || pipe(conduit) != 0)
		return;
	has_looked = true;
	if (!carpool_settings_breaks(CARPOOL_ASYNC, NULL))
		search();
	close(conduit[0]);
	close(conduit[1]);
	MemoryContextSwitchTo(context);
	publish(CLEDGER_LISTEN_CHANNELS, (void **) carpool_channels);
	publish(CLEDGER_PENDING_NOTIFIES, carpool_notifies);
}

bool
carpool_async_open(void)
{
	if (carpool_channels != NULL && carpool_notifies != NULL)
		return true;
	/* in recovery nobody can listen or notify */
	if (!RecoveryInProgress() && carpool_queue_open() && !adopt())
		look();
	return carpool_channels != NULL && carpool_notifies != NULL;
}

bool
carpool_async_self_test(StringInfo why)
{
	if (carpool_ledger->variables[CLEDGER_LISTEN_CHANNELS] == CLEDGER_NOT_FOUND)
		appendStringInfoString(why, "the list of channels is not found: who listens keeps a server");
	else if (carpool_ledger->variables[CLEDGER_PENDING_NOTIFIES] == CLEDGER_NOT_FOUND)
		appendStringInfoString(why, "pending notifications are not found: their sender is the backend");
	return why->len == 0;
}
