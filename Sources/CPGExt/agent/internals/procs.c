/* procs.c: looks up functions in PostgreSQL's cache of pg_proc. */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "utils/syscache.h"

#include "private/procs.h"

bool
carpool_proc_find(Oid function, CarpoolProc *proc)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc row;

	if (!HeapTupleIsValid(tuple))
		return false;
	row = (Form_pg_proc) GETSTRUCT(tuple);
	*proc = (CarpoolProc) {.language = row->prolang, .volatility = row->provolatile};
	ReleaseSysCache(tuple);
	return true;
}
