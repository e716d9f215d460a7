/*
 * effects.c: tells which settings have an effect on what PostgreSQL keeps in caches, and so are
 * part of an environment (environment.c).
 */
#include "postgres.h"

#include "utils/guc_tables.h"

#include "private/compat/groups.h"
#include "private/environment.h"

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
		case CONN_AUTH_AUTH:
		case CONN_AUTH_SSL:
		case RESOURCES_DISK:
		case RESOURCES_KERNEL:
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
		case CLIENT_CONN_PRELOAD:
		case CARPOOL_GROUPS_WITHOUT_EFFECT:
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
