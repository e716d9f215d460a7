/*
 * environment.c: what PostgreSQL's answers to a text depend on beside the text: the settings
 * that parse analysis, planning, the folding of constants or a language's compilation may
 * look at, and the current role. What was made in one environment serves only clients of the
 * same one.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc_tables.h"
#include "utils/timestamp.h"

#include "private/caches.h"
#include "private/guc.h"
#include "private/state.h"

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

/*
 * Settings that are known not to matter, of groups in which others do. Those that only
 * matter when a statement runs are among them, and those that PostgreSQL itself looks at
 * again before it uses a plan (row_security, session_replication_role).
 */
static const char *const without_effect[] = {
	"application_name", "check_function_bodies", "client_encoding", "client_min_messages",
	"default_table_access_method", "default_tablespace", "default_toast_compression",
	"default_transaction_deferrable", "default_transaction_isolation", "default_transaction_read_only",
	"escape_string_warning", "gin_fuzzy_search_limit", "gin_pending_list_limit",
	"idle_in_transaction_session_timeout", "idle_session_timeout", "lc_messages", "lock_timeout",
	"logical_decoding_work_mem", "maintenance_work_mem", "max_stack_depth", "plan_cache_mode", "role",
	"row_security", "seed", "session_authorization", "session_replication_role", "statement_timeout",
	"temp_buffers", "temp_tablespaces", "transaction_deferrable", "transaction_isolation",
	"transaction_read_only", "transaction_timeout"
};

static int
compare_names(const void *name, const void *known)
{
	return strcmp(name, *(const char *const *) known);
}

/* Whether all settings of a group are known not to matter. */
static bool
is_without_effect(enum config_group group)
{
	switch (group)
	{
		case FILE_LOCATIONS:
		case CONN_AUTH_SETTINGS:
		case CONN_AUTH_TCP:
		case CONN_AUTH_AUTH:
		case CONN_AUTH_SSL:
		case RESOURCES_DISK:
		case RESOURCES_KERNEL:
		case RESOURCES_VACUUM_DELAY:
		case RESOURCES_BGWRITER:
		case WAL_SETTINGS:
		case WAL_CHECKPOINTS:
		case WAL_ARCHIVING:
		case WAL_RECOVERY:
		case WAL_ARCHIVE_RECOVERY:
		case WAL_RECOVERY_TARGET:
		case REPLICATION_SENDING:
		case REPLICATION_PRIMARY:
		case REPLICATION_STANDBY:
		case REPLICATION_SUBSCRIBERS:
		case LOGGING_WHERE:
		case LOGGING_WHEN:
		case LOGGING_WHAT:
		case PROCESS_TITLE:
		case STATS_MONITORING:
		case STATS_CUMULATIVE:
		case AUTOVACUUM:
		case CLIENT_CONN_PRELOAD:
		case LOCK_MANAGEMENT:
		case ERROR_HANDLING_OPTIONS:
			return true;
		default:
			return false;
	}
}

/*
 * A setting counts unless it is known not to matter. Custom ones of no library are an
 * application's own variables: a plan in which one was read as a constant is noticed when it
 * is made (cachefills.c).
 */
bool
carpool_environment_has(const struct config_generic *setting)
{
	if (setting->context == PGC_INTERNAL || (setting->flags & GUC_CUSTOM_PLACEHOLDER) ||
		is_without_effect(setting->group))
		return false;
	if (setting->group == CUSTOM_OPTIONS)
		return strncmp(setting->name, "carpool.", strlen("carpool.")) != 0;
	return bsearch(setting->name, without_effect, lengthof(without_effect), sizeof(without_effect[0]),
				   compare_names) == NULL;
}

/* Added up, as the list of settings has no order; each with the key that no client knows. */
static uint64
calculate(void)
{
	Oid			role = GetUserId();
	uint64		sum = carpool_fingerprint(0, &role, sizeof(role));

	for (dlist_node *node = carpool_guc_list->next; node != carpool_guc_list; node = node->next)
	{
		struct config_generic *setting = dlist_container(struct config_generic, nondef_link, node);

		if (carpool_environment_has(setting))
			sum += carpool_guc_fingerprint_value(setting);
	}
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

	if (carpool_guc_list == NULL)
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
