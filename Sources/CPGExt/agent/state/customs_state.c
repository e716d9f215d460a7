/*
 * customs_state.c: carries custom settings that no module has defined (placeholders) and that the
 * session alone has set: an application's own variables, of which some have thousands. Some have
 * a name and no value, see placeholders.c.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "cledger.h"
#include "private/guc.h"
#include "private/placeholders.h"
#include "private/settings.h"
#include "private/state.h"

#define MANY 256				/* fewer are taken away one by one; in 15 so many are carried */
#define SOME 200				/* of a former session's are freed at a time */

static uint64 current;			/* fingerprint, as it was looked at or loaded */
static uint64 seen;				/* carpool_guc_transactions() then */

/*
 * Those with a value are the last ones in the list of settings that are not at their default,
 * from this one on; NULL: there are none. PostgreSQL puts new ones at its end.
 */
static CarpoolGucPlace first;
static int	with_value;

/* one that was loaded may be a library's by now, or a configuration file's, or no more */
static bool is_another_kind;

static void
gather(void)
{
	with_value = carpool_guc_list_gather(carpool_placeholder_is_own, &first);
}

/* Of a walk from the first one on; NULL: there are no more. */
static struct config_generic *
next_own(CarpoolGucWalk *walk)
{
	struct config_generic *setting;

	do
		setting = carpool_guc_walk_next(walk);
	while (setting != NULL && !carpool_placeholder_is_own(setting));
	return setting;
}

static uint64
fingerprint(void)
{
	uint64		sum = 0;
	CarpoolGucWalk walk;
	struct config_generic *setting;

	if (!carpool_guc_list_is_known())
		return 0;
	gather();
	walk = carpool_guc_walk_from(first);
	while ((setting = next_own(&walk)) != NULL)
		sum += carpool_guc_fingerprint(setting, CARPOOL_GUC_CURRENT);
	sum += carpool_placeholders_fingerprint(with_value);
	current = sum == 0 && with_value > 0 ? 1 : sum;
	seen = carpool_guc_transactions();
	return current;
}

uint64
carpool_customs_now(uint64 before)
{
	if (unlikely(seen != carpool_guc_transactions() || carpool_placeholders_are_others()))
		return fingerprint();
	if (carpool_settings_checks_agents() && fingerprint() != before)
		elog(FATAL, "custom settings have changed unseen");
	return before;
}

bool
carpool_customs_are_very_many(void)
{
	return current != 0 && carpool_placeholders_count() > MANY;
}

void
carpool_customs_loaded(uint64 loaded)
{
	current = loaded;
	seen = is_another_kind ? 0 : carpool_guc_transactions();
	is_another_kind = false;
}

void
carpool_customs_look_again(void)
{
	is_another_kind = true;
}

static void
put_name(struct config_generic *setting, void *to)
{
	CarpoolGucSaved saved = {.kind = CARPOOL_GUC_NAME, .name = setting->name};

	carpool_guc_put(to, &saved);
}

static void
save(StringInfo to)
{
	CarpoolGucWalk walk = carpool_guc_walk_from(first);
	struct config_generic *setting;

	carpool_placeholders_walk(put_name, to);
	while ((setting = next_own(&walk)) != NULL)
	{
		char		buffer[CARPOOL_GUC_TEXT];
		CarpoolGucSaved saved = carpool_guc_describe(setting, CARPOOL_GUC_CURRENT, buffer);

		carpool_guc_put(to, &saved);
	}
	carpool_guc_put_end(to);
}

/*
 * Sets one as PostgreSQL would, which has nothing to check and nobody to tell; but for the
 * memory of what it was before, as no transaction will take it back.
 */
void
carpool_customs_set(const CarpoolGucSaved *saved)
{
	struct config_generic *setting = carpool_placeholder_make(saved->name);
	struct config_string *conf = (struct config_string *) setting;

	if (setting == NULL || saved->kind == CARPOOL_GUC_NAME || saved->value == NULL)
		return;
	if (!carpool_placeholder_is_own(setting) || setting->stack != NULL)
	{
		(void) carpool_guc_load(saved, LOG);
		is_another_kind = true;
		return;
	}
	if (*conf->variable != conf->reset_val)
		guc_free(*conf->variable);
	*conf->variable = guc_strdup(ERROR, saved->value);
	carpool_guc_set_source(setting, PGC_S_SESSION);
	setting->scontext = saved->scontext;
	setting->srole = saved->srole;
}

static void
load(StringInfo from)
{
	CarpoolGucSaved saved;
	long		count = 0;

	for (; carpool_guc_get(from, &saved); count++)
	{
		carpool_customs_set(&saved);
		pfree(unconstify(char *, saved.name));
		if (saved.value != NULL)
			pfree(unconstify(char *, saved.value));
	}
	gather();
	/* at most as many as are made wait to be freed */
	carpool_drawers_clear(count);
}

static bool
take(uint64 wanted)
{
	if (!carpool_drawers_take(wanted, &first))
		return false;
	with_value = 0;
	return true;
}

static void
remove_name(struct config_generic *setting, void *argument)
{
	(void) carpool_placeholder_remove(setting);
}

bool
carpool_customs_put_away(void)
{
	gather();
	return carpool_drawers_put(current, first, 1);
}

static void
reset(void)
{
	CarpoolGucWalk walk;
	struct config_generic *setting;

	/* what came behind them is seen at the end */
	if (seen != carpool_guc_transactions() ||
		(first != NULL && !carpool_guc_list_ends_with(carpool_placeholder_is_own)))
		gather();
	if (!carpool_drawers_put(current, first, MANY))
	{
		walk = carpool_guc_walk_from(first);
		while ((setting = next_own(&walk)) != NULL)
			carpool_guc_unset(setting);
		carpool_placeholders_walk(remove_name, NULL);
	}
	first = NULL;
	with_value = 0;
	current = 0;
}

bool
carpool_customs_are_untidy(void)
{
	return carpool_drawers_are_untidy();
}

void
carpool_customs_tidy(void)
{
	carpool_drawers_clear(SOME);
}

const CarpoolStateKind carpool_customs_state = {
	.name = "custom settings",
	.pin = CLEDGER_PIN_SETTING,
	.fingerprint = fingerprint,
	.save = save,
	.take = take,
	.load = load,
	.reset = reset,
};
