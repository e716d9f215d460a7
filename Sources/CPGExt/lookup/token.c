/* token.c: one token of pg_hba.conf or pg_ident.conf against a name. */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/acl.h"

#include "private/compat/rules.h"
#include "private/rules.h"

/* Whether the token is this keyword; a quoted one is a name instead. */
bool
carpool_token_is(const AuthToken *token, const char *keyword)
{
	return !token->quoted && strcmp(token->string, keyword) == 0;
}

/* Whether the token names the members of a role: +role. */
bool
carpool_token_is_group(const AuthToken *token)
{
	return !token->quoted && token->string[0] == '+';
}

/*
 * Whether a regular expression, written with a slash in front, matches; fills matches, in bytes of
 * text.
 */
bool
carpool_expression_fits(regex_t *expression, const char *written, const char *text, int count,
						regmatch_t *matches)
{
	int			size = strlen(text);
	pg_wchar   *wide = palloc((size + 1) * sizeof(pg_wchar));
	int			result;

	/* without a database the encoding is SQL_ASCII: one wide character a byte */
	size = pg_mb2wchar_with_len(text, wide, size);
	result = pg_regexec(expression, wide, size, 0, NULL, count, matches, 0);
	pfree(wide);
	if (result != REG_OKAY && result != REG_NOMATCH)
	{
		char		reason[100];

		pg_regerror(result, expression, reason, sizeof(reason));
		ereport(LOG,
				(errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
				 errmsg("regular expression match for \"%s\" failed: %s", written + 1, reason)));
	}
	return result == REG_OKAY;
}

/* Whether the token, a name or a regular expression, fits a text. */
bool
carpool_token_fits(const AuthToken *token, const char *text)
{
	regex_t    *expression = carpool_token_expression(token);

	if (expression != NULL)
		return carpool_expression_fits(expression, token->string, text, 0, NULL);
	return strcmp(token->string, text) == 0;
}

/* Whether a role is a member of a group; being superuser does not make it one. */
bool
carpool_is_member(Oid role, const char *group)
{
	Oid			group_role;

	if (!OidIsValid(role))
		return false;
	group_role = get_role_oid(group, true);
	return OidIsValid(group_role) && is_member_of_role_nosuper(role, group_role);
}

/* Whether a token of a list of roles fits a role. */
bool
carpool_role_token_fits(const AuthToken *token, const char *user, Oid role)
{
	if (carpool_token_is_group(token))
		return carpool_is_member(role, token->string + 1);
	return carpool_token_is(token, "all") || carpool_token_fits(token, user);
}
