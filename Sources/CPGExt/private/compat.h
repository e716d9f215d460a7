/* compat.h: what differs between server versions; the only place with #if lines for it. */
#ifndef CARPOOL_COMPAT_H
#define CARPOOL_COMPAT_H

#include "postgres.h"

#include "catalog/pg_database.h"
#include "libpq/hba.h"
#include "libpq/libpq.h"
#include "miscadmin.h"
#include "replication/slot.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/sinvaladt.h"
#include "storage/smgr.h"
#include "utils/acl.h"
#include "utils/memutils.h"

#if PG_VERSION_NUM >= 180000
#define CARPOOL_NORETURN pg_noreturn
#else
#define CARPOOL_NORETURN pg_attribute_noreturn()
#endif

#if PG_VERSION_NUM < 160000
#error "pg_carpool needs PostgreSQL 16 or newer"
#endif

/* Whether a role owns a database; superusers own all. */
static inline bool
carpool_owns_database(Oid database, Oid role)
{
	return object_ownercheck(DatabaseRelationId, database, role);
}

/* Whether a role may connect to a database; superusers may. */
static inline bool
carpool_may_connect(Oid database, Oid role)
{
	return object_aclcheck(DatabaseRelationId, database, role, ACL_CONNECT) == ACLCHECK_OK;
}

/* A wait event set that lives until the process ends. */
static inline WaitEventSet *
carpool_wait_event_set(int size)
{
#if PG_VERSION_NUM >= 170000
	return CreateWaitEventSet(NULL, size);
#else
	return CreateWaitEventSet(TopMemoryContext, size);
#endif
}

/* Drops the temporary replication slots of this session. */
static inline void
carpool_replication_slot_cleanup(void)
{
#if PG_VERSION_NUM >= 170000
	ReplicationSlotCleanup(false);
#else
	ReplicationSlotCleanup();
#endif
}

/* Makes a role the one that has authenticated itself. */
static inline void
carpool_set_authenticated_user(Oid role, bool is_superuser)
{
#if PG_VERSION_NUM >= 170000
	SetAuthenticatedUserId(role);
#else
	SetAuthenticatedUserId(role, is_superuser);
#endif
}

/* Whether PostgreSQL has received more than it has taken. */
static inline bool
carpool_has_unread_input(void)
{
#if PG_VERSION_NUM >= 170000
	return pq_buffer_remaining_data() > 0;
#else
	return pq_buffer_has_data();
#endif
}

/* A process's slot in the ledger: from 1 to MaxBackends. */
static inline uint32
carpool_slot_of_proc(PGPROC *proc)
{
#if PG_VERSION_NUM >= 170000
	return (uint32) GetNumberFromPGProc(proc) + 1;
#else
	return (uint32) proc->backendId;
#endif
}

/* The process of a slot; NULL: there is none. */
static inline PGPROC *
carpool_proc_of_slot(uint32 slot)
{
#if PG_VERSION_NUM >= 170000
	return slot > 0 ? GetPGProcByNumber(slot - 1) : NULL;
#else
	return BackendIdGetProc((int) slot);
#endif
}

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
carpool_keep_open(SMgrRelation *kept, RelFileLocator file)
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
