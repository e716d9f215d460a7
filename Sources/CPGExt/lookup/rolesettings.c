/*
 * rolesettings.c: what ALTER ROLE and ALTER DATABASE have set for a login, as the worker
 * sends it to agents, and as an agent makes it for itself where the worker can't.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "cledger.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

#include "private/compat/settings.h"
#include "private/scope.h"

/* In: those of the login. Out: those of the scope with this number, from 0. */
void
carpool_role_scope(int number, Oid *database, Oid *role)
{
	int			scope = number + CLEDGER_ROLE_GLOBAL;

	if (scope != CLEDGER_ROLE_DATABASE && scope != CLEDGER_ROLE_DATABASE_USER)
		*database = InvalidOid;
	if (scope != CLEDGER_ROLE_USER && scope != CLEDGER_ROLE_DATABASE_USER)
		*role = InvalidOid;
}

/* Whether the list from start on has a name. */
static bool
has(StringInfo list, int start, const char *name)
{
	for (int at = start; at < list->len;)
	{
		const char *known = list->data + at + 1;

		if (pg_strcasecmp(known, name) == 0)
			return true;
		at += 1 + (int) strlen(known) + 1;
		at += (int) strlen(list->data + at) + 1;
	}
	return false;
}

/* Appends the settings of one scope that no stronger one has. */
static void
put(StringInfo to, int start, ArrayType *config, char scope)
{
	Datum	   *items;
	int			count;

	deconstruct_array_builtin(config, TEXTOID, &items, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name;
		char	   *value;

		ParseLongOption(TextDatumGetCString(items[i]), &name, &value);
		if (value == NULL || name[0] == '\0' || has(to, start, name))
			continue;
		appendStringInfoChar(to, scope);
		appendBinaryStringInfo(to, name, (int) strlen(name) + 1);
		appendBinaryStringInfo(to, value, (int) strlen(value) + 1);
	}
}

bool
carpool_is_for_start(const char *name)
{
	struct config_generic *setting = carpool_find_setting(name, false, true, DEBUG5);

	return strcmp(name, "session_preload_libraries") == 0 || strcmp(name, "local_preload_libraries") == 0 ||
		(setting && (setting->context == PGC_BACKEND || setting->context == PGC_SU_BACKEND));
}

void
carpool_role_settings_put(StringInfo to, ArrayType *const configs[CARPOOL_ROLE_SCOPES])
{
	int			start = to->len;

	for (int i = CARPOOL_ROLE_SCOPES - 1; i >= 0; i--)
		if (configs[i] != NULL)
			put(to, start, configs[i], (char) (i + CLEDGER_ROLE_GLOBAL));
	appendStringInfoChar(to, '\0');
}
