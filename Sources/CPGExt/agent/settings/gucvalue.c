/* gucvalue.c: reads the values of settings, as text and as fingerprints. */
#include "postgres.h"

#include "utils/builtins.h"

#include "private/guc.h"
#include "private/statebytes.h"

/* The value itself, of whichever type. */
static inline union config_var_val
value_of(struct config_generic *setting, CarpoolGucWhich which)
{
	union config_var_val value = {.realval = 0};
	bool		current = which == CARPOOL_GUC_CURRENT;

	switch (setting->vartype)
	{
		case PGC_BOOL:
			{
				struct config_bool *conf = (struct config_bool *) setting;

				value.boolval = current ? *conf->variable : conf->reset_val;
				break;
			}
		case PGC_INT:
			{
				struct config_int *conf = (struct config_int *) setting;

				value.intval = current ? *conf->variable : conf->reset_val;
				break;
			}
		case PGC_REAL:
			{
				struct config_real *conf = (struct config_real *) setting;

				value.realval = current ? *conf->variable : conf->reset_val;
				break;
			}
		case PGC_STRING:
			{
				struct config_string *conf = (struct config_string *) setting;

				value.stringval = current ? *conf->variable : conf->reset_val;
				break;
			}
		case PGC_ENUM:
			{
				struct config_enum *conf = (struct config_enum *) setting;

				value.enumval = current ? *conf->variable : conf->reset_val;
				break;
			}
	}
	return value;
}

const char *
carpool_guc_text(struct config_generic *setting, CarpoolGucWhich which, char buffer[CARPOOL_GUC_TEXT])
{
	union config_var_val value = value_of(setting, which);

	switch (setting->vartype)
	{
		case PGC_BOOL:
			return value.boolval ? "on" : "off";
		case PGC_INT:
			/* without a unit: in the setting's own */
			buffer[pg_ltoa(value.intval, buffer)] = '\0';
			return buffer;
		case PGC_REAL:
			snprintf(buffer, CARPOOL_GUC_TEXT, "%.17g", value.realval);
			return buffer;
		case PGC_STRING:
			return value.stringval;
		case PGC_ENUM:
			return config_enum_lookup_by_value((struct config_enum *) setting, value.enumval);
	}
	return NULL;
}

/* Of name, role and context. */
static inline uint64
seed_of(struct config_generic *setting, Oid srole, GucContext scontext)
{
	return carpool_fingerprint((uint64) srole << 8 | scontext, setting->name, strlen(setting->name));
}

uint64
carpool_guc_fingerprint_no_value(struct config_generic *setting)
{
	return seed_of(setting, setting->srole, setting->scontext);
}

/* Of a value, with the seed that says of what. */
static uint64
fingerprint_of(uint64 seed, struct config_generic *setting, CarpoolGucWhich which)
{
	char		buffer[CARPOOL_GUC_TEXT];
	const char *text;

	/* as text, where another backend may have a placeholder */
	if (setting->vartype != PGC_STRING && setting->group != CUSTOM_OPTIONS)
	{
		union config_var_val value = value_of(setting, which);

		return carpool_fingerprint(seed, &value, sizeof(value));
	}
	text = carpool_guc_text(setting, which, buffer);
	return text != NULL ? carpool_fingerprint(seed, text, strlen(text)) : seed;
}

uint64
carpool_guc_fingerprint(struct config_generic *setting, CarpoolGucWhich which)
{
	uint64		seed = which == CARPOOL_GUC_RESET ?
		seed_of(setting, setting->reset_srole, setting->reset_scontext) :
		seed_of(setting, setting->srole, setting->scontext);

	return fingerprint_of(seed, setting, which);
}

uint64
carpool_guc_fingerprint_value(struct config_generic *setting)
{
	uint64		seed = carpool_fingerprint(0, setting->name, strlen(setting->name));

	return fingerprint_of(seed, setting, CARPOOL_GUC_CURRENT);
}

void
carpool_guc_set_source(struct config_generic *setting, GucSource source)
{
	if (setting->source == PGC_S_DEFAULT && source != PGC_S_DEFAULT)
		carpool_guc_list_add(setting);
	else if (setting->source != PGC_S_DEFAULT && source == PGC_S_DEFAULT)
		carpool_guc_list_remove(setting);
	setting->source = source;
}
