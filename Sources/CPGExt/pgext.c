/* pgext.c: what happens when PostgreSQL loads the library. */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"

#include "private/agent.h"
#include "private/ledger.h"
#include "private/letgo.h"
#include "private/settings.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static shmem_request_hook_type next_shmem_request;
static shmem_startup_hook_type next_shmem_startup;

/* Asks for our part of the shared memory. */
static void
request_memory(void)
{
	if (next_shmem_request)
		next_shmem_request();
	carpool_letgo_request_memory();
	carpool_ledger_request_memory();
}

/* Finds or makes our part of the shared memory. */
static void
make_memory(void)
{
	if (next_shmem_startup)
		next_shmem_startup();
	carpool_letgo_make_memory();
	carpool_ledger_make_memory();
}

/*
 * Registers the worker. It starts as soon as the data are consistent, so that a hot
 * standby is served too, and comes back a second after it ended with status 1.
 */
static void
register_worker(void)
{
	BackgroundWorker worker = {0};

	strlcpy(worker.bgw_name, "carpool worker", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "carpool worker", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "pg_carpool", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "carpool_worker_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 1;
	RegisterBackgroundWorker(&worker);
}

/* Called once when the library is loaded, in the postmaster if it is preloaded. */
void
_PG_init(void)
{
	/* pg_upgrade and single-user mode: nothing to pool, and nothing to complain about */
	if (!process_shared_preload_libraries_in_progress)
	{
		if (IsBinaryUpgrade || !IsPostmasterEnvironment)
			return;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_carpool is not loaded by the server at its start"),
				 errhint("Add pg_carpool to shared_preload_libraries in postgresql.conf "
						 "and restart the server.")));
	}
	carpool_settings_define();
	if (IsBinaryUpgrade || !IsPostmasterEnvironment)
		return;
	next_shmem_request = shmem_request_hook;
	shmem_request_hook = request_memory;
	next_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = make_memory;
	carpool_utility_install();
	carpool_agent_install();
	register_worker();
}
