/* files.h: the files of relations: "nodes" until 15, "locators" since 16. */
#ifndef CARPOOL_COMPAT_FILES_H
#define CARPOOL_COMPAT_FILES_H

#include "postgres.h"

#include "catalog/pg_tablespace_d.h"
#include "common/relpath.h"
#include "storage/smgr.h"
#include "utils/relmapper.h"

#if PG_VERSION_NUM >= 160000
typedef RelFileLocator CarpoolFile;
typedef RelFileNumber CarpoolFileNumber;

#define CARPOOL_FILES_EQUAL(one, other) RelFileLocatorEquals(one, other)

/* The file that a shared catalog has now. */
static inline CarpoolFile
carpool_shared_file(Oid catalog)
{
	return (CarpoolFile) {GLOBALTABLESPACE_OID, InvalidOid, RelationMapOidToFilenumber(catalog, true)};
}

#else
typedef RelFileNode CarpoolFile;
typedef Oid CarpoolFileNumber;

#define CARPOOL_FILES_EQUAL(one, other) RelFileNodeEquals(one, other)

static inline CarpoolFile
carpool_shared_file(Oid catalog)
{
	return (CarpoolFile) {GLOBALTABLESPACE_OID, InvalidOid, RelationMapOidToFilenode(catalog, true)};
}
#endif

#if PG_VERSION_NUM >= 170000
#define CARPOOL_NO_BACKEND INVALID_PROC_NUMBER
#else
#define CARPOOL_NO_BACKEND InvalidBackendId
#endif

/*
 * A file of a relation without an entry in the relation cache, kept open beyond the
 * transaction. *kept is NULL at first; PostgreSQL may close the file again, and an older one
 * that was kept is let go.
 */
static inline SMgrRelation
carpool_keep_open(SMgrRelation *kept, CarpoolFile file)
{
	SMgrRelation opened = smgropen(file, CARPOOL_NO_BACKEND);

	if (*kept == opened)
		return opened;
#if PG_VERSION_NUM >= 170000
	if (*kept != NULL)
		smgrunpin(*kept);
	smgrpin(opened);
	*kept = opened;
#else
	if (*kept != NULL)
		smgrclose(*kept);
	smgrsetowner(kept, opened);
#endif
	return opened;
}

#endif
