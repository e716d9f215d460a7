/*
 * login_settings.c: carries what a login sets: settings made by ALTER ROLE and ALTER DATABASE,
 * and a client's startup parameters. They are the values that RESET returns to, with sources as a
 * backend has them that the client logged in to by itself.
 *
 * A client keeps the settings of its login for as long as it stays. A backend has those of
 * its own login at first, and then those of its client.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "cledger.h"
#include "private/guc.h"
#include "private/gucbase.h"
#include "private/scope.h"
#include "private/state.h"
#include "private/statebytes.h"

/* What lies below each setting that a login has set. */
static MemoryContext memory;
static CarpoolGucBase *bases;
static int	count;
static int	room;
static TimestampTz noted;		/* PgReloadTime then */

static bool are_left;			/* some could not be taken back or set within a transaction */
static uint64 current;			/* fingerprint; 0: a login sets nothing */

static uint64
fingerprint(void)
{
	return current;
}

/* The setting of an entry; NULL when its placeholder is no more. */
static struct config_generic *
setting_of(const CarpoolGucBase *base)
{
	struct config_generic *setting = carpool_find_setting(base->name, false, true, LOG);

	return setting != NULL && setting->reset_source == base->above ? setting : NULL;
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
			current += carpool_fingerprint(carpool_guc_fingerprint(setting, CARPOOL_GUC_RESET),
										   &bases[i].above, sizeof(bases[i].above));
	}
	if (current == 0 && count > 0)
		current = 1;
}

/* Room for one more entry. */
static CarpoolGucBase *
add(void)
{
	if (memory == NULL)
		memory = AllocSetContextCreate(TopMemoryContext, "carpool login settings", ALLOCSET_SMALL_SIZES);
	if (count == 0)
		noted = PgReloadTime;
	if (count == room)
	{
		room = Max(room * 2, 8);
		bases = bases == NULL ? MemoryContextAlloc(memory, room * sizeof(*bases)) :
			repalloc(bases, room * sizeof(*bases));
	}
	return &bases[count++];
}

/* The entry of a setting; a new one notes what lies below. */
static CarpoolGucBase *
entry_of(const char *name)
{
	struct config_generic *setting = carpool_find_setting(name, false, true, LOG);
	CarpoolGucBase *base;

	for (int i = 0; i < count; i++)
		if (pg_strcasecmp(bases[i].name, setting != NULL ? setting->name : name) == 0)
			return &bases[i];
	base = add();
	carpool_guc_base_note(base, name, setting, memory);
	return base;
}

/* Makes a setting what it is without a login; one that can't be now stays for carpool_startup_settle(). */
static void
drop(CarpoolGucBase *base)
{
	if (!carpool_guc_base_restore(base))
	{
		are_left = true;
		return;
	}
	carpool_guc_base_free(base);
	*base = bases[--count];
}

/* Before anything changes: nothing of what is set is wanted until it is asked for again. */
static void
begin(void)
{
	if (count > 0 && noted != PgReloadTime)
		carpool_guc_base_refresh(bases, count, memory);
	noted = PgReloadTime;
	for (int i = 0; i < count; i++)
		bases[i].is_wanted = false;
}

/* Takes back what was not asked for. */
static void
end(void)
{
	for (int i = count - 1; i >= 0; i--)
		if (!bases[i].is_wanted)
			drop(&bases[i]);
	calculate();
}

/* Whether a setting is already what it is to be; then it is wanted. */
static bool
is_there(const CarpoolGucSaved *saved)
{
	CarpoolGucBase *base = entry_of(saved->name);
	struct config_generic *setting = setting_of(base);
	char		buffer[CARPOOL_GUC_TEXT];
	const char *text;

	if (setting == NULL || base->above != saved->source || setting->reset_scontext != saved->scontext ||
		setting->reset_srole != saved->srole)
		return false;
	text = carpool_guc_text(setting, CARPOOL_GUC_RESET, buffer);
	if (text == NULL || strcmp(text, saved->value) != 0)
		return false;
	base->is_wanted = true;
	return true;
}

/* Makes a setting what it is below the login's. */
static void
clear(CarpoolGucBase *base)
{
	if (base->above == PGC_S_DEFAULT)
		return;
	if (!carpool_guc_base_restore(base))
		are_left = true;
	base->above = PGC_S_DEFAULT;
}

/*
 * Sets one. A setting whose value comes from above a login is left alone, as at a login.
 * What PostgreSQL doesn't take it says at elevel, and false is the answer.
 */
static bool
apply(const CarpoolGucSaved *saved, GucContext context, int elevel)
{
	CarpoolGucBase *base = entry_of(saved->name);
	struct config_generic *setting;
	bool		fine;

	if (base->above > saved->source)
		clear(base);
	fine = set_config_option_ext(saved->name, saved->value, context, saved->source, saved->srole,
								 GUC_ACTION_SET, true, elevel, false) != 0;
	setting = carpool_find_setting(saved->name, false, true, LOG);
	if (fine && setting != NULL && setting->reset_source == saved->source)
	{
		base->above = saved->source;
		base->is_left = false;
		/* what a login says of seed has no effect: it is checked, and taken back */
		base->is_wanted = !carpool_setting_has_no_reset(setting);
		setting->reset_scontext = saved->scontext;
		if (setting->source == saved->source)
			setting->scontext = saved->scontext;
	}
	return fine;
}

/* The next string of a message. */
static const char *
next_string(const char **at, const char *end)
{
	const char *text = *at;

	if (text >= end)
		ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("the start of a session ends too early")));
	*at += strlen(text) + 1;
	return text;
}

/*
 * One of a session that starts. It is set although it may be there: whether it may be, the
 * rights and the catalogs of now tell; and by what lies below it, as "DateStyle = ISO" takes
 * the order of day and month from there.
 */
static void
apply_anew(const CarpoolGucSaved *saved, GucContext context, int elevel)
{
	CarpoolGucBase *base = entry_of(saved->name);

	/* what is stronger was set before, as at a login */
	if (base->is_wanted && base->above > saved->source)
		return;
	clear(base);
	(void) apply(saved, context, elevel);
}

/* What ALTER ROLE and ALTER DATABASE have set; as at a login, with a superuser's rights. */
static void
take_role_settings(const char **at, const char *end)
{
	while (*at < end && **at != '\0')
	{
		CarpoolGucSaved saved = {
			.source = PGC_S_GLOBAL + (*(*at)++ - CLEDGER_ROLE_GLOBAL), .scontext = PGC_SUSET,
			.srole = BOOTSTRAP_SUPERUSERID
		};

		saved.name = next_string(at, end);
		saved.value = next_string(at, end);
		if (saved.source > PGC_S_DATABASE_USER)
			ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("invalid source of a setting")));
		apply_anew(&saved, PGC_SUSET, LOG);
	}
}

/* Goes over the list that take_role_settings() reads. */
static void
skip_role_settings(const char **at, const char *end)
{
	while (*at < end && **at != '\0')
	{
		(*at)++;
		(void) next_string(at, end);
		(void) next_string(at, end);
	}
	(void) next_string(at, end);
}

/* A client's startup parameters. */
static void
take_parameters(const char **at, const char *end)
{
	Oid			user = GetAuthenticatedUserId();
	GucContext	context = superuser_arg(user) ? PGC_SU_BACKEND : PGC_BACKEND;

	/* as at a login, where it is too late for transaction_isolation and its like */
	(void) GetTransactionSnapshot();
	while (*at < end && **at != '\0')
	{
		CarpoolGucSaved saved = {.source = PGC_S_CLIENT, .scontext = context, .srole = user};

		saved.name = next_string(at, end);
		saved.value = next_string(at, end);
		apply_anew(&saved, context, ERROR);
	}
}

/* PostgreSQL's own error where a parameter can't be set. */
void
carpool_startup_take(const char *message, Size size, bool with_parameters)
{
	const char *end_of_message = message + size;
	const char *end_of_list = end_of_message;
	const char *at = message;
	const char *list = message;
	StringInfoData read;

	if (size < 2 || end_of_message[-1] != '\0')
		ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("the start of a session has no end")));
	if (*at == CLEDGER_ROLE_UNKNOWN)
	{
		at += 2;
		carpool_role_settings_read(&read);
		list = read.data;
		end_of_list = list + read.len;
	}
	else
		skip_role_settings(&at, end_of_message);
	begin();
	/* in the order of a login */
	if (with_parameters)
		take_parameters(&at, end_of_message);
	take_role_settings(&list, end_of_list);
	end();
}

/* The settings of this backend's own login are its session's at first. */
void
carpool_startup_open(void)
{
	int			all;
	struct config_generic **settings = carpool_all_settings(&all);

	for (int i = 0; i < all; i++)
		if (settings[i]->reset_source >= PGC_S_GLOBAL && settings[i]->reset_source <= PGC_S_DATABASE_USER)
		{
			CarpoolGucBase *base = add();

			carpool_guc_base_note_own(base, settings[i], memory);
			base->above = settings[i]->reset_source;
		}
	pfree(settings);
	carpool_guc_bases_close();
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
 * placeholders, as with SET. Those that PostgreSQL no longer takes are left for
 * carpool_startup_settle(), but for a role, which is an error.
 */
static void
load_each(StringInfo from, int elevel)
{
	CarpoolGucSaved saved;

	while (carpool_guc_get(from, &saved))
	{
		GucContext	context = saved.kind == CARPOOL_GUC_VALUE ? PGC_SU_BACKEND : saved.scontext;

		if (saved.source != PGC_S_CLIENT)
			context = PGC_SUSET;
		if (saved.value != NULL && !is_there(&saved) &&
			!apply(&saved, context, carpool_guc_is_role(saved.name) ? ERROR : elevel))
			are_left = true;
	}
}

static void
load(StringInfo from)
{
	begin();
	load_each(from, DEBUG5);
	end();
}

/* What PostgreSQL doesn't take here either is left out, and the log says so; what it can't take back is an error. */
void
carpool_startup_settle(StringInfo from)
{
	if (likely(!are_left))
		return;
	for (int i = count - 1; i >= 0; i--)
		if (bases[i].is_left)
			drop(&bases[i]);
	if (from != NULL)
	{
		from->cursor = 0;
		load_each(from, LOG);
	}
	are_left = false;
	calculate();
	carpool_guc_note_change();
}

/* Leaves what a login without any settings has. */
static void
reset(void)
{
	begin();
	end();
}

const CarpoolStateKind carpool_startup_state = {
	.name = "login settings",
	.pin = CLEDGER_PIN_SETTING,
	.fingerprint = fingerprint,
	.save = save,
	.load = load,
	.reset = reset,
};
