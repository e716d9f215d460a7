/*
 * become.c: makes a backend that the worker logged in as the cluster's owner take on its pool's
 * role, for good and before any client is attached. It checks what PostgreSQL checks at a login
 * for every role but a superuser.
 *
 * A backend that several roles share becomes each next client's, before anything of that one
 * is read. It never becomes a superuser's, and what concerns a role's login was checked at
 * the client's own.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_db_role_setting.h"
#include "catalog/pg_type.h"
#include "libpq/libpq-be.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "postmaster/postmaster.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "private/backend.h"
#include "private/compat.h"
#include "private/compat/settings.h"
#include "private/scope.h"
#include "private/session.h"

/*
 * The limits of the database; the role's own are checked where its tuple is at hand, and in
 * a backend that roles share its rights aren't the backend's.
 */
static void
check_database(Oid role, bool is_shared)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	Form_pg_database database;

	if (!HeapTupleIsValid(tuple))
		ereport(FATAL,
				(errcode(ERRCODE_UNDEFINED_DATABASE), errmsg("database %u does not exist", MyDatabaseId)));
	database = (Form_pg_database) GETSTRUCT(tuple);
	if (!is_shared && !carpool_may_connect(MyDatabaseId, role))
		ereport(FATAL,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for database \"%s\"", NameStr(database->datname)),
				 errdetail("User does not have CONNECT privilege.")));
	if (database->datconnlimit >= 0 && CountDBConnections(MyDatabaseId) > database->datconnlimit)
		ereport(FATAL,
				(errcode(ERRCODE_TOO_MANY_CONNECTIONS),
				 errmsg("too many connections for database \"%s\"", NameStr(database->datname))));
	ReleaseSysCache(tuple);
}

/* Says that a pool needs server logins of its role's own. */
static CARPOOL_NORETURN void
refuse(const char *why, const char *name)
{
	ereport(FATAL,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("the backend cannot become another role"),
			 errdetail("%s \"%s\".", why, name)));
}

/* What the former role brought along could not be told from what the new one has. */
static void
check_former_settings(void)
{
	int			count;
	struct config_generic **settings = carpool_all_settings(&count);

	for (int i = 0; i < count; i++)
		if (settings[i]->reset_source == PGC_S_USER || settings[i]->reset_source == PGC_S_DATABASE_USER)
			refuse("The cluster's owner has a setting of its own for", settings[i]->name);
	pfree(settings);
}

/* Refuses a role that has settings, in a database or in all of them, which only hold from a login on. */
static void
check_settings(Relation relation, Snapshot snapshot, Oid database, Oid role)
{
	ArrayType  *config = carpool_role_catalog_settings(relation, snapshot, database, role);
	Datum	   *elements;
	int			count;

	if (config == NULL)
		return;
	deconstruct_array_builtin(config, TEXTOID, &elements, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name;
		char	   *value;

		ParseLongOption(TextDatumGetCString(elements[i]), &name, &value);
		if (carpool_is_for_start(name))
			refuse("The role has a setting that only holds from a login on:", name);
	}
}

/* Slots that PostgreSQL keeps for superusers stay free, as at a login of the role's own. */
static void
check_reserved_slots(Oid role)
{
	if (!carpool_may_take_slot(role))
		ereport(FATAL,
				(errcode(ERRCODE_TOO_MANY_CONNECTIONS),
				 errmsg("remaining connection slots are reserved for superusers and special roles")));
}

/* SET ROLE NONE, above which what ALTER ROLE and ALTER DATABASE say of the role still holds. */
static void
leave_set_role(void)
{
	struct config_generic *setting = carpool_find_setting("role", false, false, ERROR);

	SetConfigOption("role", "none", PGC_BACKEND, PGC_S_OVERRIDE);
	setting->source = PGC_S_DYNAMIC_DEFAULT;
	setting->reset_source = PGC_S_DYNAMIC_DEFAULT;
}

/* The server's views show the role. The former one's last query is none of its business. */
static void
report_role(Oid role)
{
	volatile PgBackendStatus *entry = MyBEEntry;

	if (entry == NULL)
		return;
	PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
	entry->st_userid = role;
	entry->st_activity_raw[0] = '\0';
	entry->st_query_id = 0;
	PGSTAT_END_WRITE_ACTIVITY(entry);
}

/*
 * Others see the backend as the cluster's owner's, so that only a superuser can end it. What
 * it may do itself is what its role may.
 */
void
carpool_become_untouchable(void)
{
	MyProc->roleId = BOOTSTRAP_SUPERUSERID;
	report_role(BOOTSTRAP_SUPERUSERID);
}

/* Takes on a role that was checked. */
static void
take_role(Oid role, const char *name, bool is_superuser)
{
	static char user_name[NAMEDATALEN];

	carpool_set_authenticated_user(role, is_superuser);
	SetConfigOption("session_authorization", name, PGC_BACKEND, PGC_S_OVERRIDE);
	leave_set_role();
	strlcpy(user_name, name, NAMEDATALEN);
	MyProcPort->user_name = user_name;
	report_role(role);
	carpool_staleness_took(role, name, is_superuser);
}

/* The settings of ALTER ROLE and ALTER DATABASE, as at a login of the role's own. */
static void
apply_settings(Oid role)
{
	Relation	relation = table_open(DbRoleSettingRelationId, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(DbRoleSettingRelationId));

	check_settings(relation, snapshot, MyDatabaseId, role);
	check_settings(relation, snapshot, InvalidOid, role);
	ApplySetting(snapshot, MyDatabaseId, role, relation, PGC_S_DATABASE_USER);
	ApplySetting(snapshot, InvalidOid, role, relation, PGC_S_USER);
	UnregisterSnapshot(snapshot);
	table_close(relation, AccessShareLock);
}

/* Whether nothing of the former role is left: what the worker may rely on. */
static void
verify(Oid role, bool is_superuser)
{
	if (GetAuthenticatedUserId() != role || GetSessionUserId() != role || GetOuterUserId() != role ||
		GetUserId() != role || MyProc->roleId != role || superuser() != is_superuser)
		ereport(FATAL,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("the backend did not become role %u", role)));
}

/* The tuple of a role that is there. */
static HeapTuple
find_role(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));

	if (!HeapTupleIsValid(tuple))
		ereport(FATAL,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("role with OID %u does not exist", role)));
	return tuple;
}

/* A superuser could leave what no later client's role may have. */
static void
check_shared(const FormData_pg_authid *form)
{
	if (form->rolsuper || form->oid == BOOTSTRAP_SUPERUSERID)
		ereport(FATAL,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("role \"%s\" cannot be served by a backend that other roles use",
						NameStr(form->rolname)),
				 errdetail("It has become a superuser since it logged in."), errhint("Log in again.")));
}

/* What PostgreSQL checks at a login. */
static void
check_login(const FormData_pg_authid *form, bool is_shared)
{
	if (is_shared)
		check_shared(form);
	else if (!form->rolcanlogin)
		ereport(FATAL,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("role \"%s\" is not permitted to log in", NameStr(form->rolname))));
	if (!form->rolsuper)
	{
		check_database(form->oid, is_shared);
		check_reserved_slots(form->oid);
	}
}

/* Becomes a role; the backend ends where it may not. */
void
carpool_become(Oid role)
{
	bool		is_shared = carpool_agent_server()->is_shared;
	HeapTuple	tuple;
	Form_pg_authid form;

	StartTransactionCommand();
	tuple = find_role(role);
	form = (Form_pg_authid) GETSTRUCT(tuple);
	check_former_settings();
	check_login(form, is_shared);
	take_role(role, NameStr(form->rolname), form->rolsuper);
	if (!is_shared && form->rolconnlimit >= 0 && !form->rolsuper &&
		CountUserBackends(role) > form->rolconnlimit)
		ereport(FATAL,
				(errcode(ERRCODE_TOO_MANY_CONNECTIONS),
				 errmsg("too many connections for role \"%s\"", NameStr(form->rolname))));
	/* before the settings, one of which may be a role to SET */
	verify(role, form->rolsuper);
	/* clients that share a backend bring those of their logins along */
	if (!is_shared)
		apply_settings(role);
	ReleaseSysCache(tuple);
	CommitTransactionCommand();
	carpool_agent_server()->role = role;
}

/* The role of the client that is attached next; nothing of the last one's session is left. */
void
carpool_become_next(Oid role)
{
	HeapTuple	tuple;
	Form_pg_authid form;

	StartTransactionCommand();
	tuple = find_role(role);
	form = (Form_pg_authid) GETSTRUCT(tuple);
	check_shared(form);
	take_role(role, NameStr(form->rolname), false);
	verify(role, false);
	ReleaseSysCache(tuple);
	CommitTransactionCommand();
	carpool_agent_server()->role = role;
}
