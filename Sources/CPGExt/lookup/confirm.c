/* confirm.c: CONFIRM: does the backend we got really belong to this role and database? */
#include "postgres.h"

#include "storage/proc.h"
#include "storage/procarray.h"

#include "../private/ledger.h"
#include "../private/lookup.h"

/*
 * Names are resolved again at each server login, so a role or database renamed or
 * made anew in between could give us its namesake's backend: only the OIDs count.
 */
void
carpool_answer_confirm(const CarpoolQuestion *question, CarpoolAnswer *answer)
{
	PGPROC	   *backend = BackendPidGetProc(question->server_pid);

	answer->database_id = question->database_id;
	answer->user_id = question->user_id;
	if (backend == NULL)
		carpool_error_set(&answer->failure, ERRCODE_CONNECTION_FAILURE,
						  "the server connection ended during its login");
	else if (backend->roleId != question->user_id || backend->databaseId != question->database_id)
	{
		carpool_error_set(&answer->failure, ERRCODE_CONNECTION_FAILURE,
						  "the server connection belongs to another role or database");
		carpool_error_detail(&answer->failure, "The role or the database was renamed during the login.");
	}
	else
		answer->server_slot = carpool_ledger_slot_of(question->server_pid);
}
