/*
 * environment.c: makes a number of what PostgreSQL's answers to a text depend on beside the text:
 * the settings that parse analysis, planning, the folding of constants or a language's
 * compilation may look at, and the current role. What was made in one environment serves only
 * clients of the same one.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc_tables.h"
#include "utils/timestamp.h"

#include "private/environment.h"
#include "private/guc.h"
#include "private/statebytes.h"

#define REMEMBERED 64

/* Of a session that is known by the fingerprints of its settings. */
typedef struct Remembered
{
	uint64		startup;
	uint64		settings;
	Oid			role;
	uint64		environment;	/* 0: nothing is remembered here */
} Remembered;

static Remembered remembered[REMEMBERED];
static TimestampTz remembered_reload;	/* PgReloadTime then */

/* The session's settings, as they were told; while no setting may have changed since. */
static uint64 session_startup;
static uint64 session_settings;
static uint64 session_version;	/* 0: nothing was told */

/* Added up, as the list of settings has no order; each with the key that no client knows. */
static uint64
calculate(void)
{
	Oid			role = GetUserId();
	uint64		sum = carpool_fingerprint(0, &role, sizeof(role));
	CarpoolGucWalk walk = carpool_guc_walk();
	struct config_generic *setting;

	while ((setting = carpool_guc_walk_next(&walk)) != NULL)
		if (carpool_environment_has(setting))
			sum += carpool_guc_fingerprint_value(setting);
	return sum != CARPOOL_MIXED ? sum : 1;
}

/* Where the environment of a session like this one is remembered. */
static Remembered *
place(Oid role)
{
	if (remembered_reload != PgReloadTime)
		carpool_environment_forget();
	return &remembered[(session_startup ^ session_settings ^ role) % REMEMBERED];
}

/* By way of what is remembered, where the session is known. */
static uint64
look_up(void)
{
	Oid			role = GetUserId();
	Remembered *entry;

	if (session_version != carpool_guc_version())
		return calculate();
	entry = place(role);
	if (entry->environment != 0 && entry->startup == session_startup && entry->settings == session_settings &&
		entry->role == role)
		return entry->environment;
	entry->startup = session_startup;
	entry->settings = session_settings;
	entry->role = role;
	entry->environment = calculate();
	return entry->environment;
}

/* Looks at the settings only when they may be others. */
uint64
carpool_environment(void)
{
	static uint64 environment;
	static uint64 version = PG_UINT64_MAX;
	static Oid	role;

	if (!carpool_guc_list_is_known())
		return CARPOOL_MIXED;
	if (version != carpool_guc_version() || role != GetUserId())
	{
		environment = look_up();
		version = carpool_guc_version();
		role = GetUserId();
	}
	return environment;
}

void
carpool_environment_session(uint64 startup, uint64 settings)
{
	session_startup = startup;
	session_settings = settings;
	session_version = carpool_guc_version();
}

void
carpool_environment_forget(void)
{
	memset(remembered, 0, sizeof(remembered));
	remembered_reload = PgReloadTime;
	session_version = 0;
}
