/* csettings.h: the settings as a C struct and as a table; see settings.def. */
#ifndef CARPOOL_SETTINGS_H
#define CARPOOL_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum
{
	CARPOOL_SET_RESTART = 1,	/* a change takes effect at the next start */
	CARPOOL_SET_DATABASE = 2,	/* may be set per database */
	CARPOOL_SET_USER = 4,		/* may be set per user */
	CARPOOL_SET_LAUNCHER = 8,	/* only the launcher has it */
	CARPOOL_SET_SCOPED_ONLY = 16,	/* has no global value */
	CARPOOL_SET_OCTAL = 32,		/* written in octal */
	CARPOOL_SET_HIDDEN = 64		/* left out of help and documents */
};

typedef enum CarpoolKind
{
	CARPOOL_KIND_BOOL, CARPOOL_KIND_INT, CARPOOL_KIND_TIME, CARPOOL_KIND_STRING, CARPOOL_KIND_ENUM
} CarpoolKind;

typedef enum CarpoolPoolMode
{
	CARPOOL_SESSION, CARPOOL_TRANSACTION, CARPOOL_STATEMENT
} CarpoolPoolMode;

typedef enum CarpoolAuthType
{
	CARPOOL_AUTH_TYPE_MD5, CARPOOL_AUTH_TYPE_SCRAM, CARPOOL_AUTH_TYPE_PLAIN,
	CARPOOL_AUTH_TYPE_TRUST, CARPOOL_AUTH_TYPE_ANY
} CarpoolAuthType;

/* Names of the enums' values, in their order; NULL ends each list. */
extern const char *const carpool_pool_modes[];
extern const char *const carpool_auth_types[];

/* One value per setting; plain data that code may copy. */
typedef struct CarpoolSettings
{
#define CARPOOL_BOOL(name, def, flags, help) bool name;
#define CARPOOL_INT(name, def, min, max, flags, help) int32_t name;
#define CARPOOL_TIME(name, def, max, flags, help) double name;
#define CARPOOL_STRING(name, size, def, flags, help) char name[size];
#define CARPOOL_ENUM(name, def, choices, flags, help) int32_t name;
#include "settings.def"
#undef CARPOOL_BOOL
#undef CARPOOL_INT
#undef CARPOOL_TIME
#undef CARPOOL_STRING
#undef CARPOOL_ENUM
} CarpoolSettings;

/* One row of the table. */
typedef struct CarpoolSettingInfo
{
	const char *name;
	CarpoolKind kind;
	size_t		offset;			/* in CarpoolSettings */
	size_t		size;			/* of the field */
	double		def;			/* bool, int, time, enum */
	const char *def_string;		/* string; else NULL */
	double		min;
	double		max;
	const char *const *choices; /* enum; else NULL */
	unsigned	flags;			/* CARPOOL_SET_… */
	const char *help;
} CarpoolSettingInfo;

extern const CarpoolSettingInfo carpool_setting_table[];
extern const int carpool_setting_count;

/* Returns the row called name, or NULL if there is none. */
const CarpoolSettingInfo *carpool_setting_find(const char *name);

/* Fills settings with the defaults. */
void		carpool_settings_defaults(CarpoolSettings *settings);

/*
 * Reads text into the field of info, as a pgbouncer.ini value or a PostgreSQL
 * setting. Times without a unit are seconds; units are us ms s min h d. Booleans are
 * 0/1/on/off/true/false/yes/no. Returns true, or false after it has put a sentence into error.
 */
bool		carpool_setting_parse(const CarpoolSettingInfo *info, const char *text,
								  CarpoolSettings *settings, char *error, size_t error_size);

/* Writes the field's value as text that carpool_setting_parse reads back. */
void		carpool_setting_format(const CarpoolSettingInfo *info, const CarpoolSettings *settings,
								   char *text, size_t text_size);

#endif
