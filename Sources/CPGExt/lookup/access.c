/* access.c: roles and databases, and who may connect: PostgreSQL's own checks, in its order and words. */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "utils/fmgroids.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "private/compat.h"
#include "private/lookup.h"

/* Looks up a role by name; role->id stays InvalidOid when there is none. */
void
carpool_find_role(const char *name, CarpoolRole *role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHNAME, CStringGetDatum(name));
	Form_pg_authid form;

	memset(role, 0, sizeof(*role));
	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_authid) GETSTRUCT(tuple);
	role->id = form->oid;
	strlcpy(role->name, NameStr(form->rolname), NAMEDATALEN);
	role->may_login = form->rolcanlogin;
	role->is_superuser = form->rolsuper;
	role->connection_limit = form->rolconnlimit;
	ReleaseSysCache(tuple);
}

/*
 * The OID of a database, or InvalidOid. get_database_oid() insists on an index, which
 * a process without a database may not have; see warmup.c.
 */
static Oid
database_oid(const char *name)
{
	Relation	relation = table_open(DatabaseRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			id = InvalidOid;

	ScanKeyInit(&key, Anum_pg_database_datname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum(name));
	scan = systable_beginscan(relation, DatabaseNameIndexId, criticalSharedRelcachesBuilt, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		id = ((Form_pg_database) GETSTRUCT(tuple))->oid;
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return id;
}

/* Looks up a database by name; database->id stays InvalidOid when there is none. */
void
carpool_find_database(const char *name, CarpoolDatabase *database)
{
	Oid			id = database_oid(name);
	HeapTuple	tuple;
	Form_pg_database form;

	memset(database, 0, sizeof(*database));
	if (!OidIsValid(id))
		return;
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(id));
	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_database) GETSTRUCT(tuple);
	database->id = form->oid;
	strlcpy(database->name, NameStr(form->datname), NAMEDATALEN);
	database->allows_connections = form->datallowconn;
	database->is_invalid = database_is_invalid_form(form);
	database->connection_limit = database->is_invalid ? -1 : form->datconnlimit;
	ReleaseSysCache(tuple);
}

/* What is wrong with the role itself. */
static bool
check_role(const CarpoolRole *role, const char *name, CarpoolError *error)
{
	if (!OidIsValid(role->id))
		carpool_error_set(error, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "role \"%s\" does not exist",
						  name);
	else if (!role->may_login)
		carpool_error_set(error, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
						  "role \"%s\" is not permitted to log in", name);
	else if (role->connection_limit == 0 && !role->is_superuser)
		carpool_error_set(error, ERRCODE_TOO_MANY_CONNECTIONS, "too many connections for role \"%s\"", name);
	else
		return true;
	return false;
}

/*
 * Sets error when the role may not log in or may not connect to the database. A limit
 * of connections counts servers, so only a limit of none at all is an error here.
 */
void
carpool_check_access(const CarpoolRole *role, const char *role_name,
					 const CarpoolDatabase *database, const char *database_name, CarpoolError *error)
{
	if (!check_role(role, role_name, error))
		return;
	if (!OidIsValid(database->id))
		carpool_error_set(error, ERRCODE_UNDEFINED_DATABASE, "database \"%s\" does not exist", database_name);
	else if (database->is_invalid)
	{
		carpool_error_set(error, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
						  "cannot connect to invalid database \"%s\"", database_name);
		carpool_error_hint(error, "Use DROP DATABASE to drop invalid databases.");
	}
	else if (!database->allows_connections)
		carpool_error_set(error, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
						  "database \"%s\" is not currently accepting connections", database_name);
	else if (!carpool_may_connect(database->id, role->id))
	{
		carpool_error_set(error, ERRCODE_INSUFFICIENT_PRIVILEGE,
						  "permission denied for database \"%s\"", database_name);
		carpool_error_detail(error, "User does not have CONNECT privilege.");
	}
	else if (database->connection_limit == 0 && !role->is_superuser)
		carpool_error_set(error, ERRCODE_TOO_MANY_CONNECTIONS,
						  "too many connections for database \"%s\"", database_name);
}
