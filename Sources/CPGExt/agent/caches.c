/*
 * caches.c: which environment this backend's caches were made in, and when they are dropped:
 * when a client comes whose environment is another one, or not surely the same, and when a
 * client of another role comes. The client that had the backend last finds them as it left
 * them, as on a connection of its own.
 */
#include "postgres.h"

#include "../private/agent.h"
#include "../private/caches.h"
#include "../private/ledger.h"
#include "../private/settings.h"

static uint64 made_in;			/* CARPOOL_MIXED: in several */

static void
publish(uint64 client, uint64 environment)
{
	CledgerServer *server = carpool_agent_server();
	CledgerClient *entry = cledger_client(carpool_ledger, (uint32) client);

	if (server->environment != made_in)
		__atomic_store_n(&server->environment, made_in, __ATOMIC_RELAXED);
	if (client != 0 && entry->environment != environment)
		__atomic_store_n(&entry->environment, environment, __ATOMIC_RELAXED);
}

void
carpool_caches_ended(uint64 client)
{
	uint64		environment = carpool_environment();

	if (environment != made_in || carpool_cache_fills_mixed)
		made_in = CARPOOL_MIXED;
	publish(client, environment);
}

bool
carpool_caches_are_private(void)
{
	return made_in == CARPOOL_MIXED || carpool_cache_fills_folded;
}

void
carpool_caches_enter(uint64 client, bool is_another, bool another_role)
{
	uint64		environment = carpool_environment();

	if (!is_another)
	{
		if (environment != made_in)
			made_in = CARPOOL_MIXED;
	}
	else if (another_role || environment != made_in || carpool_cache_fills_folded)
	{
		carpool_caches_drop();
		made_in = environment;
		carpool_cache_fills_mixed = false;
		carpool_cache_fills_folded = false;
		carpool_cache_fills_ran_immutable = false;
	}
	else if (carpool_cache_fills_ran_immutable)
	{
		carpool_caches_drop_expressions();
		carpool_cache_fills_ran_immutable = false;
	}
	publish(client, environment);
}

bool
carpool_caches_self_test(StringInfo why)
{
	return !carpool_settings_breaks(CARPOOL_CACHES, why) && carpool_caches_drop_test(why) &&
		carpool_plpgsql_works(why);
}
