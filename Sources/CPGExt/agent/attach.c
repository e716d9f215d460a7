/*
 * attach.c: makes a session follow its client. At the end of a transaction what the session holds
 * is compared, by fingerprint, with what is saved of its client, and saved when it differs; when
 * another client is attached the session is made that client's, kind by kind, where the
 * fingerprints differ. Between equal sessions nothing is done.
 *
 * A saved session is, for each kind: its fingerprint and, unless that is 0, its contents.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "private/agent.h"
#include "private/asyncqueue.h"
#include "private/backend.h"
#include "private/caches.h"
#include "private/environment.h"
#include "private/guc.h"
#include "private/gucbase.h"
#include "private/ledger.h"
#include "private/listen.h"
#include "private/pins.h"
#include "private/placeholders.h"
#include "private/reports.h"
#include "private/selftest.h"
#include "private/session.h"
#include "private/state.h"
#include "private/unnamed.h"

static const CarpoolStateKind *const kinds[] = {
	&carpool_startup_state, &carpool_settings_state, &carpool_customs_state, &carpool_statements_state,
	&carpool_sequences_state
};

#define KINDS CARPOOL_KINDS
#define MOST_KEPT 65536			/* bytes of a buffer that is not in use */
#define STARTUP 0				/* kinds[] */
#define SETTINGS 1
#define CUSTOMS 2
#define STATEMENTS 3

static uint32 saves;			/* CledgerClient.saves, as of what is held */
static uint64 saved[KINDS];		/* fingerprints of what is saved of it, */
static CarpoolSavedPlace places[KINDS]; /* and where that ends */
static uint64 held[KINDS];		/* of what the session holds */
static uint32 broken;			/* CLEDGER_PIN_…: kinds that don't work here */
static bool is_tested;
static bool is_begun;			/* somebody was attached */
static StringInfoData buffer;
static StringInfoData contents[KINDS];	/* of a session that is loaded */

StaticAssertDecl(lengthof(kinds) == KINDS, "the kinds of saved.c");

/* Called once, at the login: nothing can be looked up yet. */
void
carpool_attach_open(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	initStringInfo(&buffer);
	for (int i = 0; i < KINDS; i++)
		initStringInfo(&contents[i]);
	carpool_guc_bases_open();
	MemoryContextSwitchTo(old);
	carpool_cache_fills_open();
	carpool_plpgsql_open();
}

static CledgerClient *
entry(uint64 reference)
{
	return cledger_client(carpool_ledger, (uint32) reference);
}

/* Empties a buffer; a big session's memory is not kept. */
static void
give_back(StringInfo bytes)
{
	resetStringInfo(bytes);
	if (bytes->maxlen <= MOST_KEPT)
		return;
	bytes->data = repalloc(bytes->data, MOST_KEPT);
	bytes->maxlen = MOST_KEPT;
}

static bool
works(int kind)
{
	return (broken & kinds[kind]->pin) == 0;
}

/* Writes one kind down for the client: what has changed of it, where that is known. */
static void
save_kind(int i)
{
	uint64		fingerprint = works(i) ? held[i] : 0;

	resetStringInfo(&buffer);
	if (fingerprint != 0 && saved[i] != 0 && kinds[i]->save_changes != NULL &&
		kinds[i]->save_changes(&buffer, places[i].size) &&
		carpool_saved_add(carpool_client, i, &places[i], fingerprint, &buffer))
		return;
	resetStringInfo(&buffer);
	if (fingerprint != 0)
		kinds[i]->save(&buffer);
	places[i] = carpool_saved_put(carpool_client, i, fingerprint, &buffer);
}

/* Writes down for its client what of the session is not as it is saved. */
static void
save(void)
{
	for (int i = 0; i < KINDS; i++)
		if (held[i] != saved[i])
			save_kind(i);
	saves = entry(carpool_client)->saves;
	memcpy(saved, held, sizeof(saved));
	give_back(&buffer);
	carpool_agent_server()->saved++;
}

/* Tries, once in each backend, whether all works that relies on PostgreSQL's private parts. */
static void
test_once(void)
{
	uint32		failed;

	if (is_tested)
		return;
	is_tested = true;
	carpool_settings_state_open();
	carpool_keepalives_open();
	carpool_temp_buffers_open();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	carpool_self_test_run(&broken, NULL);
	PopActiveSnapshot();
	carpool_guc_changes_open();
	CommitTransactionCommand();
	(void) carpool_async_open();
	failed = broken | carpool_pins_unseen;
	if (failed & ~carpool_ledger->failed_tests)
		ereport(WARNING,
				(errmsg("carpool cannot carry some kinds of session state on this server: "
						"their clients keep their servers"),
				 errhint("See SELECT * FROM carpool.self_test().")));
	carpool_ledger->failed_tests |= failed;
	carpool_staleness_open();
	carpool_agent_server()->role = GetAuthenticatedUserId();
	carpool_agent_server()->database = MyDatabaseId;
}

/* Counts a reason that begins. */
static void
note_pins(uint32 pins)
{
	CledgerServer *server = carpool_agent_server();
	uint32		begun = pins & ~server->pins;

	for (int i = 0; begun != 0 && i < CLEDGER_PIN_REASONS; i++)
		if (begun & (1u << i))
			__atomic_fetch_add(&carpool_ledger->pins[i], 1, __ATOMIC_RELAXED);
	if (pins)
		server->pinned++;
	__atomic_store_n(&server->pins, carpool_is_stale ? pins | CLEDGER_STALE : pins, __ATOMIC_RELEASE);
}

void
carpool_attach_transaction_ended(void)
{
	CledgerServer *server = carpool_agent_server();
	uint32		pins = 0;
	bool		changed = false;
	bool		may_have_changed;

	test_once();
	carpool_libraries_ended();
	may_have_changed = carpool_guc_may_have_changed();
	for (int i = 0; i < KINDS; i++)
	{
		held[i] = i == SETTINGS ? carpool_settings_now(held[i], may_have_changed) :
			i == CUSTOMS ? carpool_customs_now(held[i]) : kinds[i]->fingerprint();
		if (held[i] != saved[i])
			changed = true;
		if (i == SETTINGS)
			carpool_environment_session(held[STARTUP], held[SETTINGS]);
		if (held[i] != 0 && !works(i))
			pins |= kinds[i]->pin;
	}
	if (CARPOOL_SETTINGS_ARE_ARRAY && carpool_customs_are_very_many())
		pins |= CLEDGER_PIN_SETTING;
	/* the client may have gone: then what it leaves is for nobody */
	if (cledger_attached(server) != carpool_client)
		carpool_client = 0;
	if (changed && carpool_client != 0)
		save();
	if (carpool_client != 0)
		cledger_client_may_idle(carpool_ledger, carpool_client, (uint32) IdleSessionTimeout);
	if (!carpool_unnamed_save(carpool_client))
		pins |= CLEDGER_PIN_STATEMENT;
	pins |= carpool_pins_now();
	carpool_staleness_look();
	carpool_caches_ended(carpool_client);
	carpool_reports_ended(carpool_client, held[STARTUP]);
	if (!carpool_plpgsql_works(NULL))
		carpool_pins_unseen |= CLEDGER_PIN_LANGUAGE;
	if (is_begun)
		pins |= carpool_pins_unseen;
	if (carpool_listen_ended(carpool_client))
		pins |= CLEDGER_PIN_LISTEN;
	if (pins != 0 || server->pins != 0 || carpool_is_stale)
		note_pins(pins);
}

/*
 * Whether anyone but the last client is served now, or sends something for the agent; or
 * the last client has changed its session on another server meanwhile.
 */
bool
carpool_attach_needed(void)
{
	const CledgerServer *server = carpool_agent_server();

	return cledger_attached(server) != carpool_client || server->message != CLEDGER_NO_MESSAGE ||
		entry(carpool_client)->saves != saves ||
		entry(carpool_client)->unnamed.saves != carpool_unnamed_saves ||
		entry(carpool_client)->channels.saves != carpool_listen_saves || carpool_libraries_behind();
}

/* Whether a kind's load takes the place of what is there. */
static bool
replaces(int kind, const bool *differs)
{
	return kind == STARTUP || (kind == STATEMENTS && !differs[SETTINGS]);
}

/* Reads what is to be loaded of a kind: what has come since it was held, where that is enough. */
static void
read_kind(int i, bool is_same_client, const bool *differs)
{
	bool		may_add = is_same_client && kinds[i]->load_changes != NULL && held[i] != 0 &&
		held[i] == saved[i] && !differs[SETTINGS];

	places[i] = carpool_saved_get(carpool_client, i, may_add ? &places[i] : NULL, &contents[i]);
}

/* Loads one kind. */
static void
load_kind(int i, uint64 wanted, bool is_same_client, const bool *differs)
{
	if (kinds[i]->take != NULL && kinds[i]->take(wanted))
	{
		places[i] = carpool_saved_get(carpool_client, i, NULL, NULL);
		return;
	}
	read_kind(i, is_same_client, differs);
	if (places[i].is_rest)
		kinds[i]->load_changes(&contents[i]);
	else
		kinds[i]->load(&contents[i]);
}

/* Makes the session, where it differs, what it has to be. */
static void
change(const uint64 *wanted, bool is_same_client)
{
	bool		differs[KINDS];
	bool		any = false;	/* but for the statements */

	for (int i = 0; i < KINDS; i++)
	{
		differs[i] = held[i] != wanted[i];
		any |= differs[i] && i != STATEMENTS;
	}
	/* settings lie on top of the startup parameters */
	differs[SETTINGS] |= differs[STARTUP];
	carpool_settings_refused = false;
	/* the client has heard what there was to hear, and knows its own values */
	carpool_silence_begin();
	if (any)
		StartTransactionCommand();
	for (int i = KINDS - 1; i >= 0; i--)
		if (differs[i] && held[i] != 0 && (wanted[i] == 0 || !replaces(i, differs)))
			kinds[i]->reset();
	for (int i = 0; i < KINDS; i++)
	{
		if (i == STATEMENTS && !carpool_settings_refused)
			carpool_environment_session(wanted[STARTUP], wanted[SETTINGS]);
		if (differs[i] && wanted[i] != 0)
			load_kind(i, wanted[i], is_same_client, differs);
		/* PostgreSQL may not have taken all, and what comes next sees others than before */
		if (differs[i] && i <= SETTINGS)
			carpool_guc_note_change();
	}
	if (IsTransactionState())
		CommitTransactionCommand();
	carpool_startup_settle(differs[STARTUP] && wanted[STARTUP] != 0 ? &contents[STARTUP] : NULL);
	carpool_settings_load_left(&contents[SETTINGS]);
	carpool_silence_end();
	memcpy(held, wanted, sizeof(held));
	carpool_customs_loaded(wanted[CUSTOMS]);
	for (int i = 0; i < KINDS; i++)
		give_back(&contents[i]);
	carpool_agent_server()->loaded++;
}

/* What an earlier client was pinned for; the worker has let it end already, as far as it can be ended. */
static void
forget_pins(void)
{
	if (carpool_pins_indelible() != 0)
		ereport(FATAL,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a session that cannot be reset was given to another client")));
	carpool_guc_note_change();
	StartTransactionCommand();
	carpool_pins_reset();
	CommitTransactionCommand();
	note_pins(carpool_pins_now());
}

/*
 * The role of a client. It can't have gone, as the worker waits for what it has sent; but a
 * role is never to be another client's.
 */
static Oid
role_of(uint64 reference)
{
	Oid			role = entry(reference)->role;

	pg_memory_barrier();
	if (entry(reference)->generation != (uint32) (reference >> 32))
		ereport(FATAL,
				(errcode(ERRCODE_CONNECTION_DOES_NOT_EXIST),
				 errmsg("the client left before it was attached")));
	return role;
}

/*
 * Where several roles share this backend: the session becomes that of the next client's.
 * The former one's is taken back first, by its own rights.
 */
static void
take_role_of(uint64 next)
{
	static const uint64 nothing[KINDS];
	Oid			role = role_of(next);

	if (role == carpool_agent_server()->role)
		return;
	if (memcmp(held, nothing, sizeof(held)) != 0)
		change(nothing, false);
	carpool_silence_begin();
	carpool_become_next(role);
	carpool_functions_reseed();
	carpool_guc_note_change();
	carpool_silence_end();
}

/* Another client's session. One that is to start is told later what its login set. */
static void
switch_to(uint64 next, bool starts)
{
	uint64		wanted[KINDS];
	bool		is_same = next == carpool_client;

	/* a reload may have left placeholders */
	held[CUSTOMS] = carpool_customs_now(held[CUSTOMS]);
	if (cledger_pins(carpool_agent_server()) != 0 && next != carpool_client)
		forget_pins();
	if (carpool_agent_server()->is_shared && next != 0 && next != carpool_client)
		take_role_of(next);
	carpool_client = next;
	saves = entry(carpool_client)->saves;
	carpool_saved_look(carpool_client, wanted);
	if (starts)
		wanted[STARTUP] = held[STARTUP];
	if (memcmp(wanted, held, sizeof(held)) != 0)
		change(wanted, is_same);
	memcpy(saved, wanted, sizeof(saved));
	if (starts)
		saved[STARTUP] = 0;
	carpool_held_client = carpool_client;
	carpool_identity_show(entry(carpool_client));
	carpool_agent_server()->attached++;
}

/* Settings that were nobody's may become a library's, checked and spelled by it. */
static void
load_libraries(void)
{
	carpool_agent_silent = true;
	carpool_libraries_load();
	carpool_agent_silent = false;
	carpool_guc_note_change();
	carpool_environment_forget();
	carpool_placeholders_look_again();
	for (int i = 0; i < KINDS; i++)
		held[i] = kinds[i]->fingerprint();
}

void
carpool_attach(void)
{
	CledgerServer *server = carpool_agent_server();
	uint64		next = cledger_attached(server);
	uint32		message = server->message;
	bool		other_channels = next != carpool_client ||
		entry(next)->channels.saves != carpool_listen_saves;
	bool		other_client = next != carpool_client;
	Oid			role = server->role;
	bool		other_unnamed = next != carpool_client || entry(next)->unnamed.saves != carpool_unnamed_saves;

	/* the settings of the login are the role's when it has become what it is for */
	if (!is_begun && message != CLEDGER_BECOME)
	{
		is_begun = true;
		carpool_startup_open();
		held[STARTUP] = carpool_startup_state.fingerprint();
	}
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (carpool_libraries_behind())
		load_libraries();
	if (other_unnamed)
		carpool_unnamed_drop();
	if (other_channels)
		carpool_listen_drop();
	if (next != carpool_client || entry(carpool_client)->saves != saves)
		switch_to(next, message != CLEDGER_NO_MESSAGE);
	if (other_channels)
		carpool_listen_load(next);
	if (other_unnamed)
		carpool_unnamed_load(next, message == CLEDGER_NO_MESSAGE);
	if (message != CLEDGER_NO_MESSAGE)
	{
		server->message = CLEDGER_NO_MESSAGE;
		carpool_guc_note_change();
		carpool_start_client(message);
		held[STARTUP] = carpool_startup_state.fingerprint();
		carpool_guc_note_change();
	}
	carpool_reports_attached(next, held[STARTUP], false);
	carpool_caches_enter(next, other_client, server->role != role);
}
