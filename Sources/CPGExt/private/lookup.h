/* lookup.h: answers to the questions of engine threads; main thread only. */
#ifndef CARPOOL_LOOKUP_H
#define CARPOOL_LOOKUP_H

#include "postgres.h"

#include "access/htup_details.h"
#include "chost.h"

/* lookup.c */
extern void carpool_lookup_open(void);
extern void carpool_lookup_stopping(void);
extern bool carpool_lookup(const CarpoolQuestion *question, CarpoolAnswer *answer);

/* error.c */
extern void carpool_error_set(CarpoolError *error, int sqlerrcode, const char *format, ...)
	__attribute__((format(__printf__, 3, 4)));
extern void carpool_error_detail(CarpoolError *error, const char *format, ...)
	__attribute__((format(__printf__, 2, 3)));
extern void carpool_error_hint(CarpoolError *error, const char *format, ...)
	__attribute__((format(__printf__, 2, 3)));
extern bool carpool_error_is_set(const CarpoolError *error);

/* One answer each, in a transaction; false: a host name has to be found first. */
extern bool carpool_answer_login(const CarpoolQuestion *question, CarpoolAnswer *answer);
extern bool carpool_answer_route(const CarpoolQuestion *question, CarpoolAnswer *answer);
extern void carpool_answer_confirm(const CarpoolQuestion *question, CarpoolAnswer *answer);

/* access.c */
typedef struct CarpoolRole
{
	Oid			id;				/* InvalidOid: no such role */
	char		name[NAMEDATALEN];
	bool		may_login;
	bool		is_superuser;
	int			connection_limit;	/* -1: none */
} CarpoolRole;

typedef struct CarpoolDatabase
{
	Oid			id;				/* InvalidOid: no such database */
	char		name[NAMEDATALEN];
	bool		allows_connections;
	bool		is_invalid;
	int			connection_limit;	/* -1: none */
} CarpoolDatabase;

extern void carpool_find_role(const char *name, CarpoolRole *role);
extern void carpool_find_database(const char *name, CarpoolDatabase *database);
extern void carpool_check_access(const CarpoolRole *role, const char *role_name,
								 const CarpoolDatabase *database, const char *database_name,
								 CarpoolError *error);

/* poolsettings.c */
extern void carpool_pool_settings(const CarpoolRole *role, const CarpoolDatabase *database,
								  CarpoolPoolSettings *settings);

/* sharing.c: pools that serve several roles. */
extern void carpool_shared_settings(const CarpoolDatabase *database, CarpoolPoolSettings *settings);
extern bool carpool_may_share(const CarpoolRole *role, const CarpoolDatabase *database,
							  const CarpoolAnswer *login);	/* pool and role_settings are there */

/*
 * route.c: whether pg_hba.conf lets the cluster's owner, by peer, into a database; address and user
 * of the answer.
 */
extern bool carpool_route_as_owner(char *database, CarpoolAnswer *answer);

/* targets.c */
typedef struct CarpoolTarget
{
	struct sockaddr_storage address;
	socklen_t	size;
} CarpoolTarget;

extern void carpool_targets_open(void);
extern int	carpool_targets(const CarpoolTarget **targets);

#endif
