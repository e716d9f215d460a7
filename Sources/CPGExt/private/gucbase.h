/* gucbase.h: what settings are below those of a login. */
#ifndef CARPOOL_GUCBASE_H
#define CARPOOL_GUCBASE_H

#include "postgres.h"

#include "utils/guc_tables.h"

/*
 * gucbase.c: what settings are below those of a login: the configuration files' values,
 * while those of ALTER ROLE and ALTER DATABASE or a client's startup parameters lie above.
 */
typedef struct CarpoolGucBase
{
	char	   *name;
	char	   *value;			/* NULL: the built-in default */
	bool		existed;		/* a custom setting may have been nobody's */
	GucSource	source;
	GucContext	scontext;
	Oid			srole;
	char	   *file_value;		/* of a configuration file read since; NULL: value holds */
	GucSource	above;			/* of what lies above; PGC_S_DEFAULT: nothing yet */
	bool		is_wanted;		/* login_settings.c: by the session that is to be */
	bool		is_left;		/* taken back but for what lies below, which a transaction refused */
	bool		was_current;	/* then: the value in force was the login's */
} CarpoolGucBase;

/* Notes it; setting is NULL when there is none of this name. The strings are in context. */
extern void carpool_guc_base_note(CarpoolGucBase *base, const char *name,
								  struct config_generic *setting, MemoryContext context);

/* Brings bases up to date with the configuration files, which have been read again since. */
extern void carpool_guc_base_refresh(CarpoolGucBase *bases, int count, MemoryContext context);

/*
 * Makes the setting what it was. False: not within this transaction; outside of one it does, or
 * raises an error.
 */
extern bool carpool_guc_base_restore(CarpoolGucBase *base);

/* Gives back what it holds. */
extern void carpool_guc_base_free(CarpoolGucBase *base);

/*
 * All settings that are not at their defaults, at the time when the backend has
 * authenticated the worker: nothing of a login is set yet. What is below the settings of
 * this backend's own login is looked up there; then the list is forgotten.
 */
extern void carpool_guc_bases_open(void);
extern void carpool_guc_base_note_own(CarpoolGucBase *base, struct config_generic *setting,
									  MemoryContext context);
extern void carpool_guc_bases_close(void);

#endif
