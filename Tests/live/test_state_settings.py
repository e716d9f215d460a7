"""Settings in transaction mode: each kind reads as on a direct connection. See steps.py."""

import time

import pytest

from steps import ORDERS, RECONNECT, Case, same_as_direct
from waiting import DEADLINE
from wire import Refused, error_of

# Everything that was set in the session or at its start.
CHANGED = (
    "select name, setting, unit, source, reset_val from pg_settings "
    "where source in ('session', 'client', 'database', 'user', 'database user') "
    "and name not like 'carpool.%' "
    "order by name"
)


# plpgsql may warn of this.
SHADOW = "do $$ declare x int; begin declare x int; begin end; end $$"


def look(name):
    return f"select setting, source, reset_val, current_setting(name) from pg_settings where name = '{name}'"


def case(*steps, name=None, **extra):
    """A look at all that changed, or at one setting, after each step of each client."""
    return Case([step for given in steps for step in (given, look(name) if name else CHANGED)],
                watch=[CHANGED], **extra)


SET = {
    "bool": case("set enable_seqscan = off", "select 1", "set enable_hashjoin to off"),
    "bool both ways": case("set enable_seqscan = off", "select 1", "set enable_seqscan = on", "select 2",
                           "reset enable_seqscan", "select 3"),
    "int": case("set from_collapse_limit = 1{n}", "select 1", "set from_collapse_limit = default"),
    "int with a unit": case("set work_mem = '{n}1MB'", "select 1", "set work_mem = 6400{n}", "select 2"),
    "time": case("set statement_timeout = '{n}h'", "select 1", "set statement_timeout = '1.5min'",
                 "set statement_timeout = 0"),
    "real": case("set random_page_cost = 1.{n}00000000000001", "select 1",
                 "set seq_page_cost = 0.1", "set random_page_cost = 1e{n}", "select 2"),
    "enum": case("set bytea_output = 'escape'", r"select '\x00ff'::bytea",
                 "set client_min_messages = 'debug{n}'",
                 "reset client_min_messages", r"select '\x00ff'::bytea"),
    "string": case("set default_tablespace = 'pg_default'", "select 1", "set lc_messages = 'C'", "select 2"),
    "string with quotes": case(r"""set application_name = 'it''s "{n}" \ ; --'""", "show application_name",
                               "set application_name = ''", "show application_name"),
    "search_path": case("create schema {role}_{me}", "set search_path = {role}_{me}, public",
                        "create table t(x int)", "select current_schemas(true), 't'::regclass",
                        "set search_path to ''", "select current_schemas(true)", "table t",
                        "set search_path = 'a b', \"C\", pg_catalog, \"$user\"", "show search_path",
                        "set search_path = default", "show search_path",
                        "drop schema {role}_{me} cascade", before=["grant create on database app to {role}"],
                        after=["revoke create on database app from {role}"]),
    "DateStyle": case("set datestyle = German, YMD", "select date '2024-01-02'", "set datestyle to MDY",
                      "select date '2024-01-02'", "set datestyle = 'ISO, DMY'", "select '3/4/2024'::date",
                      "reset datestyle", "select date '2024-01-02'"),
    "TimeZone": case("set timezone = 'Asia/Tokyo'", "select timestamptz '2024-01-01 00:00Z'",
                     "set time zone -{n}.5", "select timestamptz '2024-01-01 00:00Z'",
                     "set time zone interval '-08:00' hour to minute", "show timezone",
                     "set time zone local", "show timezone", "set timezone_abbreviations = 'Australia'"),
    "client_encoding": case("set client_encoding = LATIN{n}", "select chr(228)", "set names 'UTF8'",
                            "select chr(228)", "set client_encoding = 'SQL_ASCII'", "reset client_encoding"),
    "IntervalStyle": case("set intervalstyle = sql_standard", "select interval '1 day {n} hours'",
                          "set intervalstyle = 'iso_8601'", "select interval '1 day {n} hours'"),
    "extra_float_digits": case("set extra_float_digits = -{n}", "select 1::float8 / 3",
                               "reset extra_float_digits", "select 1::float8 / 3"),
    "two at once": case("set work_mem = '{n}MB'; set enable_sort = off", "show work_mem", "show enable_sort"),
    "session characteristics": case(
        "set session characteristics as transaction isolation level serializable, read only",
        "show transaction_isolation", "create table t_{me}(x int)", "begin read write",
        "show transaction_read_only",
        "show transaction_isolation", "commit",
        "set session characteristics as transaction read write, deferrable", "show transaction_read_only",
        "show transaction_deferrable", "reset default_transaction_isolation", "show transaction_isolation"),
    "a change of nothing": case("set work_mem = '4MB'", "select 1", "set work_mem = default"),
    "wrong values": case("set work_mem = 'x'", "set no_such_setting = 1", "set server_version = '9'",
                         "set shared_buffers = '1GB'", "set wal_level = minimal",
                         "set zero_damaged_pages = on"),
}

IN_TRANSACTIONS = {
    "local, commit": case("begin", "set local work_mem = '{n}1MB'", "show work_mem", "commit",
                          "show work_mem"),
    "local, rollback": case("begin", "set local work_mem = '{n}1MB'", "rollback", "show work_mem"),
    "local over session": case("set work_mem = '{n}1MB'", "begin", "set local work_mem = '{n}2MB'", "commit",
                               "select 1"),
    "session after local": case("begin", "set local work_mem = '{n}2MB'", "set work_mem = '{n}1MB'", "commit",
                                "begin", "set work_mem = '{n}3MB'", "set local work_mem = '{n}4MB'",
                                "commit"),
    "rolled back": case("set work_mem = '{n}1MB'", "begin", "set work_mem = '{n}2MB'", "rollback",
                        "select 1"),
    "first one rolled back": case("begin", "set work_mem = '{n}2MB'", "rollback", "select 1"),
    "failed transaction": case("begin", "set work_mem = '{n}2MB'", "select 1/0", "show work_mem", "commit",
                               "show work_mem"),
    "failed without a block": case("set work_mem = '{n}1MB'; set enable_sort = off; select 1/0", "select 1"),
    "savepoints": case("begin", "set work_mem = '{n}1MB'", "savepoint s", "set work_mem = '{n}2MB'",
                       "set local enable_sort = off", "rollback to s", "savepoint t",
                       "set enable_material = off",
                       "release t", "commit", "select 1"),
    "reset rolled back": case("set work_mem = '{n}1MB'", "begin", "reset work_mem", "rollback", "begin",
                              "reset all",
                              "rollback", "select 1"),
    "local outside": case("set local work_mem = '{n}1MB'", "show work_mem"),
    "set_config": case("select set_config('work_mem', '{n}1MB', false)", "select 1",
                       "select set_config('work_mem', '{n}2MB', true)", "select 1", "begin",
                       "select set_config('work_mem', '{n}2MB', true)", "show work_mem", "commit",
                       "select set_config('search_path', '', false)", "show search_path",
                       "select set_config('work_mem', null, false)"),
    "transaction characteristics": Case(["begin", "set transaction isolation level repeatable read",
                                        "show transaction_isolation", "commit", "show transaction_isolation",
                                        "set transaction_read_only = on", "show transaction_read_only"],
                                        watch=[CHANGED]),
    "function's own": case(
        "create function f_{me}() returns text language sql set work_mem = '{n}1MB' "
        "as $$ select current_setting('work_mem') $$", "select f_{me}()", "show work_mem",
        "create procedure p_{me}() language plpgsql as $$ begin set work_mem = '{n}7MB'; commit; "
        "set enable_sort = off; rollback; set enable_material = off; end $$", "call p_{me}()", "select 1"),
    "chained": case("begin; set work_mem = '{n}1MB'; commit and chain", "set work_mem = '{n}2MB'",
                            "rollback", "show work_mem"),
}

ENDS = {
    "RESET": case("set work_mem = '{n}1MB'", "set enable_sort = off", "reset work_mem", "select 1"),
    "RESET ALL": case("set work_mem = '{n}1MB'", "set timezone = 'Asia/Tokyo'", "set my.var = '{n}'",
                      "set application_name = 'mine'", "reset all", "show application_name",
                      "select current_setting('my.var', true)"),
    "DISCARD ALL": case("set work_mem = '{n}1MB'", "set search_path = pg_catalog", "set my.var = '{n}'",
                        "discard all", "select 1", "show search_path"),
    "DISCARD in a transaction": case("set work_mem = '{n}1MB'", "begin", "discard all", "rollback",
                                     "show work_mem"),
    "reconnecting": case("set work_mem = '{n}1MB'", "set my.var = '{n}'", RECONNECT,
                         "select current_setting('my.var', true)", "set enable_sort = off", RECONNECT),
}

STARTUP = {
    "options": case("select 1", "reset work_mem", "set work_mem = '9MB'", "reset work_mem", "reset all",
                    "discard all", startup={"options": "-c work_mem={n}5MB -c enable_sort=off --my.var={n}"}),
    "any parameter": case("reset all", "set work_mem = '7MB'", "discard all", startup={
        "work_mem": "{n}3MB", "search_path": "{role}, pg_catalog", "geqo_seed": "0.{n}25", "my.var": "x{n}",
        "default_transaction_isolation": "repeatable read", "statement_timeout": "{n}min",
    }),
    "extra_float_digits": case("select 1::float8/3", "set extra_float_digits = 1", "select 1::float8/3",
                               "reset extra_float_digits", startup={"extra_float_digits": "-{n}"}),
    "the reported ones": case("show datestyle", "reset all", "set timezone = 'UTC'", "reset timezone",
                              startup={
        "DateStyle": "German", "TimeZone": "Asia/Tokyo", "client_encoding": "LATIN{n}",
        "IntervalStyle": "iso_8601",
        "application_name": "application {n}", "standard_conforming_strings": "off",
    }),
    "options with spaces": case("show application_name", "show search_path", startup={
        "options": r"-c application_name=a\ \\{n}  -c search_path=a,b -cwork_mem=5MB --enable-sort=off"}),
    "switches": case("show datestyle", startup={"options": "-e -S 500{n} -fs"}),
    "reconnecting": case("set work_mem = '7MB'", RECONNECT, "reset work_mem", startup={"work_mem": "{n}3MB"}),
    "an unknown one": case("select 1", startup={"no_such_setting": "1"}),
    "an unknown one in options": case("select 1", startup={"options": "-c no_such_setting=1"}),
    "a bad value": case("select 1", startup={"work_mem": "nonsense"}),
    "a bad value in options": case("select 1", startup={"options": "-c work_mem=nonsense"}),
    "out of range": case("select 1", startup={"options": "-c work_mem=1"}),
    "bad options": case("select 1", startup={"options": "--nonsense"}),
    "only superusers may": case("select 1", startup={"options": "-c zero_damaged_pages=on"}),
    "only the server may": case("select 1", startup={"options": "-c shared_buffers=1GB"}),
}

BASES = {
    "ALTER ROLE": case("set work_mem = '9MB'", "reset work_mem", "discard all", RECONNECT,
                       before=["alter role {role} set work_mem = '17MB'",
                               "alter role {role} set my.var = 'r'"]),
    "ALTER DATABASE": case("set work_mem = '9MB'", "reset work_mem", "reset all", own_database=True,
                           before=["alter database {database} set work_mem = '18MB'"]),
    "role in database": case("set work_mem = '9MB'", "reset work_mem", own_database=True, before=[
        "alter role {role} set work_mem = '17MB'", "alter database {database} set work_mem = '18MB'",
        "alter role {role} in database {database} set work_mem = '19MB'",
        "alter role {role} set timezone = 'Asia/Tokyo'"]),
    "below startup": case("set work_mem = '9MB'", "reset work_mem", "reset all",
                          startup={"work_mem": "{n}3MB"},
                          before=["alter role {role} set work_mem = '17MB'"]),
    "changed while connected": case(
        "show work_mem", "alter role {role} set work_mem = '2{n}MB'", "show work_mem", RECONNECT,
        "show work_mem",
        "alter role {role} reset all", RECONNECT, "show work_mem"),
}

CUSTOM = {
    "set": case("select current_setting('my.var', true)", "set my.var = '{n}'",
                "select current_setting('my.var')",
                "select set_config('my.other', 'o{n}', false)", "select current_setting('my.other', true)",
                name="my.var"),
    "read by others": Case(["set my.{me} = '{n}'",
                            "select current_setting('my.a', true), current_setting('my.b', true)",
                            "show my.a", "show my.b"],
                           watch=["select current_setting('my.a', true)",
                                  "select current_setting('my.b', true)"]),
    "in transactions": case("begin", "set local my.var = '{n}'", "show my.var", "commit",
                            "select coalesce(current_setting('my.var', true), '')", "begin",
                            "set my.var = 'x{n}'",
                            "rollback", "select coalesce(current_setting('my.var', true), '')"),
    "reset": case("set my.var = '{n}'", "reset my.var",
                  "select coalesce(current_setting('my.var', true), '')"),
    "odd names": case("set \"odd name\".x = 1", "set my.var.deep = '{n}'", "show my.var.deep",
                      "set my.ünter = '{n}'",
                      "show my.ünter", "set nodots = 1"),
    "long values": case("select length(set_config('my.var', repeat('{n}', 100000), false))",
                        "select md5(current_setting('my.var'))", "select md5(current_setting('my.var'))"),
    "many": case("select count(set_config('my.v' || i, i || '{n}', false)) from generate_series(1, 200) i",
                 "select string_agg(current_setting('my.v' || i, true), ',') from generate_series(1, 200) i",
                 "select string_agg(current_setting('my.v' || i, true), ',') from generate_series(1, 200) i"),
    "plpgsql's": Case(
        ["do $$ begin end $$; set plpgsql.extra_warnings = 'shadowed_variables'", SHADOW,
         "show plpgsql.extra_warnings",
         SHADOW, "do $$ begin end $$; set plpgsql.variable_conflict = 'use_column'",
         "set plpgsql.check_asserts = off",
         "do $$ begin assert false; end $$", "reset plpgsql.extra_warnings", SHADOW, "discard all",
         "do $$ begin assert false; end $$"], watch=[SHADOW, "do $$ begin assert false; end $$"]),
}

ROLES = {
    "SET ROLE": case("set role {role}_x", "select current_user, session_user, current_setting('role')",
                     "select 1",
                     "reset role", "select current_user", "set role {role}_x", "set role none",
                     "select current_user",
                     "set role postgres", "begin", "set local role {role}_x", "select current_user", "commit",
                     "select current_user", "set role {role}_x", "reset all", "select current_user",
                     "discard all", "select current_user",
                     before=["create role {role}_x", "grant {role}_x to {role}"],
                     after=["drop role {role}_x"]),
    "SESSION AUTHORIZATION": case(
        "set session authorization {role}_x",
        "select current_user, session_user, current_setting('is_superuser')",
        "set work_mem = '{n}1MB'", "set zero_damaged_pages = on", "reset session authorization",
        "select current_user, session_user, current_setting('is_superuser')",
        "set session authorization {role}_x",
        "set role {role}", "discard all", "select current_user, session_user",
        role_options="superuser", before=["create role {role}_x"], after=["drop role {role}_x"]),
    "role within authorization": case(
        "set session authorization {role}_x", "set role {role}_y", "select current_user, session_user",
        "set role none", "select current_user, session_user", "set role {role}_y",
        "reset session authorization",
        "select current_user, session_user, current_setting('role')", role_options="superuser",
        before=["create role {role}_x", "create role {role}_y", "grant {role}_y to {role}_x"],
        after=["drop role {role}_x", "drop role {role}_y"]),
    "settings only a superuser may change": case(
        "set log_min_duration_statement = '{n}h'", "set log_statement = 'ddl'", "set lc_messages = 'C'",
        "set session_replication_role = 'replica'", "select 1", "reset all", role_options="superuser"),
    "changed by a superuser, kept as another": case(
        "set log_min_duration_statement = '{n}h'", "set session authorization {role}_x", "select 1",
        "reset log_min_duration_statement", "reset session authorization", "select 1",
        role_options="superuser", before=["create role {role}_x"], after=["drop role {role}_x"]),
    "granted by SET privilege": case(
        "set log_min_duration_statement = '{n}h'", "select 1", "reset log_min_duration_statement",
        before=["grant set on parameter log_min_duration_statement to {role}"],
        after=["revoke set on parameter log_min_duration_statement from {role}"]),
}

KINDS = {"set": SET, "transactions": IN_TRANSACTIONS, "ends": ENDS, "startup": STARTUP, "base": BASES,
         "custom": CUSTOM, "role": ROLES}


@pytest.mark.parametrize("kind, name", [(kind, name) for kind, cases in KINDS.items() for name in cases])
def test_as_on_a_direct_connection(places, kind, name):
    same_as_direct(places, KINDS[kind][name])


SWITCHES = [
    "-fs -f h -S 6400 -e", "-fx", "-f x", "-x", "-e -x", "-ex", "-xe", "-e -xe", "-c", "-t", "-tq", "-tpa", "-s",
    "a", "-e a -e", "-", "--", "-- a", "-O", "-P", "-F", "-W 0", "-d 2", "-N 3", "-E -b -j -n -C x -D y -r z -v 3",
    "--=x", "-c name", "--work-mem=5MB -nc work_mem=6MB", "-B 100", "-k /x", "-T",
]


@pytest.mark.parametrize("options", SWITCHES)
def test_switches_in_options(places, options):
    same_as_direct(places, case("select 1", startup={"options": options}), orders=[ORDERS["a first"]])


def test_a_login_after_a_change_is_told_the_new_values(rotating):
    """ParameterStatus at the login, after ALTER ROLE, ALTER DATABASE and a reload."""
    role = rotating.role()
    cluster = rotating.cluster

    def told(**startup):
        wire = rotating.wire(role, **startup)
        parameters = dict(wire.parameters)
        shown = wire.value("show timezone"), wire.value("show datestyle")
        wire.close()
        assert shown == (parameters["TimeZone"], parameters["DateStyle"])
        return parameters["TimeZone"], parameters["DateStyle"].split(",")[0]

    before = told()
    stays = rotating.wire(role)
    try:
        cluster.sql(f"alter role {role.name} set timezone = 'Asia/Tokyo'")
        assert told() == ("Asia/Tokyo", before[1])
        assert told(DateStyle="German") == ("Asia/Tokyo", "German")
        cluster.sql(f"alter role {role.name} in database {rotating.database} set datestyle = 'SQL'")
        assert told() == ("Asia/Tokyo", "SQL")
        assert told(application_name="one") == told(application_name="other") == ("Asia/Tokyo", "SQL")
        cluster.sql(f"alter role {role.name} reset timezone")
        assert told() == (before[0], "SQL")
        cluster.sql("alter system set timezone = 'Africa/Cairo'")
        cluster.reload()
        deadline = time.monotonic() + DEADLINE
        while told()[0] != "Africa/Cairo":
            assert time.monotonic() < deadline
        assert [told() for _ in range(6)] == [("Africa/Cairo", "SQL")] * 6
        assert stays.value("show datestyle").startswith(before[1])
    finally:
        cluster.sql("alter system reset timezone")
        cluster.reload()


def test_settings_too_long_for_the_worker_are_the_sessions_all_the_same(rotating):
    role = rotating.role()
    before = rotating.wire(role)
    assert before.value("show work_mem") == "4MB"
    rotating.cluster.sql(f"alter role {role.name} set work_mem = '17MB'")
    for i in range(6):
        value = rotating.cluster.value(
            "select string_agg(md5((i * 7 + %s)::text), '') from generate_series(1, 40) i", i)
        rotating.cluster.sql(f"alter role {role.name} set my.long{i} = '{value}'")
    after = [rotating.wire(role, **startup) for startup in ({}, {"work_mem": "9MB"}, {})]
    for _ in range(3):
        assert [wire.value("show work_mem") for wire in after] == ["17MB", "9MB", "17MB"]
        assert [wire.value("select length(current_setting('my.long5'))") for wire in after] == ["1280"] * 3
        assert before.value("select current_setting('my.long5', true)") is None
        assert before.value("show work_mem") == "4MB"


def test_every_setting_reads_as_on_a_direct_connection(places):
    """All of pg_settings, in a session that has been elsewhere and changed nothing."""
    everything = ("select name, setting, source, boot_val, reset_val, pending_restart from pg_settings "
                  "where name not like 'carpool.%' and name <> 'in_hot_standby' "
                  "and name not like 'tcp_%' order by name")  # those show what the socket has
    same_as_direct(places, Case(["select 1", everything, "set work_mem = '{n}1MB'", everything, "discard all",
                                 everything], watch=["select 1"]), orders=[ORDERS["a first"]])


def test_an_extensions_setting(places):
    """
    pgvector's or auto_explain's, whichever the server has. pg_settings does not show it where
    its library is not loaded, and before that any value will do; so each change loads it.
    """
    has_vector = places[0].cluster.value("select 1 from pg_available_extensions where name = 'vector'")
    if has_vector:
        load = "select '[1,{n}]'::vector <-> '[2,{n}]'"
        extra = {"own_database": True, "before": ["create extension vector"]}
        name, bad = "ivfflat.probes", "-1"
    else:
        load, extra = "load 'auto_explain'", {"role_options": "superuser", "pins": True}
        name, bad = "auto_explain.sample_rate", "-1"
    same_as_direct(places, Case(
        [f"{load}; set {name} = 1", f"show {name}", f"{load}; set {name} = '{bad}'", load, f"show {name}",
         "begin",
         f"{load}; set {name} = 0.5", f"show {name}", "rollback", f"show {name}", f"{load}; reset {name}",
         f"{load}; show {name}"], watch=[f"{load}; show {name}"], **extra))


def test_settings_of_a_library_that_a_function_has_loaded(places):
    """From then on the session has them; so the next backend has to have the library, too."""
    looks = ["show plpgsql.variable_conflict", "show plpgsql.extra_warnings"]
    same_as_direct(places, Case(["do $$ begin end $$", *looks, "begin", *looks, "rollback", *looks],
                                watch=["select 1"], own_database=True))


def test_another_client_is_told_of_its_own_changes_only(places):
    """ParameterStatus: part of every transcript, here after changes of all that is reported."""
    changes = ["set timezone = 'Asia/Tokyo'", "set application_name = 'mine {n}'",
               "set client_encoding = LATIN1",
               "set datestyle = German", "set intervalstyle = iso_8601",
               "set standard_conforming_strings = off",
               "set default_transaction_read_only = on", "select 1", "reset all", "select 2"]
    same_as_direct(places, Case(changes, watch=["select 3"]))


def test_statement_timeout_set_in_another_transaction_fires(rotating):
    role = rotating.role()
    wires = [rotating.wire(role) for _ in range(3)]
    wires[0].query("set statement_timeout = '50ms'")
    for _ in range(4):
        start = time.monotonic()
        assert error_of(wires[0].query("select pg_sleep(20)"))["C"] == "57014"
        assert time.monotonic() - start < 10
        assert wires[1].value("show statement_timeout") == "0"
        assert wires[2].value("select pg_sleep(0.1)") == ""


def test_lock_timeout_set_in_another_transaction_fires(rotating):
    role = rotating.role()
    holder, waiter, patient = (rotating.wire(role) for _ in range(3))
    holder.query("create table t(x int)")
    waiter.query("set lock_timeout = '50ms'")
    holder.query("begin; lock table t")
    for _ in range(3):
        assert patient.value("show lock_timeout") == "0"
        assert error_of(waiter.query("table t"))["C"] == "55P03"
    holder.query("rollback")
    assert waiter.value("select count(*) from t") == "0"


def test_idle_in_transaction_session_timeout_ends_its_client_only(rotating):
    role = rotating.role()
    first, second = rotating.wire(role), rotating.wire(role)
    first.query("set idle_in_transaction_session_timeout = '100ms'")
    second.query("begin")
    first.query("begin")
    errors = [frame.fields() for frame in first.until_closed() if frame.kind == "E"]
    assert [error["C"] for error in errors] == ["25P03"]
    assert second.value("select 1") == "1"
    second.query("commit")
    assert second.value("show idle_in_transaction_session_timeout") == "0"


def test_a_refused_startup_parameter_leaves_the_server_to_others(rotating):
    role = rotating.role()
    good = rotating.wire(role)
    good.value("select 1")
    for _ in range(8):
        with pytest.raises(Refused) as refused:
            rotating.wire(role, work_mem="nonsense")
        assert refused.value.fields["C"] == "22023"
        assert good.value("show work_mem") == "4MB"
    assert rotating.wire(role, work_mem="9MB").value("show work_mem") == "9MB"


def test_settings_of_the_file_reach_a_carried_session_after_a_reload(rotating):
    role = rotating.role()
    first, second = rotating.wire(role), rotating.wire(role)
    first.query("set enable_sort = off")
    try:
        rotating.cluster.sql("alter system set work_mem = '13MB'")
        rotating.cluster.reload()
        for wire in (first, second):
            for _ in range(6):
                wire.value("select 1")  # the server reads its files before its next statement
            assert wire.value("show work_mem") == "13MB"
        first.query("set work_mem = '9MB'")
        second.value("select 1")
        first.query("reset work_mem")
        assert [first.value("show work_mem") for _ in range(4)] == ["13MB"] * 4
        assert first.value("show enable_sort") == "off"
    finally:
        rotating.cluster.sql("alter system reset work_mem")
        rotating.cluster.reload()
