/*
 * settings.h: the settings of guc.c, one or all. Until 15 they are in an array that is sorted by
 * name, with the placeholders among them; since 16 in a hash table.
 */
#ifndef CARPOOL_COMPAT_SETTINGS_H
#define CARPOOL_COMPAT_SETTINGS_H

#include "postgres.h"

#include "catalog/pg_authid.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

#if PG_VERSION_NUM >= 160000
#include "utils/conffiles.h"

/* Whether settings are in an array, and not in a hash table and in lists of those that matter. */
#define CARPOOL_SETTINGS_ARE_ARRAY 0

/* The setting of a name; create: makes a placeholder where there is none. As find_option() of 16. */
static inline struct config_generic *
carpool_find_setting(const char *name, bool create, bool skip_errors, int elevel)
{
	return find_option(name, create, skip_errors, elevel);
}

/* All settings, sorted by name. The array is the caller's. */
static inline struct config_generic **
carpool_all_settings(int *count)
{
	return get_guc_variables(count);
}

/* Whether a setting keeps no value between transactions, and so has none to go back to. */
static inline bool
carpool_setting_has_no_reset(const struct config_generic *setting)
{
	return (setting->flags & GUC_NO_RESET) != 0;
}

/* The value as it is reported. The string is the caller's. */
static inline char *
carpool_reported_value(struct config_generic *setting)
{
	return ShowGUCOption(setting, false);
}

#else
#define CARPOOL_SETTINGS_ARE_ARRAY 1

/* Settings and their values come from malloc(). */
#define guc_free(pointer) free(pointer)
#define guc_strdup(elevel, text) carpool_guc_strdup(text)

#define CONF_FILE_START_DEPTH 0

/* settingarray.c: as find_option() of 16. */
extern struct config_generic *carpool_find_setting(const char *name, bool create, bool skip_errors,
												   int elevel);

static inline struct config_generic **
carpool_all_settings(int *count)
{
	struct config_generic **all;

	*count = GetNumConfigOptions();
	all = palloc(*count * sizeof(*all));
	memcpy(all, get_guc_variables(), *count * sizeof(*all));
	return all;
}

/* 15 takes RESET of these, and gives them a value that the next transaction begins without. */
static inline bool
carpool_setting_has_no_reset(const struct config_generic *setting)
{
	return (setting->flags & GUC_NO_RESET_ALL) != 0 &&
		(strncmp(setting->name, "transaction_", strlen("transaction_")) == 0 ||
		 strcmp(setting->name, "seed") == 0);
}

/* None that is reported has a unit. */
static inline char *
carpool_reported_value(struct config_generic *setting)
{
	return GetConfigOptionByName(setting->name, NULL, false);
}

static inline char *
carpool_guc_strdup(const char *text)
{
	char	   *copy = strdup(text);

	if (copy == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return copy;
}
#endif

#endif
