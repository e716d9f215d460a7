/* confirm.c: CONFIRM: does the backend we got really belong to this role and database? */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "storage/proc.h"
#include "storage/procarray.h"

#include "../private/ledger.h"
#include "../private/lookup.h"

/*
 * Whether a backend is the cluster's owner's, with an agent that can make it the pool's
 * role: then the agent is told which that is.
 */
static bool
can_become(const CarpoolQuestion *question, CarpoolAnswer *answer, Oid role)
{
	uint32		slot = carpool_ledger_slot_of(question->server_pid);
	CledgerServer *server = cledger_server(carpool_ledger, slot);

	bool		for_roles = (question->holds & CARPOOL_FOR_ROLES) != 0;

	if (slot == 0 || role == question->user_id || role != BOOTSTRAP_SUPERUSERID || server->role != role)
		return false;
	/* what the agent can't take back of one role would be there for the next */
	if (for_roles && carpool_ledger->failed_tests != 0)
		return false;
	server->is_shared = for_roles;
	server->become = question->user_id;
	answer->server_slot = slot;
	return true;
}

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
	else if (backend->databaseId == question->database_id && can_become(question, answer, backend->roleId))
		answer->must_become = true;
	else if (backend->roleId != question->user_id || backend->databaseId != question->database_id)
	{
		carpool_error_set(&answer->failure, ERRCODE_CONNECTION_FAILURE,
						  "the server connection belongs to another role or database");
		carpool_error_detail(&answer->failure, "The role or the database was renamed during the login.");
	}
	else
		answer->server_slot = carpool_ledger_slot_of(question->server_pid);
}
