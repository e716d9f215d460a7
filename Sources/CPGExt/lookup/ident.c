/* ident.c: OS users of Unix sockets, and which roles pg_ident.conf lets them be. */
#include "postgres.h"

#include <pwd.h>
#include <unistd.h>

#include "private/compat/rules.h"
#include "private/rules.h"

/* The name of an OS user; false when there is none. */
bool
carpool_os_user_name(uint32 uid, char *name, size_t size)
{
	char		room[4096];
	struct passwd entry;
	struct passwd *found = NULL;

	if (uid == CARPOOL_NO_UID || getpwuid_r(uid, &entry, room, sizeof(room), &found) != 0 || found == NULL)
		return false;
	return strlcpy(name, found->pw_name, size) < size;
}

/* The role of a line with its first \1 replaced by the group that matched in the OS user's name. */
static char *
expanded(const char *role, const char *os_user, const regmatch_t *group)
{
	const char *mark = strstr(role, "\\1");

	return psprintf("%.*s%.*s%s", (int) (mark - role), role,
					(int) (group->rm_eo - group->rm_so), os_user + group->rm_so, mark + 2);
}

/* Whether a line's role fits; failed tells of a line that ends the search. */
static bool
role_fits(const IdentLine *line, const char *user, Oid role, const char *os_user,
		  const regmatch_t *group, bool *failed)
{
	AuthToken	role_token = carpool_ident_role(line);
	const AuthToken *token = &role_token;
	bool		fits;
	char	   *name;

	if (group == NULL || carpool_token_is_group(token) || carpool_token_expression(token) != NULL ||
		strstr(token->string, "\\1") == NULL)
		return carpool_role_token_fits(token, user, role);
	if (group->rm_so < 0)
	{
		ereport(
			LOG,
			(errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
			 errmsg("regular expression \"%s\" has no subexpressions as requested by backreference in \"%s\"",
					carpool_ident_os_user(line) + 1, token->string)));
		*failed = true;
		return false;
	}
	/* what came from the OS user is a plain name, whatever it looks like */
	name = expanded(token->string, os_user, group);
	fits = strcmp(name, user) == 0;
	pfree(name);
	return fits;
}

/*
 * Whether an OS user may be a role: by the lines of map, or, without one, by having
 * its name. In a transaction.
 */
bool
carpool_ident_allows(const char *map, const char *user, Oid role, const char *os_user)
{
	ListCell   *cell;

	if (map == NULL || map[0] == '\0')
		return strcmp(user, os_user) == 0;
	foreach(cell, carpool_ident_lines())
	{
		const IdentLine *line = lfirst(cell);
		regmatch_t	matches[2];
		const regmatch_t *group = NULL;
		regex_t    *expression;
		bool		failed = false;

		if (strcmp(line->usermap, map) != 0)
			continue;
		expression = carpool_ident_expression(line);
		if (expression != NULL)
		{
			if (!carpool_expression_fits(expression, carpool_ident_os_user(line), os_user, 2, matches))
				continue;
			group = &matches[1];
		}
		else if (strcmp(carpool_ident_os_user(line), os_user) != 0)
			continue;
		if (role_fits(line, user, role, os_user, group, &failed))
			return true;
		if (failed)
			return false;
	}
	return false;
}
