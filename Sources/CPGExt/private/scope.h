/* scope.h: settings of roles and databases, read from pg_db_role_setting. */
#ifndef CARPOOL_SCOPE_H
#define CARPOOL_SCOPE_H

#include "postgres.h"

#include "csettings.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* A row of pg_db_role_setting. */
typedef struct CarpoolScopedRow
{
	Oid			database;
	Oid			role;
	ArrayType  *config;			/* NULL: too long to be read by the worker; */
	Oid			version;		/* then another one with each change */
} CarpoolScopedRow;

/* Makes sure that rows are those of now; in a transaction. */
extern void carpool_scope_refresh(void);
extern void carpool_scope_overlay(Oid database, Oid role, CarpoolSettings *settings);

/* The row of a database and a role, as of the last refresh or overlay; NULL: there is none. */
extern const CarpoolScopedRow *carpool_scope_row(Oid database, Oid role);

/* rolesettings.c: the scopes that hold for a login, in the order of CLEDGER_ROLE_… */
#define CARPOOL_ROLE_SCOPES 4
extern void carpool_role_scope(int number, Oid *database, Oid *role);

/* Whether a setting takes effect only while a backend starts. */
extern bool carpool_is_for_start(const char *name);

/* The first list of CLEDGER_START, with its NUL, from these scopes' settings; NULL: none. */
extern void carpool_role_settings_put(StringInfo to, ArrayType *const configs[CARPOOL_ROLE_SCOPES]);

/*
 * agent/settings/rolecatalog.c, in a transaction: the settings of a database and a role as the
 * catalog has them in a snapshot, in the current context; NULL: there are none.
 */
extern ArrayType *carpool_role_catalog_settings(Relation relation, Snapshot snapshot, Oid database, Oid role);

/*
 * agent/settings/rolecatalog.c: the first list of CLEDGER_START, as the catalog has it now; in a
 * transaction.
 */
extern void carpool_role_settings_read(StringInfo list);

#endif
