/* ledger_functions.c: SQL functions that read the ledger. */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "private/ledger.h"
#include "private/selftest.h"
#include "private/state.h"

PG_FUNCTION_INFO_V1(carpool_agents);
PG_FUNCTION_INFO_V1(carpool_pins);
PG_FUNCTION_INFO_V1(carpool_pin_counts);
PG_FUNCTION_INFO_V1(carpool_self_test);
PG_FUNCTION_INFO_V1(carpool_wrong_sessions);

static ReturnSetInfo *result;	/* of the call under way */

static void
require_ledger(void)
{
	if (carpool_ledger == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("carpool keeps no ledger"),
			 errhint(
				 "Add pg_carpool to shared_preload_libraries in postgresql.conf and restart the server.")));
}

static Datum
reason_array(uint32 pins)
{
	Datum		names[CLEDGER_PIN_REASONS];
	int			count = 0;

	for (int i = 0; i < CLEDGER_PIN_REASONS; i++)
		if (pins & (1u << i))
			names[count++] = CStringGetTextDatum(cledger_pin_name(i));
	return PointerGetDatum(construct_array_builtin(names, count, TEXTOID));
}

/* Servers that their clients keep, and why: pid, database, role, client's process id, reasons. */
Datum
carpool_pins(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;

	require_ledger();
	InitMaterializedSRF(fcinfo, 0);
	for (uint32 slot = 1; slot < carpool_ledger->server_slots; slot++)
	{
		CledgerServer *server = cledger_server(carpool_ledger, slot);
		uint64		client = cledger_attached(server);
		uint32		pins = cledger_pins(server);
		Datum		values[5];
		bool		nulls[5] = {false};

		if (server->pid == 0 || pins == 0)
			continue;
		values[0] = Int32GetDatum(server->pid);
		values[1] = ObjectIdGetDatum(server->database);
		values[2] = ObjectIdGetDatum(server->role);
		values[3] = Int32GetDatum((int32) cledger_client(carpool_ledger, (uint32) client)->process_id);
		nulls[3] = client == 0;
		values[4] = reason_array(pins);
		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* What agents have done: pid, attached, saved, loaded, pinned, ended, ended_ns, attach_ns. */
Datum
carpool_agents(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;

	require_ledger();
	InitMaterializedSRF(fcinfo, 0);
	for (uint32 slot = 1; slot < carpool_ledger->server_slots; slot++)
	{
		CledgerServer *server = cledger_server(carpool_ledger, slot);
		uint64		figures[] = {
			server->attached, server->saved, server->loaded, server->pinned, server->ended, server->ended_ns,
			server->attach_ns
		};
		Datum		values[1 + lengthof(figures)] = {Int32GetDatum(server->pid)};
		bool		nulls[1 + lengthof(figures)] = {false};

		if (server->pid == 0)
			continue;
		for (int i = 0; i < lengthof(figures); i++)
			values[1 + i] = Int64GetDatum((int64) figures[i]);
		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* How often a client's message was stopped in another client's session, since the server's start. */
Datum
carpool_wrong_sessions(PG_FUNCTION_ARGS)
{
	require_ledger();
	PG_RETURN_INT64((int64) carpool_ledger->wrong_sessions);
}

/* How often each reason began since the server's start. */
Datum
carpool_pin_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;

	require_ledger();
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < CLEDGER_PIN_REASONS; i++)
	{
		Datum		values[2] = {CStringGetTextDatum(cledger_pin_name(i)),
								 Int64GetDatum((int64) carpool_ledger->pins[i])};
		bool		nulls[2] = {false};

		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static void
tell(const char *mechanism, bool works, const char *why)
{
	Datum		values[3] = {CStringGetTextDatum(mechanism), BoolGetDatum(works), CStringGetTextDatum(why)};
	bool		nulls[3] = {false, false, why[0] == '\0'};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Tries, in this backend, what agents do with PostgreSQL's private parts: mechanism, works, why not. */
Datum
carpool_self_test(PG_FUNCTION_ARGS)
{
	uint32		failed;

	require_ledger();
	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	carpool_settings_state_open();
	carpool_self_test_run(&failed, tell);
	return (Datum) 0;
}
