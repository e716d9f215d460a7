/* functions.c: the SQL-callable functions. */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "private/version.h"

PG_FUNCTION_INFO_V1(carpool_version);
PG_FUNCTION_INFO_V1(carpool_require);

/* The version of the library that the server has loaded. */
Datum
carpool_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(CARPOOL_VERSION));
}

/* Reads MAJOR.MINOR as one number, -1 when it is none. */
static int
version_number(const char *text)
{
	int			major,
				minor;
	char		rest;

	if (sscanf(text, "%d.%d%c", &major, &minor, &rest) != 2 || major < 0 || minor < 0 || minor > 999)
		return -1;
	return major * 1000 + minor;
}

/*
 * Called by the SQL scripts first: fails when they need a newer library than the
 * loaded one, as between an update of the files and the restart of the server.
 */
Datum
carpool_require(PG_FUNCTION_ARGS)
{
	char	   *wanted = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (version_number(wanted) > version_number(CARPOOL_VERSION))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_carpool %s needs a newer library than the loaded one, %s",
						wanted, CARPOOL_VERSION),
				 errhint("Restart the server: it still runs the library of its last start.")));
	PG_RETURN_VOID();
}
