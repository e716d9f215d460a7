/* sharing.c: which roles may be served from one pool of a database (share_roles), and its settings. */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type_d.h"
#include "cledger.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "private/lookup.h"
#include "private/scope.h"
#include "private/settings.h"

/* The settings of such a pool: the database's. A limit of one user's servers means nothing to it. */
void
carpool_shared_settings(const CarpoolDatabase *database, CarpoolPoolSettings *settings)
{
	CarpoolRole any = {.connection_limit = -1};

	carpool_pool_settings(&any, database, settings);
	settings->max_user_connections = 0;
}

/* Whether what concerns the pool is for a role as for any other; timeouts are each client's own. */
static bool
has_usual_settings(const CarpoolDatabase *database, const CarpoolPoolSettings *own)
{
	CarpoolPoolSettings usual;

	carpool_shared_settings(database, &usual);
	return own->max_user_connections == 0 && own->pool_mode == usual.pool_mode &&
		own->pool_size == usual.pool_size && own->min_pool_size == usual.min_pool_size &&
		own->max_db_connections == usual.max_db_connections && own->server_lifetime == usual.server_lifetime;
}

/* Whether a row of pg_db_role_setting has a setting that only holds from a login on. */
static bool
holds_from_login(Oid database, Oid role)
{
	const CarpoolScopedRow *row = carpool_scope_row(database, role);
	Datum	   *items;
	int			count;

	if (row == NULL)
		return false;
	if (row->config == NULL)
		return true;			/* it can't be known */
	deconstruct_array_builtin(row->config, TEXTOID, &items, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name;
		char	   *value;

		ParseLongOption(TextDatumGetCString(items[i]), &name, &value);
		if (carpool_is_for_start(name))
			return true;
	}
	return false;
}

/* Whether the cluster's owner has settings of its own, which its logins would bring along. */
static bool
owner_has_settings(Oid database)
{
	return carpool_scope_row(InvalidOid, BOOTSTRAP_SUPERUSERID) != NULL ||
		carpool_scope_row(database, BOOTSTRAP_SUPERUSERID) != NULL;
}

/*
 * Whether a role that logs in may be served together with others: nothing about it needs
 * backends of its own, and the owner can log in. In a transaction, as of the settings just read.
 */
bool
carpool_may_share(const CarpoolRole *role, const CarpoolDatabase *database, const CarpoolAnswer *login)
{
	CarpoolAnswer *route;
	bool		fine;

	if (!carpool_settings_current()->share_roles || role->is_superuser || role->connection_limit >= 0 ||
		!has_usual_settings(database, &login->numbers.pool) ||
		login->role_settings[0] == CLEDGER_ROLE_UNKNOWN ||
		holds_from_login(InvalidOid, role->id) || holds_from_login(database->id, role->id) ||
		owner_has_settings(database->id))
		return false;
	route = palloc0(sizeof(*route));
	fine = carpool_route_as_owner(pstrdup(database->name), route);
	pfree(route);
	return fine;
}
