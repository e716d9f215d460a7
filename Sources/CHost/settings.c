/* settings.c: the table of settings.def, and its reading and writing as text. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "csettings.h"

const char *const carpool_pool_modes[] = {"session", "transaction", "statement", NULL};
const char *const carpool_auth_types[] = {"md5", "scram-sha-256", "plain", "trust", "any", NULL};

#define RESTART CARPOOL_SET_RESTART
#define DATABASE CARPOOL_SET_DATABASE
#define USER CARPOOL_SET_USER
#define LAUNCHER CARPOOL_SET_LAUNCHER
#define SCOPED_ONLY CARPOOL_SET_SCOPED_ONLY
#define OCTAL CARPOOL_SET_OCTAL
#define HIDDEN CARPOOL_SET_HIDDEN
#define AT(name) offsetof(CarpoolSettings, name), sizeof(((CarpoolSettings *) 0)->name)

const CarpoolSettingInfo carpool_setting_table[] = {
#define CARPOOL_BOOL(name, def, flags, help) \
	{#name, CARPOOL_KIND_BOOL, AT(name), def, NULL, 0, 1, NULL, flags, help},
#define CARPOOL_INT(name, def, min, max, flags, help) \
	{#name, CARPOOL_KIND_INT, AT(name), def, NULL, min, max, NULL, flags, help},
#define CARPOOL_TIME(name, def, max, flags, help) \
	{#name, CARPOOL_KIND_TIME, AT(name), def, NULL, 0, max, NULL, flags, help},
#define CARPOOL_STRING(name, size, def, flags, help) \
	{#name, CARPOOL_KIND_STRING, AT(name), 0, def, 0, 0, NULL, flags, help},
#define CARPOOL_ENUM(name, def, choices, flags, help) \
	{#name, CARPOOL_KIND_ENUM, AT(name), def, NULL, 0, 0, choices, flags, help},
#include "settings.def"
};

const int	carpool_setting_count = sizeof(carpool_setting_table) / sizeof(carpool_setting_table[0]);

const CarpoolSettingInfo *
carpool_setting_find(const char *name)
{
	for (int i = 0; i < carpool_setting_count; i++)
		if (strcmp(carpool_setting_table[i].name, name) == 0)
			return &carpool_setting_table[i];
	return NULL;
}

/* Stores a number in a bool, int, time or enum field. */
static void
store_number(const CarpoolSettingInfo *info, double value, CarpoolSettings *settings)
{
	char	   *field = (char *) settings + info->offset;

	switch (info->kind)
	{
		case CARPOOL_KIND_BOOL:
			*(bool *) field = value != 0;
			break;
		case CARPOOL_KIND_TIME:
			*(double *) field = value;
			break;
		case CARPOOL_KIND_INT:
		case CARPOOL_KIND_ENUM:
			*(int32_t *) field = (int32_t) value;
			break;
		case CARPOOL_KIND_STRING:
			break;
	}
}

void
carpool_settings_defaults(CarpoolSettings *settings)
{
	memset(settings, 0, sizeof(*settings));
	for (int i = 0; i < carpool_setting_count; i++)
	{
		const CarpoolSettingInfo *info = &carpool_setting_table[i];

		if (info->kind == CARPOOL_KIND_STRING)
			snprintf((char *) settings + info->offset, info->size, "%s", info->def_string);
		else
			store_number(info, info->def, settings);
	}
}

static bool
parse_bool(const char *text, double *value)
{
	static const char *const yes[] = {"1", "on", "true", "yes", NULL};
	static const char *const no[] = {"0", "off", "false", "no", NULL};

	for (int i = 0; yes[i]; i++)
		if (strcasecmp(text, yes[i]) == 0)
			return *value = 1, true;
	for (int i = 0; no[i]; i++)
		if (strcasecmp(text, no[i]) == 0)
			return *value = 0, true;
	return false;
}

static bool
parse_time(const char *text, double *value)
{
	static const struct
	{
		const char *name;
		double		seconds;
	}			units[] = {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
	char	   *end;

	*value = strtod(text, &end);
	if (end == text || !isfinite(*value))
		return false;
	while (*end == ' ')
		end++;
	if (*end == '\0')
		return true;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].name) == 0)
			return *value *= units[i].seconds, true;
	return false;
}

/* A number within the bounds of info; complains in error. */
static bool
parse_number(const CarpoolSettingInfo *info, const char *text, double *value, char *error, size_t error_size)
{
	char	   *end;
	bool		ok;

	if (info->kind == CARPOOL_KIND_TIME)
		ok = parse_time(text, value);
	else
	{
		*value = (double) strtol(text, &end, info->flags & OCTAL ? 8 : 10);
		ok = end != text && *end == '\0';
	}
	if (!ok)
		snprintf(error, error_size, "invalid value \"%s\": %s expected", text,
				 info->kind == CARPOOL_KIND_TIME ? "a time such as 15, 1.5s or 2min" : "a whole number");
	else if (*value < info->min || *value > info->max)
		snprintf(error, error_size, "%s is outside the valid range (%.15g .. %.15g)", text, info->min,
				 info->max);
	else
		return true;
	return false;
}

static bool
parse_choice(const CarpoolSettingInfo *info, const char *text, double *value, char *error, size_t error_size)
{
	int			used = snprintf(error, error_size, "invalid value \"%s\": one of", text);

	for (int i = 0; info->choices[i]; i++)
	{
		if (strcasecmp(info->choices[i], text) == 0)
			return *value = i, true;
		if (used > 0 && (size_t) used < error_size)
			used += snprintf(error + used, error_size - used, " %s", info->choices[i]);
	}
	if (used > 0 && (size_t) used < error_size)
		snprintf(error + used, error_size - used, " expected");
	return false;
}

bool
carpool_setting_parse(const CarpoolSettingInfo *info, const char *text,
					  CarpoolSettings *settings, char *error, size_t error_size)
{
	double		value = 0;

	switch (info->kind)
	{
		case CARPOOL_KIND_STRING:
			if (strlen(text) >= info->size)
			{
				snprintf(error, error_size, "value is longer than %zu bytes", info->size - 1);
				return false;
			}
			snprintf((char *) settings + info->offset, info->size, "%s", text);
			return true;
		case CARPOOL_KIND_BOOL:
			if (!parse_bool(text, &value))
			{
				snprintf(error, error_size, "invalid value \"%s\": 0 or 1 expected", text);
				return false;
			}
			break;
		case CARPOOL_KIND_ENUM:
			if (!parse_choice(info, text, &value, error, error_size))
				return false;
			break;
		case CARPOOL_KIND_INT:
		case CARPOOL_KIND_TIME:
			if (!parse_number(info, text, &value, error, error_size))
				return false;
			break;
	}
	store_number(info, value, settings);
	return true;
}

void
carpool_setting_format(const CarpoolSettingInfo *info, const CarpoolSettings *settings,
					   char *text, size_t text_size)
{
	const char *field = (const char *) settings + info->offset;

	switch (info->kind)
	{
		case CARPOOL_KIND_STRING:
			snprintf(text, text_size, "%s", field);
			break;
		case CARPOOL_KIND_BOOL:
			snprintf(text, text_size, "%d", *(const bool *) field);
			break;
		case CARPOOL_KIND_ENUM:
			snprintf(text, text_size, "%s", info->choices[*(const int32_t *) field]);
			break;
		case CARPOOL_KIND_INT:
			snprintf(text, text_size, info->flags & OCTAL ? "0%o" : "%d", *(const int32_t *) field);
			break;
		case CARPOOL_KIND_TIME:
			snprintf(text, text_size, "%.15g", *(const double *) field);
			break;
	}
}
