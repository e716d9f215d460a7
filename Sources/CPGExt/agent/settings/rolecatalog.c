/*
 * rolecatalog.c: reads what ALTER ROLE and ALTER DATABASE have set from the catalog, as a backend
 * can. An agent needs that for the role that its backend becomes, and for a client's login where
 * the worker can't tell: the worker can't read what is too long for a table's page.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_db_role_setting.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "private/scope.h"

/* The settings of one scope; NULL: none. */
ArrayType *
carpool_role_catalog_settings(Relation relation, Snapshot snapshot, Oid database, Oid role)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	ArrayType  *config = NULL;

	ScanKeyInit(&keys[0], Anum_pg_db_role_setting_setdatabase, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(database));
	ScanKeyInit(&keys[1], Anum_pg_db_role_setting_setrole, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(role));
	scan = systable_beginscan(relation, DbRoleSettingDatidRolidIndexId, true, snapshot, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		is_null;
		Datum		array = heap_getattr(tuple, Anum_pg_db_role_setting_setconfig, RelationGetDescr(relation),
										 &is_null);

		if (!is_null)
			config = DatumGetArrayTypePCopy(array);
	}
	systable_endscan(scan);
	return config;
}

void
carpool_role_settings_read(StringInfo list)
{
	Relation	relation = table_open(DbRoleSettingRelationId, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ArrayType  *configs[CARPOOL_ROLE_SCOPES];

	for (int i = 0; i < CARPOOL_ROLE_SCOPES; i++)
	{
		Oid			database = MyDatabaseId;
		Oid			role = GetAuthenticatedUserId();

		carpool_role_scope(i, &database, &role);
		configs[i] = carpool_role_catalog_settings(relation, snapshot, database, role);
	}
	UnregisterSnapshot(snapshot);
	table_close(relation, AccessShareLock);
	initStringInfo(list);
	carpool_role_settings_put(list, configs);
}
