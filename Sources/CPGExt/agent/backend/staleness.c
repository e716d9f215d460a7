/*
 * staleness.c: notices that the backend goes by a name or a superuser's rights that a login would
 * not get any more (ALTER ROLE), and says so, that no other client gets the backend. What
 * PostgreSQL has taken on at the login it keeps, whatever the catalog says.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "private/backend.h"
#include "private/facts.h"
#include "private/session.h"

static Oid	taken_role;			/* whose facts they are */
static bool may_be_stale;

/* Some role has changed; which one is asked later, as this one may be just about to be taken on. */
static void
role_changed(Datum argument, int cache, uint32 hash)
{
	may_be_stale = true;
}

void
carpool_staleness_took(Oid role, const char *name, bool is_superuser)
{
	taken_role = role;
	carpool_agent_server()->identity = carpool_facts_identity(name, is_superuser);
}

/* Before anybody is served, who could SET either; ALTER ROLE … SET can't. */
void
carpool_staleness_open(void)
{
	carpool_staleness_took(GetAuthenticatedUserId(), GetConfigOption("session_authorization", false, false),
						   GetSessionUserIsSuperuser());
	CacheRegisterSyscacheCallback(AUTHOID, role_changed, (Datum) 0);
	may_be_stale = true;		/* it may have changed since the login */
}

/* Whether a login would take on the same. In a transaction. */
static bool
is_as_taken(void)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(taken_role));
	Form_pg_authid form;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_authid) GETSTRUCT(tuple);
	result =
		carpool_facts_identity(NameStr(form->rolname), form->rolsuper) == carpool_agent_server()->identity;
	ReleaseSysCache(tuple);
	return result;
}

void
carpool_staleness_look(void)
{
	if (likely(!may_be_stale))
		return;
	may_be_stale = false;
	StartTransactionCommand();
	if (!is_as_taken())
		carpool_is_stale = true;
	CommitTransactionCommand();
}
