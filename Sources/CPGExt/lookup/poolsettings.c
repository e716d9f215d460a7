/* poolsettings.c: the settings that hold for the pool of a database and a role. */
#include "postgres.h"

#include "private/lookup.h"
#include "private/scope.h"
#include "private/settings.h"

/* A limit, 0 for none, lowered by PostgreSQL's own one, -1 for none. */
static int32
lowered(int32 limit, int own_limit)
{
	if (own_limit < 0)
		return limit;
	return limit == 0 ? own_limit : Min(limit, own_limit);
}

/*
 * Fills in the settings: global ones, overlaid with those of database and role, within
 * both CONNECTION LIMITs, of which superusers are exempt.
 */
void
carpool_pool_settings(const CarpoolRole *role, const CarpoolDatabase *database, CarpoolPoolSettings *settings)
{
	CarpoolSettings all = *carpool_settings_current();

	carpool_scope_overlay(database->id, role->id, &all);
	settings->pool_mode = all.pool_mode;
	settings->pool_size = all.pool_size >= 0 ? all.pool_size : all.default_pool_size;
	settings->min_pool_size = all.min_pool_size;
	settings->max_db_connections = all.max_db_connections;
	settings->max_user_connections = all.max_user_connections;
	settings->server_lifetime = all.server_lifetime;
	settings->client_idle_timeout = all.client_idle_timeout;
	settings->idle_transaction_timeout = all.idle_transaction_timeout;
	if (!role->is_superuser)
	{
		settings->max_db_connections = lowered(settings->max_db_connections, database->connection_limit);
		settings->max_user_connections = lowered(settings->max_user_connections, role->connection_limit);
	}
}
