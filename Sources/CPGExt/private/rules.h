/* rules.h: pg_hba.conf and pg_ident.conf as we read and match them ourselves. */
#ifndef CARPOOL_RULES_H
#define CARPOOL_RULES_H

#include "postgres.h"

#include <sys/socket.h>

#include "chost.h"
#include "libpq/hba.h"
#include "nodes/pg_list.h"

/* A connection as the rules see it. */
typedef struct CarpoolConnection
{
	const char *user;
	Oid			role;			/* InvalidOid: no such role */
	const char *database;
	const struct sockaddr_storage *peer;
	socklen_t	peer_size;
} CarpoolConnection;

typedef enum CarpoolMatch
{
	CARPOOL_MATCHED, CARPOOL_NO_MATCH,
	CARPOOL_NEEDS_NAME			/* the peer's host name has to be found first */
} CarpoolMatch;

/* hba.c */
extern void carpool_rules_load(void);
extern bool carpool_rules_loaded(void);
extern List *carpool_hba_lines(void);
extern List *carpool_ident_lines(void);
extern const char *carpool_line_file(const HbaLine *line);

/* hba_match.c */
extern CarpoolMatch carpool_hba_match(const CarpoolConnection *connection, const HbaLine **line);

/* ident.c */
extern bool carpool_ident_allows(const char *map, const char *user, Oid role, const char *os_user);
extern bool carpool_os_user_name(uint32 uid, char *name, size_t size);

/* token.c */
extern bool carpool_token_is(const AuthToken *token, const char *keyword);
extern bool carpool_token_is_group(const AuthToken *token);
extern bool carpool_token_fits(const AuthToken *token, const char *text);
extern bool carpool_expression_fits(regex_t *expression, const char *written, const char *text, int count,
									regmatch_t *matches);
extern bool carpool_is_member(Oid role, const char *group);
extern bool carpool_role_token_fits(const AuthToken *token, const char *user, Oid role);

/* names.c: host names of peers, found on threads of their own */
extern bool carpool_name_of(const struct sockaddr_storage *address, socklen_t size, const char **name);
extern void carpool_names_wait(const struct sockaddr_storage *address, const CarpoolQuestion *question);
extern bool carpool_names_take(CarpoolQuestion *question);
extern void carpool_names_close(void);

#endif
