/*
 * tempbuffers.c: lets a client set temp_buffers where that is possible. PostgreSQL makes a
 * backend's buffers for temporary tables when the first such table is read or written, as many as
 * the setting says then, and they stay for as long as the backend lives. From then on it takes no
 * other value.
 *
 * So that no client pays for what another has used: a client may set it as long as it has no
 * temporary object itself, and a backend whose buffers are as many as one client wanted serves
 * no other.
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/buf_internals.h"
#include "utils/guc_tables.h"

#include "private/compat/settings.h"
#include "private/pins.h"
#include "private/session.h"
#include "private/signs.h"

static struct config_int *setting;
static GucIntCheckHook check_of_postgres;

/* Whether the session, or its transaction under way, has used a temporary object. */
static bool
is_used(void)
{
	return carpool_signs.has_temporary || carpool_signs.temporary_touched ||
		(MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE) != 0;
}

static bool
check(int *value, void **extra, GucSource source)
{
	if (!is_used() || *value == *setting->variable)
		return true;
	return check_of_postgres(value, extra, source);
}

void
carpool_temp_buffers_open(void)
{
	setting = (struct config_int *) carpool_find_setting("temp_buffers", false, false, ERROR);
	check_of_postgres = setting->check_hook;
	setting->check_hook = check;
}

/* Whether the value is the client's own, and not that of all clients of this backend. */
static bool
is_own(GucSource source)
{
	return source >= PGC_S_CLIENT || (carpool_agent_server()->is_shared && source >= PGC_S_USER);
}

void
carpool_temp_buffers_look(void)
{
	if (setting != NULL && NLocBuffer != 0 && is_own(setting->gen.source))
		carpool_is_stale = true;
}
