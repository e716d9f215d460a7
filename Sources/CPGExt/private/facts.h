/*
 * facts.h: what a backend takes on at its login for as long as it lives: the role's name, whether that
 * is a superuser, and settings that only hold from a login on. A database's name is none of it: a
 * database is not renamed while it has backends.
 */
#ifndef CARPOOL_FACTS_H
#define CARPOOL_FACTS_H

#include "postgres.h"

#include "lookup.h"

/* lookup/facts.c: of a role's name and rights, for CledgerServer.identity; in any process. */
extern uint64 carpool_facts_identity(const char *name, bool is_superuser);

/*
 * lookup/facts.c, main thread, in a transaction: when the facts of a role's logins in a database were
 * last seen to change, and of any role's; counted in changes. They are looked at anew.
 */
extern uint64 carpool_facts_since(Oid database, const CarpoolRole *role);
extern uint64 carpool_facts_of_database(Oid database);

/* lookup/facts.c, main thread: the changes seen so far. */
extern uint64 carpool_facts_now(void);

#endif
