/*
 * caches.c: knows in which environment this backend's caches were made, and has them dropped when
 * a client comes whose environment is another one, or not surely the same, and when a client of
 * another role comes. The client that had the backend last finds them as it left them, as on a
 * connection of its own.
 */
#include "postgres.h"

#include "access/xact.h"

#include "private/caches.h"
#include "private/cachesigns.h"
#include "private/environment.h"
#include "private/ledger.h"
#include "private/session.h"
#include "private/settings.h"

/*
 * Writes into the ledger what it does not have yet; without a look at it, which may be in another
 * processor's cache.
 */
static void
publish(uint64 client, uint64 environment)
{
	static uint64 told_made_in;
	static uint64 told_client;
	static uint64 told_environment;

	if (told_made_in != carpool_caches_made_in)
	{
		told_made_in = carpool_caches_made_in;
		__atomic_store_n(&carpool_agent_server()->environment, carpool_caches_made_in, __ATOMIC_RELAXED);
	}
	if (client == 0 || (told_client == client && told_environment == environment))
		return;
	told_client = client;
	told_environment = environment;
	cledger_client_is_in(carpool_ledger, client, environment);
}

void
carpool_caches_ended(uint64 client)
{
	uint64		environment = carpool_environment();

	if (environment != carpool_caches_made_in || carpool_cache_fills_mixed)
		carpool_caches_made_in = CARPOOL_MIXED;
	publish(client, environment);
}

/*
 * Whether the caches have been made before a login with what names meant then, and now mean
 * something else: a direct connection would have made them after it. What others have changed
 * is heard of at the beginning of a transaction; it is asked once for all logins so far.
 */
static bool
are_outdated_for(uint64 client)
{
	static uint64 asked;		/* CledgerHeader.logins then */
	const CledgerClient *entry = cledger_client(carpool_ledger, (uint32) client);

	if (likely(client == 0 || entry->login <= asked))
		return false;
	asked = __atomic_load_n(&carpool_ledger->logins, __ATOMIC_SEQ_CST);
	StartTransactionCommand();
	CommitTransactionCommand();
	return carpool_cache_names_changed;
}

/* All that was made so far is made anew. */
static void
drop(uint64 environment)
{
	carpool_caches_drop();
	carpool_caches_made_in = environment;
	carpool_cache_fills_mixed = false;
	carpool_cache_fills_folded = false;
	carpool_cache_fills_ran_immutable = false;
	carpool_cache_names_changed = false;
}

void
carpool_caches_enter(uint64 client, bool is_another, bool another_role)
{
	uint64		environment = carpool_environment();

	if (!is_another)
	{
		if (environment != carpool_caches_made_in)
			carpool_caches_made_in = CARPOOL_MIXED;
	}
	else if (another_role || environment != carpool_caches_made_in || carpool_cache_fills_folded ||
			 are_outdated_for(client))
		drop(environment);
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
