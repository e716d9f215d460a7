/*
 * surroundings.c: what the meaning of a statement's text depends on beside the text. A plan
 * source made for one client serves another only where all this is equal.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "miscadmin.h"
#include "utils/guc_tables.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "../private/guc.h"
#include "../private/state.h"
#include "../private/statements.h"

static bool names_changed;		/* since names_changed_at */
static TimestampTz names_changed_at;

/*
 * Whether analysis (constants are read then, by DateStyle for one) or planning may depend on
 * a setting. Not those of extensions: they are mostly an application's own variables.
 */
static bool
matters(const struct config_generic *setting)
{
	switch (setting->group)
	{
		case QUERY_TUNING_METHOD:
		case QUERY_TUNING_COST:
		case QUERY_TUNING_GEQO:
		case QUERY_TUNING_OTHER:
		case RESOURCES_MEM:
		case CLIENT_CONN_LOCALE:
		case COMPAT_OPTIONS_PREVIOUS:
		case COMPAT_OPTIONS_CLIENT:
			return true;
		case CLIENT_CONN_STATEMENT:
			return strcmp(setting->name, "search_path") == 0 || strcmp(setting->name, "xmloption") == 0;
		default:
			return false;
	}
}

static uint64
fingerprint_of(const struct config_generic *setting)
{
	uint64		seed = (uintptr_t) setting;

	switch (setting->vartype)
	{
		case PGC_BOOL:
			return carpool_fingerprint(seed, ((struct config_bool *) setting)->variable, sizeof(bool));
		case PGC_INT:
			return carpool_fingerprint(seed, ((struct config_int *) setting)->variable, sizeof(int));
		case PGC_REAL:
			return carpool_fingerprint(seed, ((struct config_real *) setting)->variable, sizeof(double));
		case PGC_ENUM:
			return carpool_fingerprint(seed, ((struct config_enum *) setting)->variable, sizeof(int));
		case PGC_STRING:
			{
				const char *value = *((struct config_string *) setting)->variable;

				return value == NULL ? seed : carpool_fingerprint(seed, value, strlen(value));
			}
	}
	return 0;
}

static bool
add(struct config_generic *setting, void *argument)
{
	if (matters(setting))
		*(uint64 *) argument += fingerprint_of(setting);
	return true;
}

/* Means something in this backend only. Looks at the settings only when they may be others. */
uint64
carpool_surroundings(void)
{
	static uint64 settings;
	static uint64 version = PG_UINT64_MAX;

	if (version != carpool_guc_version())
	{
		version = carpool_guc_version();
		settings = 0;
		carpool_guc_list_walk(add, &settings);
	}
	return settings + GetUserId();
}

static void
note_change(Datum argument, int cache, uint32 hash)
{
	names_changed = true;
}

/*
 * PostgreSQL analyses a plan source again when an object in it changes, but not when a new
 * object would now be found first: a table in a schema earlier in the search path, a better
 * fitting function. Whoever prepares after that must not get a plan source from before.
 */
void
carpool_names_watch(void)
{
	static const int caches[] = {RELOID, PROCOID, TYPEOID, OPEROID, CASTSOURCETARGET};
	static bool is_watching;

	if (is_watching)
		return;
	is_watching = true;
	for (int i = 0; i < lengthof(caches); i++)
		CacheRegisterSyscacheCallback(caches[i], note_change, (Datum) 0);
}

bool
carpool_names_changed(TimestampTz since)
{
	if (names_changed)
	{
		names_changed = false;
		names_changed_at = GetCurrentTimestamp();	/* later than it was: that is the safe side */
	}
	return names_changed_at >= since;
}
