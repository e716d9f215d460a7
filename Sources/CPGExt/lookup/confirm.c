/* confirm.c: CONFIRM: does the backend we got really belong to this role and database? */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "storage/procarray.h"

#include "private/facts.h"
#include "private/ledger.h"
#include "private/lookup.h"

/*
 * Whether a backend is the cluster's owner's, with an agent that can make it the pool's
 * role: then the agent is told which that is.
 */
static bool
can_become(const CarpoolQuestion *question, CarpoolAnswer *answer, Oid role)
{
	uint32		slot = carpool_ledger_slot_of(question->numbers.server_pid);
	CledgerServer *server = cledger_server(carpool_ledger, slot);

	bool		for_roles = (question->numbers.holds & CARPOOL_FOR_ROLES) != 0;

	if (slot == 0 || role == question->numbers.user_id || role != BOOTSTRAP_SUPERUSERID ||
		server->role != role)
		return false;
	/* what the agent can't take back of one role would be there for the next */
	if (for_roles && carpool_ledger->failed_tests != 0)
		return false;
	server->is_shared = for_roles;
	server->become = question->numbers.user_id;
	answer->numbers.server_slot = slot;
	return true;
}

/*
 * When the facts of such logins have changed last: the worker compares that with the moment of the
 * server's own. What was changed and changed back in between only the agent could see.
 */
static void
check_facts(const CarpoolQuestion *question, CarpoolAnswer *answer)
{
	const CledgerServer *server = cledger_server(carpool_ledger, answer->numbers.server_slot);
	char	   *name = GetUserNameFromId(question->numbers.user_id, true);
	CarpoolRole role;

	if (question->numbers.holds & CARPOOL_FOR_ROLES)
		answer->numbers.facts = carpool_facts_of_database(question->numbers.database_id);
	if (name == NULL)
		return;					/* it was dropped, which its clients hear of elsewhere */
	carpool_find_role(name, &role);
	if ((question->numbers.holds & CARPOOL_FOR_ROLES) == 0)
		answer->numbers.facts = carpool_facts_since(question->numbers.database_id, &role);
	if (answer->numbers.server_slot != 0 && !answer->numbers.must_become &&
		server->identity != carpool_facts_identity(role.name, role.is_superuser))
		carpool_error_set(&answer->failure, ERRCODE_CANNOT_CONNECT_NOW,
						  "the role was changed while the server connection logged in");
}

/*
 * Names are resolved again at each server login, so a role or database renamed or
 * made anew in between could give us its namesake's backend: only the OIDs count.
 */
void
carpool_answer_confirm(const CarpoolQuestion *question, CarpoolAnswer *answer)
{
	PGPROC	   *backend = BackendPidGetProc(question->numbers.server_pid);

	answer->numbers.database_id = question->numbers.database_id;
	answer->numbers.user_id = question->numbers.user_id;
	if (backend == NULL)
		carpool_error_set(&answer->failure, ERRCODE_CONNECTION_FAILURE,
						  "the server connection ended during its login");
	else if (backend->databaseId == question->numbers.database_id &&
			 can_become(question, answer, backend->roleId))
		answer->numbers.must_become = true;
	else if (backend->roleId != question->numbers.user_id ||
			 backend->databaseId != question->numbers.database_id)
	{
		carpool_error_set(&answer->failure, ERRCODE_CONNECTION_FAILURE,
						  "the server connection belongs to another role or database");
		carpool_error_detail(&answer->failure, "The role or the database was renamed during the login.");
	}
	else
		answer->numbers.server_slot = carpool_ledger_slot_of(question->numbers.server_pid);
	if (!carpool_error_is_set(&answer->failure))
		check_facts(question, answer);
}
