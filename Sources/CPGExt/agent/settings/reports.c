/*
 * reports.c: keeps clients informed of the settings that PostgreSQL reports. Between two
 * statements a reload of the configuration or a promotion may change them under a session;
 * PostgreSQL tells the client before its next ReadyForQuery, and only the one that a backend
 * serves then. So each client's entry in the ledger says which values it knows. A client that is
 * attached and knows others is told before its next ReadyForQuery, too.
 *
 * What a client has set itself, or its login, is the same on all backends, and does not count.
 *
 * client_encoding is another matter. PostgreSQL does not change it under a session, as that would
 * read what is on its way already by the wrong encoding; only new sessions get the new default. So
 * a client keeps the default of its login, which is a part of the number, on all backends.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "libpq/libpq.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "private/guc.h"
#include "private/ledger.h"
#include "private/reports.h"
#include "private/session.h"
#include "private/statebytes.h"

/* The bits of a number: told that this is a standby; one so that it is never 0; and */
#define STANDBY 1u
#define KNOWN 2u
#define ENCODING_SHIFT 2		/* the default of client_encoding, and 1; 0: the login has its own; and */
#define ENCODING_MASK 63u
#define SUM_SHIFT 8				/* what the others come to */

#define MOST 32					/* settings that are reported */

static struct config_generic *settings[MOST];
static int	count;

static struct config_string *encoding;	/* client_encoding */
static int	own_encoding = -1;	/* the default that this backend has begun with, */
static GucSource own_source;	/* and where that came from */

static uint32 now;				/* the number of what holds here; 0: not known yet */
static TimestampTz reload;		/* PgReloadTime, */
static uint64 login;			/* and the fingerprint of the client's login, as of that number */

static bool settings_due;		/* the client is to be told */
static bool standby_due;

/* Those that a reload can change. */
static void
collect(void)
{
	int			all;
	struct config_generic **list = carpool_all_settings(&all);

	encoding = (struct config_string *) carpool_find_setting("client_encoding", false, false, ERROR);
	for (int i = 0; i < all && count < MOST; i++)
		if ((list[i]->flags & GUC_REPORT) && list[i]->context != PGC_INTERNAL &&
			list[i] != &encoding->gen)
			settings[count++] = list[i];
	pfree(list);
}

static int
encoding_number(void)
{
	if (encoding->gen.reset_source >= PGC_S_GLOBAL)
		return 0;
	return pg_char_to_encoding(encoding->reset_val) + 1;
}

/*
 * Sets the default. It counts as the command line's where it is not this backend's own, so that
 * reading the configuration file again leaves it alone.
 */
static void
set_encoding(int wanted)
{
	carpool_silence_begin();
	StartTransactionCommand();
	(void) set_config_option_ext("client_encoding", pg_encoding_to_char(wanted), PGC_POSTMASTER, PGC_S_ARGV,
								 BOOTSTRAP_SUPERUSERID, GUC_ACTION_SET, true, WARNING, false);
	CommitTransactionCommand();
	if (wanted == own_encoding)
	{
		encoding->gen.reset_source = own_source;
		if (encoding->gen.source == PGC_S_ARGV)
			carpool_guc_set_source(&encoding->gen, own_source);
	}
	carpool_silence_end();
	now = 0;
}

void
carpool_reports_take_encoding(uint64 reference)
{
	uint32		known = reference != 0 ? cledger_client(carpool_ledger, (uint32) reference)->reports : 0;
	int			wanted = (int) (known >> ENCODING_SHIFT & ENCODING_MASK) - 1;

	if (count == 0)
		collect();
	if (encoding->gen.reset_source >= PGC_S_GLOBAL)
		return;
	if (own_encoding < 0)
	{
		own_encoding = pg_char_to_encoding(encoding->reset_val);
		own_source = encoding->gen.reset_source;
	}
	if (wanted < 0)
		wanted = own_encoding;
	if (unlikely(strcmp(encoding->reset_val, pg_encoding_to_char(wanted)) != 0))
		set_encoding(wanted);
}

static uint32
calculate(uint32 standby)
{
	uint64		sum = 0;

	for (int i = 0; i < count; i++)
	{
		char		buffer[CARPOOL_GUC_TEXT];
		const char *text;

		if (settings[i]->reset_source >= PGC_S_GLOBAL)
			continue;
		text = carpool_guc_text(settings[i], CARPOOL_GUC_RESET, buffer);
		if (text != NULL)
			sum += carpool_fingerprint(carpool_fingerprint(0, settings[i]->name, strlen(settings[i]->name)),
									   text, strlen(text));
	}
	return (uint32) sum << SUM_SHIFT | (uint32) encoding_number() << ENCODING_SHIFT | KNOWN | standby;
}

/* Whether the number is one of before; then it is calculated anew. */
static bool
refresh(uint64 startup)
{
	uint32		standby = RecoveryInProgress() ? STANDBY : 0;

	if (now != 0 && reload == PgReloadTime && login == startup && (now & STANDBY) == standby)
		return false;
	if (count == 0)
		collect();
	now = calculate(standby);
	reload = PgReloadTime;
	login = startup;
	return true;
}

static void
note(CledgerClient *client)
{
	if (client->reports != now)
		__atomic_store_n(&client->reports, now, __ATOMIC_RELAXED);
}

void
carpool_reports_attached(uint64 reference, uint64 startup, bool is_told)
{
	CledgerClient *client = cledger_client(carpool_ledger, (uint32) reference);
	uint32		known = client->reports;

	settings_due = standby_due = false;
	carpool_reports_take_encoding(reference);
	if (refresh(startup))
	{
		/* PostgreSQL would tell this client what has changed since the last one */
		carpool_silence_begin();
		carpool_silence_end();
	}
	if (reference == 0)
		return;
	if (known != 0 && known != now && !is_told)
	{
		settings_due = ((known ^ now) & ~STANDBY) != 0;
		standby_due = ((known ^ now) & STANDBY) != 0;
	}
	note(client);
}

/* What has changed since the client was attached PostgreSQL has told it. */
void
carpool_reports_ended(uint64 reference, uint64 startup)
{
	if (refresh(startup) && reference != 0)
		note(cledger_client(carpool_ledger, (uint32) reference));
}

static void
tell(struct config_generic *setting)
{
	char	   *value = carpool_reported_value(setting);
	StringInfoData message;

	pq_beginmessage(&message, 'S');
	pq_sendstring(&message, setting->name);
	pq_sendstring(&message, value);
	pq_endmessage(&message);
	pfree(value);
}

void
carpool_reports_tell(void)
{
	if (settings_due)
		for (int i = 0; i < count; i++)
			if (settings[i]->source < PGC_S_GLOBAL)
				tell(settings[i]);
	if (standby_due)
		tell(carpool_find_setting("in_hot_standby", false, false, ERROR));
	settings_due = standby_due = false;
}
