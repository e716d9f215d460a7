/* lookup.c: one question, one short transaction; an error becomes the answer. */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "private/lookup.h"
#include "private/rules.h"

/* Longest wait for a lock, in ms: of the catalogs that someone else may have locked. */
#define LOCK_WAIT "5000"

static MemoryContext lookup_context;
static bool stopping;

/* Prepares the main thread for lookups; after it is connected to the shared catalogs. */
void
carpool_lookup_open(void)
{
	lookup_context = AllocSetContextCreate(TopMemoryContext, "carpool lookup", ALLOCSET_DEFAULT_SIZES);
	SetConfigOption("lock_timeout", LOCK_WAIT, PGC_SUSET, PGC_S_OVERRIDE);

	/*
	 * A process without a database has not set up the cache of role memberships:
	 * without this it would not notice a GRANT or REVOKE.
	 */
	StartTransactionCommand();
	initialize_acl();
	CommitTransactionCommand();
	carpool_targets_open();
}

/* From now on nobody comes in any more. */
void
carpool_lookup_stopping(void)
{
	stopping = true;
}

/* The answer by kind of question; in a transaction. False: a host name is needed first. */
static bool
answer_question(const CarpoolQuestion *question, CarpoolAnswer *answer)
{
	switch ((CarpoolQuestionKind) question->ticket.kind)
	{
		case CARPOOL_ASK_LOGIN:
			return carpool_answer_login(question, answer);
		case CARPOOL_ASK_ROUTE:
			return carpool_answer_route(question, answer);
		case CARPOOL_ASK_CONFIRM:
			carpool_answer_confirm(question, answer);
			return true;
	}
	elog(ERROR, "unknown kind of question: %u", question->ticket.kind);
}

/* Turns the error just caught into a failure and ends the transaction; it is logged too. */
static void
answer_error(CarpoolAnswer *answer)
{
	ErrorData  *error;
	CarpoolTicket ticket = answer->ticket;

	MemoryContextSwitchTo(lookup_context);
	error = CopyErrorData();
	FlushErrorState();
	AbortCurrentTransaction();
	ereport(LOG,
			(errcode(error->sqlerrcode), errmsg("carpool could not look up a login: %s", error->message)));
	explicit_bzero(answer, sizeof(*answer));
	answer->ticket = ticket;
	answer->numbers.method = CARPOOL_METHOD_REFUSE;
	carpool_error_set(&answer->refusal, error->sqlerrcode, "%s", error->message);
	answer->failure = answer->refusal;
}

/*
 * Answers a question. False: it needs the name of a host and has been put aside; it
 * comes again through carpool_names_take(). Never throws, and leaves nothing behind.
 */
bool
carpool_lookup(const CarpoolQuestion *question, CarpoolAnswer *answer)
{
	MemoryContext old = MemoryContextSwitchTo(lookup_context);
	volatile bool answered = true;

	memset(answer, 0, sizeof(*answer));
	answer->ticket = question->ticket;
	if (stopping && question->ticket.kind != CARPOOL_ASK_CONFIRM)
	{
		answer->numbers.method = CARPOOL_METHOD_REFUSE;
		carpool_error_set(&answer->refusal, ERRCODE_CANNOT_CONNECT_NOW,
						  "the database system is shutting down");
		answer->failure = answer->refusal;
	}
	else
	{
		PG_TRY();
		{
			StartTransactionCommand();
			MemoryContextSwitchTo(lookup_context);
			answered = answer_question(question, answer);
			CommitTransactionCommand();
		}
		PG_CATCH();
		{
			answer_error(answer);
		}
		PG_END_TRY();
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(lookup_context);
	return answered;
}
