/* settings.c: the GUCs, made from the settings table, and their values as CarpoolSettings. */
#include "postgres.h"

#include "utils/guc.h"
#include "utils/memutils.h"

#include "private/settings.h"

/* The places of the settings in the table, and their number as a constant. */
enum
{
#define CARPOOL_BOOL(name, def, flags, help) AT_##name,
#define CARPOOL_INT(name, def, min, max, flags, help) AT_##name,
#define CARPOOL_TIME(name, def, max, flags, help) AT_##name,
#define CARPOOL_STRING(name, size, def, flags, help) AT_##name,
#define CARPOOL_ENUM(name, def, choices, flags, help) AT_##name,
#include "settings.def"
#undef CARPOOL_BOOL
#undef CARPOOL_INT
#undef CARPOOL_TIME
#undef CARPOOL_STRING
#undef CARPOOL_ENUM
	SETTING_COUNT
};

/* Where the GUC machinery keeps the values; indexed like the table. */
static bool bools[SETTING_COUNT];
static int	ints[SETTING_COUNT];	/* enums too */
static double times[SETTING_COUNT];
static char *strings[SETTING_COUNT];

/* Refuses a string that is longer than its field. */
static bool
check_length(const char *value, size_t size)
{
	if (value == NULL || strlen(value) < size)
		return true;
	GUC_check_errdetail("The value may have at most %zu bytes.", size - 1);
	return false;
}

/* A whole number as octal digits. */
static const char *
show_octal(int value)
{
	static char text[16];

	snprintf(text, sizeof(text), "%04o", value);
	return text;
}

/* A hook is not told its variable, so each string has its own, and each whole number. */
#define CARPOOL_BOOL(name, def, flags, help)
#define CARPOOL_TIME(name, def, max, flags, help)
#define CARPOOL_ENUM(name, def, choices, flags, help)
#define CARPOOL_INT(name, def, min, max, flags, help) \
static const char *show_##name(void) { return show_octal(ints[AT_##name]); }
#define CARPOOL_STRING(name, size, def, flags, help) \
static bool check_##name(char **value, void **extra, GucSource source) { return check_length(*value, size); }
#include "settings.def"
#undef CARPOOL_INT
#undef CARPOOL_STRING

static const GucStringCheckHook check_hooks[SETTING_COUNT] = {
#define CARPOOL_INT(name, def, min, max, flags, help)
#define CARPOOL_STRING(name, size, def, flags, help) [AT_##name] = check_##name,
#include "settings.def"
#undef CARPOOL_INT
#undef CARPOOL_STRING
};

static const GucShowHook octal_hooks[SETTING_COUNT] = {
#define CARPOOL_INT(name, def, min, max, flags, help) [AT_##name] = show_##name,
#define CARPOOL_STRING(name, size, def, flags, help)
#include "settings.def"
#undef CARPOOL_INT
#undef CARPOOL_STRING
};

/* The names of an enum's values as the GUC machinery wants them. */
static const struct config_enum_entry *
enum_entries(const char *const *choices)
{
	struct config_enum_entry *entries;
	int			count = 0;

	while (choices[count])
		count++;
	entries = MemoryContextAllocZero(TopMemoryContext, (count + 1) * sizeof(*entries));
	for (int i = 0; i < count; i++)
	{
		entries[i].name = choices[i];
		entries[i].val = i;
	}
	return entries;
}

/* Who may change a setting, and when. Scoped ones are the superuser's: no role raises its own limits. */
static GucContext
context_of(const CarpoolSettingInfo *info)
{
	if (info->flags & (CARPOOL_SET_DATABASE | CARPOOL_SET_USER))
		return PGC_SUSET;
	return info->flags & CARPOOL_SET_RESTART ? PGC_POSTMASTER : PGC_SIGHUP;
}

/* Makes the GUC of a row of the table. */
static void
define(int i)
{
	const CarpoolSettingInfo *info = &carpool_setting_table[i];
	char	   *name = psprintf("carpool.%s", info->name);
	GucContext	context = context_of(info);
	int			flags = info->flags & CARPOOL_SET_HIDDEN ? GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL : 0;

	switch (info->kind)
	{
		case CARPOOL_KIND_BOOL:
			DefineCustomBoolVariable(name, info->help, NULL, &bools[i], info->def != 0,
									 context, flags, NULL, NULL, NULL);
			break;
		case CARPOOL_KIND_INT:
			DefineCustomIntVariable(name, info->help, NULL, &ints[i], (int) info->def,
									(int) info->min, (int) info->max, context, flags, NULL, NULL,
									info->flags & CARPOOL_SET_OCTAL ? octal_hooks[i] : NULL);
			break;
		case CARPOOL_KIND_TIME:
			DefineCustomRealVariable(name, info->help, NULL, &times[i], info->def,
									 info->min, info->max, context, flags | GUC_UNIT_S, NULL, NULL, NULL);
			break;
		case CARPOOL_KIND_STRING:
			DefineCustomStringVariable(name, info->help, NULL, &strings[i], info->def_string,
									   context, flags, check_hooks[i], NULL, NULL);
			break;
		case CARPOOL_KIND_ENUM:
			DefineCustomEnumVariable(name, info->help, NULL, &ints[i], (int) info->def,
									 enum_entries(info->choices), context, flags, NULL, NULL, NULL);
			break;
	}
	pfree(name);
}

/* Makes all GUCs; while the library is preloaded. */
void
carpool_settings_define(void)
{
	for (int i = 0; i < SETTING_COUNT; i++)
		if (!(carpool_setting_table[i].flags & CARPOOL_SET_LAUNCHER))
			define(i);
	MarkGUCPrefixReserved("carpool");
}

bool
carpool_settings_stays_owner(void)
{
	return bools[AT_test_stays_owner];
}

bool
carpool_settings_times_agents(void)
{
	return bools[AT_test_times_agents];
}

bool
carpool_settings_checks_agents(void)
{
	return bools[AT_test_checks_agents];
}

bool
carpool_settings_breaks(const char *mechanism, StringInfo why)
{
	Size		size = strlen(mechanism);

	for (const char *list = strings[AT_test_breaks]; list != NULL; list = strchr(list, ','))
	{
		list += *list == ',';
		if (strncmp(list, mechanism, size) != 0 || (list[size] != ',' && list[size] != '\0'))
			continue;
		if (why != NULL)
			appendStringInfoString(why, "carpool.test_breaks says so");
		return true;
	}
	return false;
}

Size
carpool_settings_session_state(bool of_all)
{
	int			megabytes = ints[of_all ? AT_max_total_session_state : AT_max_session_state];

	return megabytes == 0 ? SIZE_MAX : (Size) megabytes << 20;
}

const char *
carpool_settings_stateless_languages(void)
{
	return strings[AT_stateless_languages];
}

/* The values as they were last read; strings of GUCs don't outlive a reload. */
static CarpoolSettings current;

/* What carpool_settings_read() last read. */
const CarpoolSettings *
carpool_settings_current(void)
{
	return &current;
}

/* Copies the values of the GUCs; those of the launcher have their defaults. */
const CarpoolSettings *
carpool_settings_read(void)
{
	carpool_settings_defaults(&current);
	for (int i = 0; i < SETTING_COUNT; i++)
	{
		const CarpoolSettingInfo *info = &carpool_setting_table[i];
		char	   *field = (char *) &current + info->offset;

		if (info->flags & CARPOOL_SET_LAUNCHER)
			continue;
		switch (info->kind)
		{
			case CARPOOL_KIND_BOOL:
				*(bool *) field = bools[i];
				break;
			case CARPOOL_KIND_INT:
			case CARPOOL_KIND_ENUM:
				*(int32_t *) field = ints[i];
				break;
			case CARPOOL_KIND_TIME:
				*(double *) field = times[i];
				break;
			case CARPOOL_KIND_STRING:
				strlcpy(field, strings[i] ? strings[i] : "", info->size);
				break;
		}
	}
	return &current;
}
