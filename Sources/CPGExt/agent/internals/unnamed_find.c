/*
 * unnamed_find.c: finds the static variable unnamed_stmt_psrc of postgres.c. Nothing that a
 * library can call sets it; messages do. So PostgreSQL reads, through a socket of ours,
 *
 *   Parse	the variable points to the new plan source
 *   Close	it points to nothing
 *   Parse	it points to another plan source; we put one of our own in its place
 *   Describe	our own is described
 *   Close	it points to nothing, and our own is gone
 *
 * each with a Sync. Only a variable that has done all that is taken. The text is empty, so
 * that nothing is looked up, counted by other libraries or logged.
 */
#include "postgres.h"

#include <sys/socket.h>
#include <unistd.h>

#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "libpq/libpq-be.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "private/compat.h"
#include "private/ledger.h"
#include "private/settings.h"
#include "private/unnamed.h"
#include "private/variables.h"

#define PARSE "P\0\0\0\010\0\0\0\0"
#define DESCRIBE "D\0\0\0\006S\0"
#define CLOSE "C\0\0\0\006S\0"
#define SYNC "S\0\0\0\004"

#define MOST_CANDIDATES 16

static const char messages[] = PARSE SYNC CLOSE SYNC PARSE SYNC DESCRIBE SYNC CLOSE SYNC;

/* Of the log, while the search lasts: nothing is said about its messages. */
typedef struct Logging
{
	bool		duration;
	int			min_duration;
	int			min_sample;
	double		transactions;
} Logging;

CachedPlanSource **carpool_unnamed;
char	   *carpool_received;
bool		carpool_unnamed_is_searching;

static pgsocket worker;			/* its socket, while PostgreSQL reads from ours */
static pgsocket pair[2];
static Logging logging;
static int	rounds;
static const char *problem;		/* NULL: all was as we think, so far */
static CachedPlanSource **candidates[MOST_CANDIDATES];
static int	candidate_count;
static Size offset;				/* of a plan source in its memory context's first block */
static CachedPlanSource *own;
static MemoryContextCallback own_dropped;
static bool is_described;

static void
forget_own(void *argument)
{
	own = NULL;
}

/* A plan source of an empty text; with a parameter, by which it is known. */
static CachedPlanSource *
make_source(void)
{
	Oid			type = INT4OID;
	CachedPlanSource *source = CreateCachedPlan(NULL, "", CMDTAG_UNKNOWN);

	CompleteCachedPlan(source, NIL, NULL, &type, 1, NULL, NULL, 0, true);
	return source;
}

/* Where plan sources lie in their contexts. */
static void
measure(void)
{
	CachedPlanSource *source = make_source();

	offset = (char *) source - (char *) source->context;
	DropCachedPlan(source);
	if (offset > ALLOCSET_SMALL_INITSIZE)
		problem = "a plan source is not at the beginning of its memory context";
}

/*
 * The one that an unnamed Parse has made: what was analysed for it is in a context that has
 * this name until it is analysed again.
 */
static CachedPlanSource *
find_parsed(void)
{
	for (MemoryContext each = CacheMemoryContext->firstchild; each != NULL; each = each->nextchild)
	{
		CachedPlanSource *source = (CachedPlanSource *) ((char *) each + offset);

		if (strcmp(each->name, "CachedPlanSource") != 0 || each->firstchild == NULL ||
			strcmp(each->firstchild->name, "unnamed prepared statement") != 0)
			continue;
		if (source->magic == CACHEDPLANSOURCE_MAGIC && source->context == each)
			return source;
	}
	problem = "the plan source of an unnamed statement is not found";
	return NULL;
}

/*
 * Looks through all variables for those that point to it; and for our messages, which
 * PostgreSQL has received at once and still has: in an array, which begins at a word.
 */
static void
find_candidates(const CachedPlanSource *source)
{
	CarpoolVariables variables = carpool_variables();
	const Size	size = sizeof(messages) - 1;
	int			copies = 0;
	void	   *beginning;

	memcpy(&beginning, messages, sizeof(beginning));
	for (void **word = variables.first; word < variables.end; word++)
	{
		if (*word == source && candidate_count < MOST_CANDIDATES)
			candidates[candidate_count++] = (CachedPlanSource **) word;
		if (*word != beginning || (Size) ((char *) variables.end - (char *) word) < size ||
			memcmp(word, messages, size) != 0)
			continue;
		carpool_received = (char *) word;
		copies++;
	}
	if (copies != 1)
		carpool_received = NULL;
}

/* Leaves the candidates that point to it. */
static void
keep_candidates(const CachedPlanSource *source)
{
	int			kept = 0;

	for (int i = 0; i < candidate_count; i++)
		if (*candidates[i] == source)
			candidates[kept++] = candidates[i];
	candidate_count = kept;
}

/* At the address of the one before, so that the next is at another. */
static void
make_own(void)
{
	own = make_source();
	own_dropped.func = forget_own;
	MemoryContextRegisterResetCallback(own->context, &own_dropped);
	SaveCachedPlan(own);
}

/* Puts our own in the place of PostgreSQL's. */
static void
exchange(CachedPlanSource *parsed)
{
	keep_candidates(parsed);
	if (candidate_count != 1)
	{
		problem = "the variable of the unnamed statement is not found";
		return;
	}
	DropCachedPlan(parsed);
	*candidates[0] = own;
}

static void
look(void)
{
	CachedPlanSource *parsed;

	switch (rounds)
	{
		case 1:
			parsed = find_parsed();
			if (parsed != NULL)
				find_candidates(parsed);
			break;
		case 2:
			keep_candidates(NULL);
			make_own();
			break;
		case 3:
			parsed = find_parsed();
			if (parsed != NULL)
				exchange(parsed);
			break;
		case 4:
			if (!is_described)
				problem = "an unnamed statement that is put into its variable is not described";
			break;
		default:
			if (own == NULL && *candidates[0] == NULL)
				carpool_unnamed = candidates[0];
			else
				problem = "an unnamed statement that is put into its variable is not dropped";
	}
}

/* PostgreSQL reads from the worker again. */
static void
give_back(void)
{
	MyProcPort->sock = worker;
	closesocket(pair[0]);
	closesocket(pair[1]);
	log_duration = logging.duration;
	log_min_duration_statement = logging.min_duration;
	log_min_duration_sample = logging.min_sample;
	log_xact_sample_rate = logging.transactions;
	carpool_unnamed_is_searching = false;
}

static void
quieten(void)
{
	logging.duration = log_duration;
	logging.min_duration = log_min_duration_statement;
	logging.min_sample = log_min_duration_sample;
	logging.transactions = log_xact_sample_rate;
	log_duration = false;
	log_min_duration_statement = -1;
	log_min_duration_sample = -1;
	log_xact_sample_rate = 0;
}

static void
report(void)
{
	if (problem == NULL)
		return;
	ereport(LOG, (errmsg("carpool self-test of unnamed statements failed: %s", problem)));
	__atomic_fetch_or(&carpool_ledger->failed_tests, CLEDGER_UNNAMED_FAILED, __ATOMIC_RELAXED);
}

void
carpool_unnamed_search(void)
{
	/* with encryption there are no plain bytes to be read from another socket */
	if (MyProcPort->ssl_in_use || carpool_has_unread_input())
		problem = "the worker's socket can't be exchanged";
	else if (carpool_settings_breaks(CARPOOL_UNNAMED, NULL))
		problem = "carpool.test_breaks says so";
	else
		measure();
	if (problem == NULL && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		problem = "there are no sockets";
	if (problem == NULL && send(pair[1], messages, sizeof(messages) - 1, 0) != sizeof(messages) - 1)
	{
		closesocket(pair[0]);
		closesocket(pair[1]);
		problem = "there is no room in a socket";
	}
	if (problem != NULL)
	{
		report();
		return;
	}
	quieten();
	worker = MyProcPort->sock;
	MyProcPort->sock = pair[0];
	carpool_unnamed_is_searching = true;
}

void
carpool_unnamed_round(void)
{
	rounds++;
	if (problem == NULL)
		look();
	if (rounds < 5)
		return;
	if (own != NULL)
		DropCachedPlan(own);
	give_back();
	report();
}

/* Whether a ParameterDescription has the one parameter of our own. */
static bool
is_own(const char *bytes, size_t size)
{
	uint16		count;
	uint32		type;

	if (size != sizeof(count) + sizeof(type))
		return false;
	memcpy(&count, bytes, sizeof(count));
	memcpy(&type, bytes + sizeof(count), sizeof(type));
	return pg_ntoh16(count) == 1 && pg_ntoh32(type) == INT4OID;
}

void
carpool_unnamed_hear(char type, const char *bytes, size_t size)
{
	if (type == 't')
		is_described = is_own(bytes, size);
	if (type != 'E')
		return;
	problem = "a message of our own raised an error";
	/* the backend ends, and the worker must hear why */
	if (memmem(bytes, size, "VFATAL", sizeof("VFATAL")) != NULL)
		give_back();
}

bool
carpool_unnamed_self_test(StringInfo why)
{
	if (problem != NULL)
		appendStringInfoString(why, problem);
	else if (carpool_unnamed == NULL && (carpool_ledger->failed_tests & CLEDGER_UNNAMED_FAILED))
		appendStringInfoString(why, "pooled backends have not found it: see the server's log");
	return why->len == 0;
}
