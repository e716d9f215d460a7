/* error.c: errors for clients, filled in. */
#include "postgres.h"

#include "private/lookup.h"

/* Fills in SQLSTATE and message; what was there before is gone. */
void
carpool_error_set(CarpoolError *error, int sqlerrcode, const char *format, ...)
{
	va_list		arguments;

	memset(error, 0, sizeof(*error));
	strlcpy(error->sqlstate, unpack_sql_state(sqlerrcode), sizeof(error->sqlstate));
	va_start(arguments, format);
	vsnprintf(error->message, sizeof(error->message), format, arguments);
	va_end(arguments);
}

/* Adds the DETAIL. */
void
carpool_error_detail(CarpoolError *error, const char *format, ...)
{
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(error->detail, sizeof(error->detail), format, arguments);
	va_end(arguments);
}

/* Adds the HINT. */
void
carpool_error_hint(CarpoolError *error, const char *format, ...)
{
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(error->hint, sizeof(error->hint), format, arguments);
	va_end(arguments);
}

/* Whether there is an error at all. */
bool
carpool_error_is_set(const CarpoolError *error)
{
	return error->sqlstate[0] != '\0';
}
