/* scope.h: settings of roles and databases, read from pg_db_role_setting. */
#ifndef CARPOOL_SCOPE_H
#define CARPOOL_SCOPE_H

#include "postgres.h"

#include "csettings.h"

extern void carpool_scope_overlay(Oid database, Oid role, CarpoolSettings *settings);

#endif
