/*
 * facts.c: what a login takes on for the life of its backend (facts.h), and when that was last seen to
 * change. The moments are counted in changes seen by this process, so that two of them can be compared:
 * a backend may serve a login if the login's facts haven't changed since the backend's own.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"

#include "private/compat.h"
#include "private/facts.h"
#include "private/lookup.h"
#include "private/scope.h"
#include "private/statebytes.h"

typedef struct FactsKey
{
	Oid			database;
	Oid			role;			/* InvalidOid: of any role */
} FactsKey;

typedef struct Facts
{
	FactsKey	key;
	uint64		fingerprint;
	uint64		since;
} Facts;

static HTAB *known;
static uint64 changes;

static uint64
of_text(uint64 seed, const char *text)
{
	return carpool_fingerprint(seed, text, strlen(text) + 1);
}

uint64
carpool_facts_identity(const char *name, bool is_superuser)
{
	return of_text(is_superuser ? 2 : 1, name);
}

/* A role that is SET at each login: whether that is allowed, and what it makes of the session. */
static uint64
of_set_role(uint64 seed, Oid role, const char *name)
{
	Oid			set = get_role_oid(name, true);
	int			rights = 0;

	if (OidIsValid(set) && OidIsValid(role))
		rights = 1 + carpool_may_set_role(role, set) + 2 * superuser_arg(set);
	return carpool_fingerprint(seed + set, &rights, sizeof(rights));
}

/* Those settings of a row of pg_db_role_setting that only hold from a login on; its scope counts. */
static uint64
of_row(uint64 seed, const CarpoolScopedRow *row, int scope, Oid role)
{
	Datum	   *items;
	int			count;

	if (row->config == NULL)
		return carpool_fingerprint(seed, &row->version, sizeof(row->version));
	deconstruct_array_builtin(row->config, TEXTOID, &items, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *item = TextDatumGetCString(items[i]);
		char	   *name;
		char	   *value;

		ParseLongOption(item, &name, &value);
		if (carpool_is_for_start(name))
			seed = of_text(seed + scope, item);
		else if (strcmp(name, "role") == 0 && value != NULL)
			seed = of_set_role(seed, role, value);
	}
	return seed;
}

/* Settings of the server, of its database and, if there is one, of the role. */
static uint64
of_settings(uint64 seed, Oid database, Oid role)
{
	seed = of_text(seed, session_preload_libraries_string);
	seed = of_text(seed, local_preload_libraries_string);
	carpool_scope_refresh();
	for (int i = 0; i < CARPOOL_ROLE_SCOPES; i++)
	{
		Oid			of_database = database;
		Oid			of_role = role;
		const CarpoolScopedRow *row;

		carpool_role_scope(i, &of_database, &of_role);
		row = carpool_scope_row(of_database, of_role);
		if (row != NULL)
			seed = of_row(seed, row, i, role);
	}
	return seed;
}

/* Notes the facts of now; returns since when they are so. The first ones have always been. */
static uint64
note(FactsKey key, uint64 fingerprint)
{
	Facts	   *facts;
	bool		found;

	if (known == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(FactsKey), .entrysize = sizeof(Facts)};

		known = hash_create("carpool login facts", 64, &control, HASH_ELEM | HASH_BLOBS);
	}
	facts = hash_search(known, &key, HASH_ENTER, &found);
	if (!found)
		facts->since = 0;
	else if (facts->fingerprint != fingerprint)
		facts->since = ++changes;
	facts->fingerprint = fingerprint;
	return facts->since;
}

uint64
carpool_facts_since(Oid database, const CarpoolRole *role)
{
	uint64		identity = carpool_facts_identity(role->name, role->is_superuser);

	return note((FactsKey) {database, role->id}, of_settings(identity, database, role->id));
}

uint64
carpool_facts_of_database(Oid database)
{
	return note((FactsKey) {database, InvalidOid}, of_settings(0, database, InvalidOid));
}

uint64
carpool_facts_now(void)
{
	return changes;
}
