/*
 * temporary.c: looks whether this session's temporary schema holds anything. Only the catalogs
 * know, so they are asked after a transaction that can have changed the answer.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "private/pins.h"
#include "private/signs.h"

/*
 * A committed transaction. PostgreSQL notes one that touched a temporary object, as such a
 * one can't be prepared. A function or type can go without that note (DROP OWNED, CASCADE
 * from elsewhere), but not without a transaction ID. Several may end between two looks.
 */
static void
transaction_ended(XactEvent event, void *argument)
{
	if (event != XACT_EVENT_COMMIT)
		return;
	if ((MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE) ||
		(carpool_signs.has_temporary && TransactionIdIsValid(GetTopTransactionIdIfAny())))
		carpool_signs.temporary_touched = true;
}

void
carpool_temporary_install(void)
{
	RegisterXactCallback(transaction_ended, NULL);
}

/* Whether anything depends on an object; an index look-up, in a transaction. */
static bool
has_dependents(Oid class, Oid object)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(class));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(object));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2, keys);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return found;
}

/*
 * What is in the schema depends on it, and nothing else is removed at the session's end.
 * TOAST tables and row types are not in this list themselves, but what they belong to is.
 */
static bool
look(void)
{
	Oid			schema;
	Oid			toast_schema;

	GetTempNamespaceState(&schema, &toast_schema);
	return OidIsValid(schema) && has_dependents(NamespaceRelationId, schema);
}

bool
carpool_temporary_now(void)
{
	MemoryContext context = CurrentMemoryContext;

	if (!carpool_signs.temporary_touched)
		return carpool_signs.has_temporary;
	/* a cancel that comes too late is not about this */
	HOLD_CANCEL_INTERRUPTS();
	StartTransactionCommand();
	carpool_signs.has_temporary = look();
	CommitTransactionCommand();
	RESUME_CANCEL_INTERRUPTS();
	MemoryContextSwitchTo(context);
	carpool_signs.temporary_touched = false;
	carpool_temp_buffers_look();
	return carpool_signs.has_temporary;
}

void
carpool_temporary_reset(void)
{
	if (carpool_signs.temporary_touched)
		carpool_signs.has_temporary = look();
	carpool_signs.temporary_touched = false;
	if (!carpool_signs.has_temporary)
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	ResetTempTableNamespace();
	PopActiveSnapshot();
	carpool_signs.has_temporary = false;
}

/* Some dependency there is must be found, and none on an object that doesn't exist. */
bool
carpool_temporary_self_test(void)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 0, NULL);
	HeapTuple	tuple = systable_getnext(scan);
	bool		works = HeapTupleIsValid(tuple);

	if (works)
	{
		Form_pg_depend row = (Form_pg_depend) GETSTRUCT(tuple);

		works = has_dependents(row->refclassid, row->refobjid) &&
			!has_dependents(row->refclassid, InvalidOid);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return works;
}
