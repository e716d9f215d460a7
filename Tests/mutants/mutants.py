"""
The mutants: Carpool with one mechanism of session state switched off, and the live tests that
have to fail then. An edit is a file under Sources, its text and what takes its place.
"""

from dataclasses import dataclass

AGENT = "CPGExt/agent/"
WORKER = "PoolWorker/"


@dataclass(frozen=True)
class Mutant:
    name: str
    edits: list
    tests: str           # a file of Tests/live
    keyword: str = ""    # of pytest's -k


def off(name, file, text, instead, tests, keyword=""):
    return Mutant(name, [(file, text, instead)], f"{tests}.py", keyword)


def nothing(name, file, text, tests):
    """A function returns 0 before it comes to the text."""
    return off(name, file, text, "	if (true)\n		return 0;\n" + text, tests)


def pin(name, file, text, instead, keyword):
    return off(f"pin: {name}", file, text, instead, "test_state_pins", keyword)


def cache(name, file, text, instead, keyword=""):
    return off(f"caches of another environment: {name}", file, text, instead, "test_state_caches", keyword)


MUTANTS = [
    # whose session it is
    off("a server is released before it has read all", "Pooling/Traffic.swift",
        "expected == 0 && flags & (Flags.busy | Flags.silent) == 0", "expected == 0 && flags & Flags.busy == 0",
        "test_own_session", "not second and not backend"),
    off("a message in another's session is not stopped", AGENT + "session/sessionlock.c",
        "	uint64		served = cledger_attached(carpool_own_server);",
        "	uint64		served = 0;\n\n	if (carpool_client != 0)\n		return;",
        "test_own_session", "backend"),
    off("an answer in another's session is not stopped", AGENT + "agent.c",
        "	if (carpool_session_answers(type))\n		carpool_session_check();", "", "test_own_session", "backend"),
    off("a transaction is rolled back in nobody's session", WORKER + "loop/EngineThread+Recovery.swift",
        "                // still the session of the client that has left", "                forgetLeft(s)",
        "test_own_session", "dies"),
    # carried
    nothing("settings are not carried", AGENT + "state/settings_state.c", "	if (likely(!may_have_changed &&",
            "test_state_settings"),
    off("changes of settings are not seen", AGENT + "settings/gucchanges.c",
        "	return may_have;", "	return false;", "test_state_changes"),
    off("settings of the login are not carried", AGENT + "state/login_settings.c",
        "	return current;", "	return 0;", "test_state_settings"),
    nothing("prepared statements are not carried", AGENT + "statements/statements.c", "	if (held->fresh.count > 0)",
            "test_state_statements"),
    off("the unnamed statement is not carried", AGENT + "statements/unnamed.c",
        "	if (client != 0)\n		save(client, source);", "", "test_state_statements", "unnamed"),
    nothing("sequences are not carried", AGENT + "state/sequences.c",
            "	if (carpool_sequence_last == NULL)\n		return carpool_hash_find", "test_state_sequences"),
    off("what the last client left stays", AGENT + "attach.c",
        "			kinds[i]->reset();", "			continue;", "test_state_leaks"),
    off("libraries are loaded in one backend only", AGENT + "attach.c",
        "	if (carpool_libraries_behind())\n		load_libraries();", "", "test_state_settings", "library"),
    off("roles do not take turns", AGENT + "attach.c",
        "		take_role_of(next);", "		(void) take_role_of;", "test_shared_roles"),
    off("a failed self-test changes nothing", AGENT + "attach.c",
        "	return (broken & kinds[kind]->pin) == 0;", "	return true;", "test_state_fallback"),
    off("what can't be seen is not there", AGENT + "attach.c",
        "		pins |= carpool_pins_unseen;", "		;", "test_state_fallback", "cannot_be_seen"),
    # pinned
    pin("advisory locks", AGENT + "pins/pins.c",
        "	if (count_user_locks() > 0)\n		pins |=", "	if (false)\n		pins |=", "lock"),
    pin("cursors", AGENT + "pins/pins.c",
        "	if (has_portals())\n		pins |=", "	if (false)\n		pins |=", "cursor"),
    pin("temporary objects", AGENT + "pins/pins.c",
        "	if (carpool_temporary_now())\n", "	if (false)\n", "temporary"),
    # (the self-test, which comes first, sees it, or else all would be pinned)
    pin("setseed()", AGENT + "pins/functions.c",
        "			carpool_signs.lasting |= CLEDGER_PIN_SETSEED;\n",
        "			{ static int calls; if (calls++ == 0) carpool_signs.lasting |= CLEDGER_PIN_SETSEED; }\n",
        "setseed"),
    pin("SET seed", AGENT + "pins/functions.c",
        "	if (is_armed(extra))\n		carpool_signs.lasting |= CLEDGER_PIN_SETSEED;\n", "", "seed"),
    pin("languages", AGENT + "pins/functions.c",
        "!is_stateless(proc.language, function))",
        "is_stateless(proc.language, function) && false)", "language"),
    pin("DO in a language", AGENT + "pins/commands.c",
        "				carpool_signs.lasting |= CLEDGER_PIN_LANGUAGE;", "				break;", "language"),
    pin("LOAD", AGENT + "pins/commands.c", "	if (library && !is_everywhere(library))", "	if (false)", "library"),
    pin("replication slots and origins", AGENT + "pins/replication.c",
        "		pins |= CLEDGER_PIN_REPLICATION;", "		;", "superuser"),
    pin("backups", AGENT + "pins/replication.c", "		pins |= CLEDGER_PIN_BACKUP;", "		;", "superuser"),
    # worker and agent each see to it
    Mutant("pin: what a pinned client left stays", [
        (WORKER + "link/Server.swift", "isPinned: pins != 0 || ledger.pins != 0,", "isPinned: false,"),
        (AGENT + "attach.c", "	carpool_pins_reset();\n", "")], "test_state_pins.py", "takes_its_state_along"),
    pin("a library stays with its backend", AGENT + "pins/pins.c",
        "	return carpool_signs.lasting & (CLEDGER_PIN_LOADED_LIBRARY | CLEDGER_PIN_LANGUAGE);", "	return 0;",
        "takes_its_state_along"),
    pin("no limit", WORKER + "loop/EngineThread+Pins.swift", "guard limit > 0, count > limit,",
        "guard limit < 0, count > limit,", "only_so_many"),
    # LISTEN and NOTIFY
    off("nobody listens for clients", AGENT + "listen/listen.c",
        "		is_kept = hub == 0 || ", "		is_kept = true || ", "test_state_hub"),
    off("the hub tells what a listener has heard before", AGENT + "listen/hub.c",
        "if (carpool_queue_compare(delivered->at, listener->from) < 0 ||", "if (false ||", "test_state_hub",
        "since"),
    off("an answer does not wait for what was committed before", AGENT + "listen/listen.c",
        "	if (!is_due)\n		return;", "	if (true)\n		return;", "test_state_hub"),
    off("the sender of a notification is the backend", AGENT + "listen/notify.c",
        "	MyProcPid = (int) process_id;", "	(void) process_id;", "test_state_listen", "pid"),
    # identity
    off("pg_stat_activity shows the worker", AGENT + "attach.c",
        "	carpool_identity_show(entry(carpool_client));\n", "", "test_state_identity"),
    off("the log shows the worker", AGENT + "backend/identity.c",
        "	if (!is_named)", "	if (false)", "test_state_identity", "log_lines"),
    # logins without passwords
    off("nobody becomes another role", AGENT + "session_start.c",
        "	if (!carpool_settings_stays_owner())", "	if (false)", "test_owner_logins"),
    Mutant("a role that can be left again", [
        (AGENT + "backend/become.c", "	carpool_set_authenticated_user(role, is_superuser);\n", ""),
        (AGENT + "backend/become.c", "	verify(role, form->rolsuper);\n", "	(void) verify;\n")], "test_owner_logins.py"),
    off("the worker does not look whose a backend is", WORKER + "loop/EngineThread+ServerLogin.swift",
        "} else if answer.mustBecome {", "} else if answer.mustBecome && false {", "test_owner_logins"),
    off("slots of superusers are taken", "CPGExt/private/compat.h",
        "	return reserved == 0 || HaveNFreeProcs(", "	return true || HaveNFreeProcs(", "test_owner_logins",
        "reserved"),
    # facts of logins
    off("facts of logins never change", "CPGExt/lookup/facts.c",
        "		facts->since = ++changes;", "		facts->since = changes;", "test_login_facts", "again or libraries"),
    off("servers from before a change are kept", WORKER + "loop/EngineThread+Facts.swift",
        "        factsChanged(p, moment)\n        guard ends.pools.areShared", "        guard ends.pools.areShared", "test_login_facts"),
    Mutant("servers from before a change come from other threads", [
        (WORKER + "loop/EngineThread+Facts.swift", "ends.servers[s].facts >= ends.pools.facts(ends.servers[s].pool) && ", ""),
        (WORKER + "loop/EngineThread+Facts.swift", "        guard ends.pools.areShared else { return }",
         "        guard !ends.pools.areShared else { return }")], "test_login_facts.py", "both_threads"),
    Mutant("what servers said before a change is told after it", [
        (WORKER + "client/AgentStart.swift", "answer?.facts ?? 0", "UInt64(0)"),
        (WORKER + "pool/PoolRecord.swift", "        answers = [:]\n        notAsOwner = false", "        notAsOwner = false")],
        "test_login_facts.py", "again or renamed"),
    off("an agent hears of no ALTER ROLE", AGENT + "backend/staleness.c",
        "	if (!is_as_taken())", "	if (false)", "test_login_facts", "replaced"),
    off("the worker does not hear of it", "CLedger/include/cledger.h",
        "	return __atomic_load_n(&server->pins, __ATOMIC_ACQUIRE) == 0;",
        "	return (__atomic_load_n(&server->pins, __ATOMIC_ACQUIRE) & ~CLEDGER_STALE) == 0;",
        "test_login_facts", "replaced"),
    # the agent itself looks, and the host after it
    Mutant("what a server's login has taken on is not looked at", [
        (AGENT + "backend/staleness.c", "	if (!is_as_taken())", "	if (false)"),
        ("CPGExt/lookup/confirm.c", "	if (answer->numbers.server_slot != 0 && !answer->numbers.must_become &&",
         "	if (false &&")], "test_login_facts.py", "moment"),
    off("caches of before a login serve it whatever names mean", AGENT + "caches/caches.c",
        "	return carpool_cache_names_changed;", "	return false;", "test_cached_names"),
    # cancel
    off("a cancel is for whoever is served", AGENT + "agent.c",
        "cledger_cancelled(carpool_own_server) == serving && ", "", "test_cancel"),
    off("no cancel arrives", AGENT + "agent.c",
        "	if (serving != 0 && ", "	if (false && ", "test_cancel"),
    # caches
    cache("plans", AGENT + "caches/cachedrop.c", "	carpool_plans_reset();\n	carpool_plpgsql_drop();",
          "	carpool_plpgsql_drop();", "expressions"),
    cache("compiled functions", AGENT + "caches/cachedrop.c", "	carpool_plpgsql_drop();\n", "", "called or compiled"),
    cache("checks of domains", AGENT + "caches/cachedrop.c", "	CallSyscacheCallbacks(CONSTROID, (Datum) 0);\n", "",
          "expressions"),
    cache("expressions of relations", AGENT + "caches/cachedrop.c",
          "	drop_relations();\n	if", "	(void) drop_relations;\n	if",
          "expressions"),
    off("caches: the text search configuration stays", AGENT + "caches/cachedrop.c",
        "	CallSyscacheCallbacks(TSCONFIGOID, (Datum) 0);\n", "", "test_shared_caches", "text_search"),
    Mutant("caches: a role's stay for the next", [
        (AGENT + "settings/environment.c",
         "carpool_fingerprint(0, &role, sizeof(role))", "carpool_fingerprint(0, &role, 0)"),
        (AGENT + "caches/caches.c",
         "	else if (another_role || ", "	else if (")], "test_shared_caches.py", "not_anothers"),
    off("caches: the next role foretells random()", AGENT + "attach.c", "	carpool_functions_reseed();\n", "",
        "test_shared_caches", "random"),
    cache("made under SET LOCAL", AGENT + "caches/cachefills.c",
          "	if (!carpool_cache_fills_mixed && !carpool_agent_is_working && carpool_guc_environment_is_changed())",
          "	if (false)", "while"),
    cache("compiled under SET LOCAL", AGENT + "caches/cachefills.c",
          "		is_planning = false;\n	note_changes();\n}\n\nstatic void\nsubtransaction_ended",
          "		is_planning = false;\n}\n\nstatic void\nsubtransaction_ended", "without_a_statement"),
    cache("made under a function's settings", AGENT + "caches/cachefills.c",
          "static void\nnote_fill(void)\n{\n	note_changes();", "static void\nnote_fill(void)\n{", "function_sets"),
    cache("made as a function's owner", AGENT + "caches/cachefills.c", "	return role != GetOuterUserId() && ",
          "	return false && ", "function_sets"),
    cache("made beside objects of its own", AGENT + "statements/namechanges.c",
          "		carpool_cache_fills_mixed = true;", "		;",
          "for_itself"),
    cache("folded functions", AGENT + "caches/cachefills.c",
          "		carpool_cache_fills_folded = true;", "		;", "immutable"),
    cache("folded in expressions", AGENT + "caches/cachefills.c", "		carpool_cache_fills_ran_immutable = true;", "		;",
          "immutable"),
    cache("what settings were when a transaction ended", AGENT + "caches/caches.c",
          "	if (environment != carpool_caches_made_in || carpool_cache_fills_mixed)", "	if (carpool_cache_fills_mixed)", "reload"),
    Mutant("caches of another environment: prepared statements", [
        (AGENT + "statements/plans.c", "plan->content == saved->content && plan->environment == environment && ",
         "plan->content == saved->content && "),
        (AGENT + "statements/plans.c", "buckets[(content ^ environment) % BUCKETS]", "buckets[content % BUCKETS]"),
        (AGENT + "statements/plans.c",
         "	return plan->is_idle || plan->environment == carpool_environment();", "	return true;"),
    ], "test_state_caches.py", "prepared_for"),
    off("statements with a time are shared", AGENT + "statements/planbody.c",
        "	return raw_expression_tree_walker(node, find_time, context);", "	return false;",
        "test_state_caches", "now_is"),
    off("statements are read by the settings of now", AGENT + "statements/planbody.c",
        "i < 2 * lengthof(backslashes) && !reads_as(source, fixed)", "i < 0 && !reads_as(source, fixed)",
        "test_state_caches", "strings or text_is_read"),
    off("functions that did not compile are run", AGENT + "caches/plpgsqlcache.c",
        "	if (marked == NULL)\n		return;", "	if (true)\n		return;", "test_state_caches", "not_compile"),
    off("caches that can't be dropped are shared", AGENT + "selftest/selftest.c",
        "		pins_failed |= CLEDGER_PIN_LANGUAGE;\n	conclude(CARPOOL_CACHES", "		;\n	conclude(CARPOOL_CACHES",
        "test_state_caches", "without_caches"),
    off("caches are dropped for everybody", AGENT + "caches/caches.c", "	else if (another_role || ",
        "	else if (true || ", "test_state_caches", "share"),
]
