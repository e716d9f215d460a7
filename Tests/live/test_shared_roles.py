"""share_roles: one pool of a database serves several roles, and nobody gets at another's rights."""

import contextlib
import threading
import time

import pytest

from constants import PID
from test_owner_logins import WAYS_BACK, WHO
from waiting import wait_until
from wire import SYNC, Refused, bind, error_of, execute, kinds, message, parse, query, send_cancel


WAYS_TO_A_ROLE = [
    "set session authorization {other}",
    "set role {other}",
    "select set_config('session_authorization', '{other}', false)",
    "select set_config('role', '{other}', false)",
    "begin; set local role {other}; commit",
    "do $$ begin set role {other}; exception when others then reset session authorization; reset role; end $$",
]


@pytest.fixture
def shared(database, debian):
    database.configure(pool_mode="transaction", default_pool_size=1, share_roles="on")
    return database


def identity(role):
    return [[role.name, role.name, role.name, "off", "t"]]


def two(host):
    """Two roles and a client of each, which have both been served."""
    roles = [host.new_role(), host.new_role()]
    wires = [host.wire(role) for role in roles]
    assert wires[0].value(PID) == wires[1].value(PID)
    return *roles, *wires


def taking_turns(host, times):
    """The same, after so many turns of each."""
    first, second, a, b = two(host)
    for _ in range(times):
        assert (a.rows(WHO), b.rows(WHO)) == (identity(first), identity(second))
    return first, second, a, b


def test_roles_share_a_backend_and_stay_who_they_are(shared):
    roles = [shared.new_role() for _ in range(3)]
    wires = [shared.wire(role) for role in roles]
    for _ in range(3):
        for role, wire in zip(roles, wires):
            assert wire.rows(WHO) == identity(role)
    assert len({wire.value(PID) for wire in wires}) == 1
    for role, wire in zip(roles, wires):
        assert wire.parameters["session_authorization"] == role.name
        assert wire.parameters["is_superuser"] == "off"


def test_without_the_setting_each_role_has_its_pool(database, debian):
    database.configure(pool_mode="transaction", default_pool_size=1)
    assert len({database.wire(database.new_role()).value(PID) for _ in range(2)}) == 2


@pytest.mark.parametrize("switches", [1, 4])
@pytest.mark.parametrize("way", WAYS_BACK)
def test_no_way_leads_back_to_the_owner(shared, way, switches):
    first, second, a, b = taking_turns(shared, switches)
    b.query(way)
    b.query("rollback")
    assert b.rows(WHO) == identity(second)
    assert a.rows(WHO) == identity(first)
    assert b.value("select rolsuper from pg_roles where rolname = current_user") == "f"


@pytest.mark.parametrize("switches", [1, 4])
@pytest.mark.parametrize("way", WAYS_TO_A_ROLE)
def test_no_way_leads_to_the_role_that_was_served_before(shared, way, switches):
    first, second, a, b = taking_turns(shared, switches)
    b.query(way.format(other=first.name))
    b.query("rollback")
    for _ in range(2):
        assert b.rows(WHO) == identity(second)
        b.query("reset session authorization")
        b.query("discard all")
    assert a.rows(WHO) == identity(first)


def test_a_role_that_was_set_follows_its_client_only(shared):
    first, second, a, b = two(shared)
    group = shared.new_role()
    shared.cluster.sql(f"grant {group.name} to {first.name}")
    a.query(f"set role {group.name}")
    for _ in range(2):
        assert b.rows(WHO) == identity(second)
        assert a.rows(WHO) == [[group.name, first.name, first.name, "off", "t"]]
    a.query("reset role")
    assert b.rows(WHO) == identity(second) and a.rows(WHO) == identity(first)


def test_settings_are_each_logins_own(shared):
    first, second = shared.new_role(), shared.new_role()
    group = shared.new_role()
    shared.cluster.sql(f"grant {group.name} to {first.name}")
    shared.cluster.sql(f"alter role {first.name} set work_mem = '33MB'")
    shared.cluster.sql(f"alter role {first.name} set role = '{group.name}'")
    a, b = shared.wire(first), shared.wire(second, application_name="b's")
    setting = "select setting, source, reset_val from pg_settings where name = 'work_mem'"
    for _ in range(2):
        assert a.rows(setting) == [["33792", "user", "33792"]]
        assert a.value("select current_user") == group.name
        assert b.rows(setting)[0][1] == "default" and b.value("show application_name") == "b's"
        assert b.rows(WHO) == identity(second)
        b.query("set work_mem = '1MB'; set my.secret = 'b'")
        assert a.value("select current_setting('my.secret', true) is null") == "t"
        a.query("reset role")
        assert a.value("select current_user") == group.name
        b.query("reset all")


def test_row_security_and_search_path_hold_in_statements_of_equal_text(shared):
    first, second, a, b = two(shared)
    cluster, name = shared.cluster, f"rows_{first.name}"
    cluster.sql(f"create table {name} (owner text)", dbname=shared.database)
    cluster.sql(f"insert into {name} values ('{first.name}'), ('{second.name}')", dbname=shared.database)
    cluster.sql(f"alter table {name} enable row level security", dbname=shared.database)
    cluster.sql(f"create policy own on {name} using (owner = current_user)", dbname=shared.database)
    cluster.sql(f"grant select on {name} to public", dbname=shared.database)
    cluster.sql(f"create function f_{name}() returns setof text language plpgsql as "
                f"'begin return query select owner from {name}; end'", dbname=shared.database)
    for role, wire in ((first, a), (second, b)):
        wire.query(f"create table here as select '{role.name}'::text as owner")
        wire.query(f"prepare p as select owner from {name}")
        wire.query("prepare h as select owner from here")
        wire.send(parse(f"select owner from {name}", "s"), SYNC).until_ready()
    for _ in range(7):      # beyond the five custom plans before a generic one
        for role, wire in ((first, a), (second, b)):
            for statement in ("execute p", "execute h", f"select * from f_{name}()"):
                assert wire.rows(statement) == [[role.name]]
            wire.send(bind(name="s"), execute(), SYNC)
            assert [frame.values() for frame in wire.until_ready() if frame.kind == "D"] == [[role.name]]
    cluster.sql(f"drop table {name} cascade; drop function f_{name}", dbname=shared.database)


def test_rights_are_the_clients_in_prepared_statements(shared):
    first, second, a, b = two(shared)
    a.query(f"create table {first.name}.mine as select 1 as n")
    shared.cluster.sql(f"grant usage on schema {first.name} to {second.name}", dbname=shared.database)
    text = f"prepare p as select n from {first.name}.mine"
    for wire in (a, b):
        wire.query(text)
    for _ in range(3):
        assert a.value("execute p") == "1"
        assert [frame.fields()["C"] for frame in b.query("execute p") if frame.kind == "E"] == ["42501"]
    a.query(f"grant select on {first.name}.mine to {second.name}")
    b.query("deallocate all")
    b.query(text)
    assert b.value("execute p") == a.value("execute p") == "1"
    a.query(f"revoke select on {first.name}.mine from {second.name}")
    assert [frame.fields()["C"] for frame in b.query("execute p") if frame.kind == "E"] == ["42501"]


def test_what_a_client_makes_is_its_roles(shared):
    first, second, a, b = two(shared)
    a.query(f"alter default privileges in schema {first.name} grant select on tables to public")
    for role, wire in ((first, a), (second, b)):
        wire.query("create table made (n int); create sequence made_s; create function made_f() "
                   "returns int language sql as 'select 1'")
        assert wire.value("select relowner::regrole from pg_class where oid = 'made'::regclass") == role.name
    assert a.value("select relacl is not null from pg_class where oid = 'made'::regclass") == "t"
    assert b.value("select relacl is null from pg_class where oid = 'made'::regclass") == "t"
    assert kinds(b.query("alter user current_user password 'new'")) == "CZ"
    assert "E" in kinds(b.query(f"alter user {first.name} password 'new'"))
    with pytest.raises(Refused):
        shared.wire(second)
    assert shared.wire(first).rows(WHO) == identity(first)


def test_a_role_sees_no_query_of_the_one_before(shared):
    first, second, a, b = two(shared)
    pid = a.value(PID)
    a.query("select 'the secret of the first'")
    b.send(SYNC).until_ready()      # attached, and nothing reported yet
    [[user, text]] = shared.cluster.sql("select usename, query from pg_stat_activity where pid = %s", pid)
    assert (user, text) == (second.name, "")
    assert a.rows(WHO) == identity(first)


def test_the_right_to_make_temporary_tables_is_not_passed_on(shared):
    first, second = shared.new_role(), shared.new_role()
    name = shared.new_database()
    shared.cluster.sql(f"revoke temp on database {name} from public")
    shared.cluster.sql(f"grant temp on database {name} to {first.name}")
    a, b = shared.wire(first, dbname=name), shared.wire(second, dbname=name)
    assert kinds(a.query("create temp table t (n int); drop table t")) == "CCZ"
    assert a.value(PID) == b.value(PID)
    assert [frame.fields()["C"] for frame in b.query("create temp table t (n int)") if frame.kind == "E"] == ["42501"]


@pytest.mark.parametrize("options, setting", [
    ("superuser", None), ("connection limit 3", None), ("", "carpool.pool_mode = 'session'"),
    ("", "carpool.pool_size = 3"), ("", "carpool.max_user_connections = 2"),
    ("", "session_preload_libraries = 'plpgsql'"),
], ids=["superuser", "limit", "mode", "size", "user limit", "preload"])
def test_roles_that_need_backends_of_their_own_have_them(shared, options, setting):
    _, second, _, b = two(shared)
    own = shared.new_role(options=options)
    if setting:
        shared.cluster.sql(f"alter role {own.name} set {setting}")
    wire = shared.wire(own)
    assert wire.value("select session_user") == own.name
    assert wire.value(PID) != b.value(PID)
    assert b.rows(WHO) == identity(second)
    if "session'" in (setting or ""):
        wire.query("create temp table kept (n int)")
        assert wire.value("select count(*) from kept") == "0"


def test_a_limit_of_all_users_leaves_nobody_to_share(shared):
    shared.configure(max_user_connections=5)
    assert len({shared.wire(shared.new_role()).value(PID) for _ in range(2)}) == 2


def test_where_the_owner_cannot_log_in_roles_have_their_pools(database, rules):
    rules("local postgres postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
          "local all all scram-sha-256\n")
    database.configure(pool_mode="transaction", default_pool_size=1, share_roles="on")
    assert len({database.wire(database.new_role()).value(PID) for _ in range(2)}) == 2


def test_timeouts_stay_each_roles_own(shared):
    first, second = shared.new_role(), shared.new_role()
    shared.configure_role(first, client_idle_timeout="100ms")
    a, b = shared.wire(first), shared.wire(second)
    assert a.value(PID) == b.value(PID)
    assert "client_idle_timeout" in a.frames_until("E")[-1].fields()["M"]
    assert b.rows(WHO) == identity(second)


def test_a_backend_that_stays_the_owner_serves_nobody(shared):
    shared.configure(test_stays_owner="on")
    with pytest.raises(Refused) as refused:
        shared.wire(shared.new_role())
    assert "did not become" in refused.value.fields["M"]
    shared.configure(test_stays_owner="off")
    wait_until(lambda: logs_in(shared), "the next try")


def logs_in(host):
    with contextlib.suppress(Refused):
        return host.wire().rows(WHO) == identity(host.role())


def test_a_role_that_is_gone_keeps_no_other_from_a_first_server(shared):
    first, second, a, b = two(shared)
    pid = b.value(PID)
    a.query(f"drop schema {first.name}")
    shared.cluster.sql(f"drop role {first.name}")
    shared.cluster.sql("select pg_terminate_backend(%s, 5000)", pid)
    a.send(query("select 1"))
    b.send(query("select 1"))
    assert "does not exist" in a.until_closed()[0].fields()["M"]
    assert kinds(b.until_ready()) == "TDCZ" and b.rows(WHO) == identity(second)


def test_nobody_becomes_a_superuser_in_a_shared_backend(shared):
    first, second, a, b = two(shared)
    shared.cluster.sql(f"alter role {first.name} superuser")
    assert b.rows(WHO) == identity(second)
    a.send(query("select current_setting('is_superuser')"))
    frames = a.until_closed()
    assert kinds(frames) == "E" and "other roles use" in frames[0].fields()["M"]
    assert b.rows(WHO) == identity(second)
    assert shared.wire(first).value("select current_setting('is_superuser')") == "on"


def test_roles_that_go_or_change_their_name(shared):
    first, second, a, b = two(shared)
    third = shared.new_role()
    c = shared.wire(third)
    assert c.rows(WHO) == identity(third)
    shared.cluster.sql(f"alter role {second.name} rename to {second.name}_new")
    assert a.rows(WHO) == identity(first)
    second.name += "_new"
    assert b.rows(WHO) == identity(second)
    # served, not connected any more
    c.close()
    shared.cluster.sql(f"drop owned by {third.name}", dbname=shared.database)
    shared.cluster.sql(f"drop role {third.name}")
    # connected
    a.query(f"drop schema {first.name}")
    assert b.rows(WHO) == identity(second)
    shared.cluster.sql(f"drop role {first.name}")
    a.send(query("select 1"))
    assert "does not exist" in a.until_closed()[0].fields()["M"]
    assert b.rows(WHO) == identity(second)


def test_what_a_client_sent_before_it_left_is_done_as_its_own(shared):
    first, second, a, b = two(shared)
    cluster = shared.cluster
    cluster.sql(f"create table seen_{first.name} (wanted text, seen text, path text)", dbname=shared.database)
    cluster.sql(f"grant insert on seen_{first.name} to public", dbname=shared.database)
    for round in range(60):
        role = (first, second)[round % 2]
        wire = shared.wire(role)
        wire.query(f"set search_path = s{round}, public")
        (b, a)[round % 2].query("select 1")
        wire.send(query(f"insert into seen_{first.name} values ('{role.name}', current_user, "
                        "current_setting('search_path'))"), message("X"))
        wire.close()
    a.query("select 1")
    rows = cluster.sql(f"select wanted, seen, path from seen_{first.name}", dbname=shared.database)
    assert len(rows) == 60 and all(wanted == seen and path.startswith("s") for wanted, seen, path in rows)
    cluster.sql(f"drop table seen_{first.name}", dbname=shared.database)


def test_many_roles_at_a_time_are_nobody_else(shared):
    """Four roles on two servers that rotate; each client checks itself all the time."""
    shared.configure(default_pool_size=2, test_rotate_servers="on")
    roles, wrong, counts = [shared.new_role() for _ in range(4)], [], []
    end = time.monotonic() + 3

    def work(role):
        wire, count = shared.wire(role), 0
        wire.query(f"prepare me as select current_user, session_user, '{role.name}'; set my.name = '{role.name}'")
        while time.monotonic() < end:
            count += 1
            seen = wire.rows("execute me")[0] + wire.rows("select current_setting('my.name')")[0]
            if set(seen) != {role.name} or wire.rows(WHO) != identity(role):
                wrong.append(seen)
        counts.append(count)

    threads = [threading.Thread(target=work, args=(role,)) for role in roles for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(counts) == 8 and min(counts) > 20


def test_the_log_names_the_client(shared):
    mark = shared.log_mark()
    first, second, a, b = two(shared)
    b.close()
    lines = "\n".join(shared.log_lines(mark))
    for role in (first, second):
        assert f"login attempt: db={shared.database} user={role.name}" in lines


def test_libraries_variables_are_kept_from_other_roles(shared):
    """A function in C may keep anything in the session; only a client's own role may find it."""
    first, second, a, b = two(shared)
    function = f"{first.name}.version()"
    shared.cluster.sql(f"create function {function} returns text language c as "
                       "'$libdir/pg_carpool', 'carpool_version'", dbname=shared.database)
    pid = a.value(PID)
    assert kinds(a.query(f"select {function}")) == "TDCZ"
    b.send(query(PID))              # waits: the only server is kept
    assert a.value(PID) == pid
    a.close()
    assert b.until_ready()[1].values() != [pid]
    shared.configure(stateless_languages="c")
    c = shared.wire(first)
    c.query(f"select {function}")
    assert c.value(PID) == b.value(PID)


def test_pins_of_a_client_that_left_are_gone_for_the_next_role(shared):
    first, second, a, b = two(shared)
    a.query("create temp table kept as select 1; select pg_advisory_lock(11); set work_mem = '3MB'")
    b.send(query(WHO))
    a.close()
    assert [frame.values() for frame in b.until_ready() if frame.kind == "D"] == identity(second)
    assert b.value("select to_regclass('pg_temp.kept') is null and pg_try_advisory_lock(11)") == "t"
    assert b.value("select pg_advisory_unlock(11)") == "t"


@pytest.mark.parametrize("mode", ["session", "statement"])
def test_roles_share_in_the_other_modes(shared, mode):
    shared.configure(pool_mode=mode)
    roles, pids = [shared.new_role(), shared.new_role()], set()
    for _ in range(3):
        for role in roles:
            wire = shared.wire(role)
            assert wire.rows(WHO) == identity(role)
            wire.query("set my.secret = 'x'; set role none")
            pids.add(wire.value(PID))
            wire.close()
    assert len(pids) == 1


def test_parallel_workers_have_the_clients_role(shared):
    first, second, a, b = two(shared)
    for role, wire in ((first, a), (second, b), (first, a)):
        wire.query("set debug_parallel_query = on")
        assert wire.rows("select current_user, session_user") == [[role.name, role.name]]


def test_a_role_that_all_logins_set_is_set(shared):
    name, group = shared.new_database(), shared.new_role()
    roles = [shared.new_role(options=f"in role {group.name}") for _ in range(2)]
    shared.cluster.sql(f"alter database {name} set role = '{group.name}'")
    for role in roles * 2:
        wire = shared.wire(role, dbname=name)
        assert wire.rows("select current_user, session_user") == [[group.name, role.name]]


def test_rights_to_log_in_are_checked_at_each_login(shared):
    first, second = shared.new_role(), shared.new_role()
    name = shared.new_database()
    a, b = shared.wire(first, dbname=name), shared.wire(second, dbname=name)
    shared.cluster.sql(f"revoke connect on database {name} from public")
    shared.cluster.sql(f"grant connect on database {name} to {second.name}")
    assert a.rows(WHO) == identity(first)       # who is in stays in, as on a direct connection
    assert b.rows(WHO) == identity(second)
    with pytest.raises(Refused, match="permission denied for database"):
        shared.wire(first, dbname=name)
    shared.cluster.sql(f"alter role {second.name} valid until '2001-01-01'")
    with pytest.raises(Refused):
        shared.wire(second, dbname=name)
    assert b.rows(WHO) == identity(second)


def test_a_database_whose_clients_left_can_be_dropped(shared):
    name = shared.new_database()
    for role in (shared.new_role(), shared.new_role()):
        with shared.wire(role, dbname=name) as wire:
            assert wire.rows(WHO) == identity(role)
    shared.cluster.sql(f"drop database {name}")


def test_cancels_reach_the_client_in_a_shared_backend(shared):
    first, second, a, b = two(shared)
    a.send(query("select pg_sleep(600)"))
    shared.wait_servers(1, role=first, state="active")
    b.send(query(WHO))
    send_cancel(shared.address(), b.key)        # it waits
    assert error_of(b.frames_until("E"))["C"] == "57014"
    send_cancel(shared.address(), a.key)
    assert error_of(a.until_ready())["C"] == "57014"
    assert b.until_ready()[-1].kind == "Z" and b.rows(WHO) == identity(second)


def test_clients_of_several_roles_listen_without_a_backend(shared):
    *roles, first, second = two(shared)
    for role, wire in zip(roles, (first, second)):
        wire.query(f"listen only_{role.name}; listen all_of_us")
    for number in range(10):
        for statement in (f"notify all_of_us, '{number}'", f"notify only_{roles[number % 2].name}"):
            shared.cluster.sql(statement, dbname=shared.database)
        for place, wire in enumerate((first, second)):
            assert wire.frame().body[4:] == b"all_of_us\0%d\0" % number
            if place == number % 2:
                assert wire.frame().body[4:] == b"only_%s\0\0" % roles[place].name.encode()
            assert wire.rows(WHO) == identity(roles[place])


@pytest.mark.parametrize("name", ["session_authorization", "role"])
@pytest.mark.parametrize("where", ["startup", "options", "alter role"])
def test_no_login_starts_as_another_role(shared, name, where):
    first, second, a, b = two(shared)
    third = shared.new_role()
    startup = {"startup": {name: first.name}, "options": {"options": f"-c {name}={first.name}"}}.get(where, {})
    if where == "alter role":
        shared.cluster.sql(f"alter role {third.name} set {name} = '{first.name}'")
    for _ in range(2):
        try:
            wire = shared.raw().login(third.name, third.password, shared.database, **startup)
        except Refused as refused:
            assert refused.fields["C"] in ("42501", "22023", "0LP01"), refused.fields
        else:
            assert wire.rows(WHO) == identity(third)
        assert (a.rows(WHO), b.rows(WHO)) == (identity(first), identity(second))
