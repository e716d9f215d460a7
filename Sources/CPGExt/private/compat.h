/* compat.h: what differs between server versions; the only place with #if lines for it. */
#ifndef CARPOOL_COMPAT_H
#define CARPOOL_COMPAT_H

#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "libpq/libpq-be.h"
#include "libpq/libpq.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "postmaster/postmaster.h"
#include "replication/slot.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/sinvaladt.h"
#include "utils/acl.h"
#include "utils/memutils.h"

#if PG_VERSION_NUM >= 180000
#define CARPOOL_NORETURN pg_noreturn
#else
#define CARPOOL_NORETURN pg_attribute_noreturn()
#endif

#if PG_VERSION_NUM < 150000
#error "pg_carpool needs PostgreSQL 15 or newer"
#endif

/* What is not printable ASCII in an application_name is a question mark until 15, and \xNN since 16. */
#define CARPOOL_MASKS_NAMES (PG_VERSION_NUM < 160000)

/* Whether a role owns a database; superusers own all. */
static inline bool
carpool_owns_database(Oid database, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(DatabaseRelationId, database, role);
#else
	return pg_database_ownercheck(database, role);
#endif
}

/* Whether a role may connect to a database; superusers may. */
static inline bool
carpool_may_connect(Oid database, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(DatabaseRelationId, database, role, ACL_CONNECT) == ACLCHECK_OK;
#else
	return pg_database_aclcheck(database, role, ACL_CONNECT) == ACLCHECK_OK;
#endif
}

/* Whether a role may SET another one; superusers may. */
static inline bool
carpool_may_set_role(Oid role, Oid set)
{
#if PG_VERSION_NUM >= 160000
	return member_can_set_role(role, set);
#else
	return is_member_of_role(role, set);
#endif
}

/*
 * Whether there are slots for processes beyond those that are kept for superusers or, since 16, for
 * some roles.
 */
static inline bool
carpool_may_take_slot(Oid role)
{
#if PG_VERSION_NUM >= 160000
	int			reserved = SuperuserReservedConnections + ReservedConnections;
	int			free_slots;

	return reserved == 0 || HaveNFreeProcs(reserved, &free_slots) ||
		(free_slots >= SuperuserReservedConnections &&
		 has_privs_of_role(role, ROLE_PG_USE_RESERVED_CONNECTIONS));
#else
	return ReservedBackends == 0 || HaveNFreeProcs(ReservedBackends);
#endif
}

/* The session has no authenticated identity (system_user, since 16) from now on. */
static inline void
carpool_forget_identity(Port *port)
{
#if PG_VERSION_NUM >= 160000
	MyClientConnectionInfo.authn_id = NULL;
#else
	port->authn_id = NULL;
#endif
}

/* A span of time in nanoseconds. */
static inline uint64
carpool_nanoseconds(instr_time time)
{
#if PG_VERSION_NUM >= 160000
	return (uint64) INSTR_TIME_GET_NANOSEC(time);
#else
	return (uint64) time.tv_sec * 1000000000 + (uint64) time.tv_nsec;
#endif
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

#endif
