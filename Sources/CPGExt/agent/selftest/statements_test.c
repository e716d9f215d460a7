/*
 * statements_test.c: tries whether prepared statements can be taken out of PostgreSQL's table and
 * put back. It uses a name that no client has, so that a client's statements may be there
 * meanwhile.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/builtins.h"

#include "private/dynahash.h"
#include "private/environment.h"
#include "private/plans.h"
#include "private/selftest.h"
#include "private/state.h"
#include "private/statements.h"

#define NAME "\001 carpool's own statement"
#define QUOTED "\"" NAME "\""

static bool
runs(const char *command, int expected)
{
	return SPI_execute(command, false, 0) == expected;
}

/* Whether the statement, executed, says 42. */
static bool
answers(void)
{
	const char *value;

	if (!runs("EXECUTE " QUOTED "(41)", SPI_OK_UTILITY) || SPI_processed != 1 || SPI_tuptable == NULL)
		return false;
	value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	return value != NULL && strcmp(value, "42") == 0;
}

/* Out of the table, and back with the same plan source. */
static const char *
try_kept(const CarpoolSavedStatement *saved, const CarpoolPlan *plan)
{
	uint64		environment = carpool_environment();

	carpool_statement_detach(FetchPreparedStatement(NAME, true), environment);
	if (FetchPreparedStatement(NAME, false) != NULL)
		return "a statement can't be taken out of the table";
	if (!plan->is_idle)
		return "a plan source is not kept";
	if (carpool_statement_attach(saved, environment) != plan)
		return "a kept plan source is not found";
	if (FetchPreparedStatement(NAME, true)->prepare_time != saved->prepared)
		return "a statement's time is not what it was";
	return answers() ? NULL : "a kept plan source can't be executed";
}

/* Dropped by PostgreSQL, and made again from its bytes. before: the fingerprint without it. */
static const char *
try_made(const CarpoolSavedStatement *saved, uint64 before)
{
	PreparedStatement *statement;
	StringInfoData again;

	if (saved->fingerprint == 0 || carpool_statements_state.fingerprint() == before)
		return "a new statement is not noticed";
	DropPreparedStatement(NAME, true);
	if (carpool_statements_state.fingerprint() != before)
		return "a plan source that is dropped is not noticed";
	(void) carpool_statement_attach(saved, carpool_environment());
	statement = FetchPreparedStatement(NAME, true);
	if (statement->plansource->is_valid)
		return "a plan source can't be made without analysis";
	if (!answers() || !statement->plansource->is_valid)
		return "a plan source that was made again can't be executed";
	initStringInfo(&again);
	carpool_plan_write(&again, statement->plansource, statement->from_sql);
	if (again.len != saved->size || memcmp(again.data, saved->body, saved->size) != 0 ||
		statement->prepare_time != saved->prepared)
		return "a plan source that was made again is not what it was";
	return NULL;
}

static const char *
try_all(uint64 before)
{
	HTAB	   *table = carpool_statements_table();
	PreparedStatement *statement = FetchPreparedStatement(NAME, true);
	CarpoolSavedStatement saved = {.name = NAME, .prepared = statement->prepare_time};
	CarpoolPlan *plan;
	const char *problem;

	if (table == NULL || hash_search(table, NAME, HASH_FIND, NULL) != statement)
		return "the table of prepared statements is not found";
	carpool_statements_find_place(NAME);
	plan = carpool_plan_of(statement);
	if (carpool_plan_of(statement) != plan)
		return "what is known of a plan source is not found again";
	(void) carpool_statements_state.fingerprint();
	saved.fingerprint = plan->counted;
	saved.content = plan->content;
	saved.size = plan->size;
	saved.body = memcpy(palloc(plan->size), plan->body, plan->size);
	problem = try_kept(&saved, plan);
	return problem != NULL ? problem : try_made(&saved, before);
}

bool
carpool_statements_self_test(StringInfo why)
{
	const char *problem;
	uint64		before;

	if (!carpool_hash_self_test(why))
		return false;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	before = carpool_statements_state.fingerprint();
	if (!runs("PREPARE " QUOTED "(pg_catalog.int4) AS SELECT $1 OPERATOR(pg_catalog.+) 1", SPI_OK_UTILITY))
		problem = "a statement can't be prepared";
	else
	{
		problem = try_all(before);
		DropPreparedStatement(NAME, false);
	}
	SPI_finish();
	if (problem != NULL)
		appendStringInfoString(why, problem);
	return problem == NULL;
}
