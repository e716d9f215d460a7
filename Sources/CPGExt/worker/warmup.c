/*
 * warmup.c: a process that connects to a database and ends. Doing so it writes the
 * file of relation cache entries of the shared catalogs, which PostgreSQL removes at
 * every start of the server. Only with that file a process without a database, as the
 * worker is, has the catalogs' indexes; without, it scans them as a whole.
 */
#include "postgres.h"

#include <unistd.h>

#include "miscadmin.h"
#include "postmaster/bgworker.h"

#include "private/host.h"

extern PGDLLEXPORT void carpool_warmup_main(Datum argument);

/* Connects to the database that is nearly always there, and ends. */
void
carpool_warmup_main(Datum argument)
{
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("template1", NULL, BGWORKER_BYPASS_ALLOWCONN);
}

/* Has the file written if it is missing; before the worker connects. */
void
carpool_warm_up(void)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;

	if (access("global/pg_internal.init", R_OK) == 0)
		return;
	strlcpy(worker.bgw_name, "carpool warm-up", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "carpool warm-up", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "pg_carpool", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "carpool_warmup_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	if (RegisterDynamicBackgroundWorker(&worker, &handle))
		WaitForBackgroundWorkerShutdown(handle);
}
