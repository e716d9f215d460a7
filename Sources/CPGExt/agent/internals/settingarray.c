/*
 * settingarray.c: finds settings by name, and takes placeholders out, where guc.c has all settings in
 * an array: on PostgreSQL 15.
 */
#include "postgres.h"

#include "private/compat/settingtable.h"
#include "private/variables.h"

#if CARPOOL_SETTINGS_ARE_ARRAY

/* As map_old_guc_names of guc.c. */
static const char *const old_names[][2] = {
	{"sort_mem", "work_mem"},
	{"vacuum_mem", "maintenance_work_mem"}
};

/* The case of ASCII letters is nothing, and locales don't matter: as in guc.c. */
static inline char
fold(char letter)
{
	return letter >= 'A' && letter <= 'Z' ? (char) (letter + 'a' - 'A') : letter;
}

/* The order of the array. */
static int
compare_names(const char *a, const char *b)
{
	for (; *a != '\0' && *b != '\0'; a++, b++)
		if (fold(*a) != fold(*b))
			return fold(*a) - fold(*b);
	return *a != '\0' ? 1 : *b != '\0' ? -1 : 0;
}

/* The place of a name; -1: there is none. */
static int
place_of(const char *name)
{
	struct config_generic **all = get_guc_variables();
	int			low = 0;
	int			high = GetNumConfigOptions();

	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			order = compare_names(name, all[middle]->name);

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -1;
}

static struct config_generic *
look_up(const char *name)
{
	int			place = place_of(name);

	for (int i = 0; place < 0 && i < lengthof(old_names); i++)
		if (compare_names(name, old_names[i][0]) == 0)
			place = place_of(old_names[i][1]);
	return place >= 0 ? get_guc_variables()[place] : NULL;
}

struct config_generic *
carpool_find_setting(const char *name, bool create, bool skip_errors, int elevel)
{
	struct config_generic *setting = look_up(name);

	/* to ask whether a value may be set makes the placeholder already, where its name is allowed */
	if (setting == NULL && create &&
		set_config_option_ext(name, "", PGC_SUSET, PGC_S_SESSION, BOOTSTRAP_SUPERUSERID, GUC_ACTION_SET,
							  false, skip_errors ? DEBUG5 : elevel, false) != 0)
		setting = look_up(name);
	if (setting == NULL && !skip_errors)
		ereport(elevel,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("unrecognized configuration parameter \"%s\"", name)));
	return setting;
}

bool
carpool_guc_table_remove(CarpoolGucTable *table, struct config_generic *setting)
{
	struct config_generic **all = get_guc_variables();
	int			place = place_of(setting->name);

	if (place < 0 || all[place] != setting)
		return false;
	(*table)--;
	memmove(&all[place], &all[place + 1], (*table - place) * sizeof(*all));
	return true;
}

/* The static variable with the number of settings: what GetNumConfigOptions() answers is what it says. */
CarpoolGucTable *
carpool_guc_table_find(CarpoolGucTable *known, MemoryContext *memory)
{
	CarpoolVariables variables = carpool_variables();
	int			count = GetNumConfigOptions();

	*memory = NULL;
	if (known != NULL)
		return known;
	for (int *word = (int *) variables.first; word < (int *) variables.end; word++)
	{
		bool		is_it;

		if (*word != count)
			continue;
		*word = count - 1;
		is_it = GetNumConfigOptions() == count - 1;
		*word = count;
		if (is_it)
			return word;
	}
	return NULL;
}

#endif
