/*
 * startup.c: a client's startup parameters. They are the values that RESET returns to, of
 * source PGC_S_CLIENT, as a backend has them that the client logged in to by itself.
 */
#include "postgres.h"

#include "cledger.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "../private/guc.h"
#include "../private/state.h"

/* What lies below each startup parameter that is set. */
static MemoryContext memory;
static CarpoolGucBase *bases;
static int	count;
static int	room;
static TimestampTz noted;		/* PgReloadTime then */

static uint64 current;			/* fingerprint */

static uint64
fingerprint(void)
{
	return current;
}

/* Forgets what lies below, which is in force again. */
static void
forget(void)
{
	if (memory != NULL)
		MemoryContextReset(memory);
	bases = NULL;
	count = 0;
	room = 0;
	current = 0;
}

/* The setting of a parameter; NULL when its placeholder is no more. */
static struct config_generic *
setting_of(const CarpoolGucBase *base)
{
	struct config_generic *setting = find_option(base->name, false, true, LOG);

	return setting != NULL && setting->reset_source == PGC_S_CLIENT ? setting : NULL;
}

/* Looks at what is set, once it is. */
static void
calculate(void)
{
	current = 0;
	for (int i = 0; i < count; i++)
	{
		struct config_generic *setting = setting_of(&bases[i]);

		if (setting != NULL)
			current += carpool_guc_fingerprint(setting, CARPOOL_GUC_RESET);
	}
	if (current == 0 && count > 0)
		current = 1;
}

/* Notes what lies below a setting that gets a startup parameter; the last one wins. */
static void
note(const char *name)
{
	struct config_generic *setting = find_option(name, false, true, LOG);

	for (int i = 0; i < count; i++)
		if (pg_strcasecmp(bases[i].name, setting != NULL ? setting->name : name) == 0)
			return;
	if (memory == NULL)
		memory = AllocSetContextCreate(TopMemoryContext, "carpool startup parameters", ALLOCSET_SMALL_SIZES);
	if (count == room)
	{
		room = Max(room * 2, 8);
		bases = bases == NULL ? MemoryContextAlloc(memory, room * sizeof(*bases)) :
			repalloc(bases, room * sizeof(*bases));
	}
	carpool_guc_base_note(&bases[count], name, setting, memory);
	count++;
}

/*
 * Sets one. A setting whose value comes from above a client's is left alone, as at a
 * login. False: PostgreSQL didn't take it, and said so at elevel.
 */
static bool
apply(const CarpoolGucSaved *saved, GucContext context, int elevel)
{
	int			before = count;
	bool		fine;
	struct config_generic *setting;

	note(saved->name);
	fine = set_config_option_ext(saved->name, saved->value, context, PGC_S_CLIENT, saved->srole,
								 GUC_ACTION_SET, true, elevel, false) != 0;
	setting = find_option(saved->name, false, true, LOG);
	if (setting != NULL && setting->reset_source == PGC_S_CLIENT)
	{
		setting->reset_scontext = saved->scontext;
		if (setting->source == PGC_S_CLIENT)
			setting->scontext = saved->scontext;
	}
	else
		count = before;
	return fine;
}

/* PostgreSQL's own error where a parameter can't be set; reset takes back those before it. */
void
carpool_startup_take(const char *pairs, Size size)
{
	const char *end = pairs + size;
	Oid			user = GetAuthenticatedUserId();
	GucContext	context = superuser_arg(user) ? PGC_SU_BACKEND : PGC_BACKEND;

	if (size == 0 || end[-1] != '\0')
		ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("startup parameters end without a NUL")));
	noted = PgReloadTime;
	while (pairs < end && *pairs != '\0')
	{
		CarpoolGucSaved saved = {.name = pairs, .scontext = context, .srole = user};

		pairs += strlen(pairs) + 1;
		if (pairs >= end)
			ereport(ERROR,
					(errcode(ERRCODE_PROTOCOL_VIOLATION),
					 errmsg("startup parameter \"%s\" has no value", saved.name)));
		saved.value = pairs;
		pairs += strlen(pairs) + 1;
		(void) apply(&saved, context, ERROR);
	}
	calculate();
}

static void
save(StringInfo to)
{
	for (int i = 0; i < count; i++)
	{
		struct config_generic *setting = setting_of(&bases[i]);
		char		buffer[CARPOOL_GUC_TEXT];
		CarpoolGucSaved saved;

		if (setting == NULL)
			continue;
		saved = carpool_guc_describe(setting, CARPOOL_GUC_RESET, buffer);
		carpool_guc_put(to, &saved);
	}
	carpool_guc_put_end(to);
}

/*
 * What was allowed once stays so, as in a session of the client's own; but for
 * placeholders, as with SET. Those that PostgreSQL no longer takes are left out, and the
 * log says so, but for a role.
 */
static void
load(StringInfo from)
{
	CarpoolGucSaved saved;

	noted = PgReloadTime;
	while (carpool_guc_get(from, &saved))
	{
		GucContext	context = saved.kind == CARPOOL_GUC_VALUE ? PGC_SU_BACKEND : saved.scontext;

		if (saved.value != NULL)
			(void) apply(&saved, context, carpool_guc_is_role(saved.name) ? ERROR : LOG);
	}
	calculate();
}

static void
reset(void)
{
	if (count > 0 && noted != PgReloadTime)
		carpool_guc_base_refresh(bases, count, memory);
	for (int i = count - 1; i >= 0; i--)
		carpool_guc_base_restore(&bases[i]);
	forget();
}

const CarpoolStateKind carpool_startup_state = {
	.name = "startup parameters",
	.pin = CLEDGER_PIN_SETTING,
	.fingerprint = fingerprint,
	.save = save,
	.load = load,
	.reset = reset,
	.self_test = carpool_startup_self_test
};
