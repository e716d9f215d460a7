"""
State that can't be carried keeps its client on its server, until it is gone. With the
servers rotating, who keeps its server for three statements is pinned.
"""

import threading

import psycopg
import pytest

from constants import PID
from database_host import DatabaseHost
from steps import Case, same_as_direct
from waiting import wait_until
from wire import SYNC, TERMINATE, bind, error_of, execute, kinds, parse, send_cancel

LOCKS = (
    "select classid, objid, mode from pg_locks "
    "where locktype = 'advisory' and pid = pg_backend_pid() order by 1, 2, 3"
)
TEMPORARY = "select relname from pg_class where relnamespace = pg_my_temp_schema() order by 1"
CURSORS = "select name, statement, is_holdable from pg_cursors order by 1"


def case(*steps, watch=(LOCKS, TEMPORARY, CURSORS), **extra):
    return Case(list(steps), watch=list(watch), pins=True, **extra)


CASES = {
    "advisory locks": case(
        "select pg_advisory_lock({n})", LOCKS, "select pg_advisory_lock({n})",
        "select pg_advisory_lock_shared({n}, 7)",
        LOCKS, "select pg_advisory_unlock({n})", LOCKS, "select pg_advisory_unlock({n})", LOCKS,
        "select pg_advisory_unlock({n})", "select pg_advisory_unlock_all()", LOCKS),
    "advisory locks that others want": case(
        "select pg_try_advisory_lock(1)", LOCKS, "select pg_try_advisory_lock_shared(2)", LOCKS, "select 1",
        "select pg_advisory_unlock(1)", "select pg_try_advisory_lock(1)",
        "select pg_advisory_unlock_shared(2)",
        "select pg_try_advisory_lock(2)", "select pg_advisory_unlock_all()",
        watch=["select pg_try_advisory_xact_lock(1), pg_try_advisory_xact_lock(2)"]),
    "advisory locks and transactions": case(
        "begin", "select pg_advisory_lock({n})", "rollback", LOCKS, "select pg_advisory_unlock({n})", "begin",
        "select pg_advisory_xact_lock({n})", LOCKS, "commit", LOCKS, "select pg_advisory_lock({n})",
        "discard all", LOCKS),
    "temporary table": case(
        "create temp table t(x int, y text)", "insert into t values ({n}, 'x')", "select * from t", TEMPORARY,
        "begin; insert into t values (7); rollback", "create index on t(x)", "analyze t", "table t",
        "truncate t",
        "select count(*) from t", "drop table t", TEMPORARY, "table t"),
    "temporary table that hides another": case(
        "create table t_{me} as select 'real' as x", "create temp table t_{me} as select 'temp {n}' as x",
        "table t_{me}",
        "table t_{me}", "drop table t_{me}", "table t_{me}"),
    "rows deleted on commit": case(
        "create temp table t(x int) on commit delete rows", "insert into t values (1)", "table t",
        "begin; insert into t values (1); table t; commit", "table t", "drop table t"),
    "dropped on commit": case(
        "begin; create temp table t(x int) on commit drop; insert into t values ({n}); table t; commit",
        "table t",
        TEMPORARY),
    "rolled back": case("begin; create temp table t(x int); rollback", "table t", TEMPORARY),
    "created in a subtransaction": case(
        "begin; savepoint s; create temp table t(x int); rollback to s; create temp table u(x int); commit",
        TEMPORARY,
        "table u", "discard temp", TEMPORARY),
    "temporary view, function, type, sequence": case(
        "create temp view v as select {n} as x", "table v",
        "create function pg_temp.f() returns int language sql as 'select 4{n}'", "select pg_temp.f()",
        "drop view v",
        "select pg_temp.f()", "create type pg_temp.pair as (a int, b text)", "select (1, 'x')::pg_temp.pair",
        "create temp sequence s", "select nextval('s')", "drop function pg_temp.f()",
        "drop type pg_temp.pair",
        "select currval('s')", "discard all", "select nextval('s')"),
    "select into temp": case("select {n} as x into temp t", "table t", "table t", "drop table t"),
    "cursor with hold": case(
        "declare c cursor with hold for select i * {n} from generate_series(1, 10) i", "fetch 3 from c",
        CURSORS,
        "fetch 3 from c", "move 1 in c", "begin", "fetch 1 from c", "rollback", "fetch 1 from c", "close c",
        "fetch 1 from c",
        CURSORS),
    "cursor with hold, made in a transaction": case(
        "begin", "declare c scroll cursor with hold for select i * {n} from generate_series(1, 10) i",
        "fetch 2 from c",
        "commit", "fetch 2 from c", "fetch backward 3 from c", "declare d cursor with hold for select {n}",
        "close all",
        CURSORS, "begin", "declare c cursor with hold for select 1", "rollback", "fetch 1 from c"),
    "cursor and the rest of the state": case(
        "set work_mem = '{n}MB'", "declare c cursor with hold for select {n}", "prepare p as select 7{n}",
        "fetch 1 from c",
        "execute p", "show work_mem", "close c", "execute p", "show work_mem"),
    "random numbers": case(
        "select setseed(0.{n})", "select random()", "select random()", "select random(), random()",
        watch=["select 1"]),
    "seed by SET": case("set seed = 0.{n}", "select random()", "select random()", watch=["select 1"]),
}


@pytest.mark.parametrize("name", CASES)
def test_as_on_a_direct_connection(places, name):
    same_as_direct(places, CASES[name])


# Who keeps a server, and for how long.

def pinned(wire, others):
    """Its server's process id, when it keeps that one; None when it goes from one to another."""
    pids = set()
    for _ in range(3):
        pids.add(wire.value(PID))
        for other in others:
            other.value("select 1")
    return pids.pop() if len(pids) == 1 else None


@pytest.fixture
def three(rotating):
    """A client that will be pinned, and two that will not."""
    role = rotating.role()
    return [rotating.wire(role) for _ in range(3)]


def test_servers_rotate_without_state(three):
    for wire in three:
        assert pinned(wire, [other for other in three if other is not wire]) is None


# What begins it, what ends it.
PINS = {
    "advisory lock": ("select pg_advisory_lock(1)", "select pg_advisory_unlock(1)"),
    "shared advisory lock": ("select pg_advisory_lock_shared(1)", "select pg_advisory_unlock_shared(1)"),
    "advisory lock of two numbers": ("select pg_advisory_lock(1, 2)", "select pg_advisory_unlock_all()"),
    "tried advisory lock": ("select pg_try_advisory_lock(1)", "discard all"),
    "advisory lock in a transaction": ("begin; select pg_advisory_lock(1); commit",
                                       "select pg_advisory_unlock(1)"),
    "advisory lock in a rolled back one": ("begin; select pg_advisory_lock(1); rollback",
                                           "select pg_advisory_unlock(1)"),
    "temporary table": ("create temp table t(x int)", "drop table t"),
    "temporary table, discarded": ("create temp table t(x int)", "discard temp"),
    "temporary table, all discarded": ("create temp table t(x int)", "discard all"),
    "temporary view": ("create temp view v as select 1", "drop view v"),
    "temporary function": ("create function pg_temp.f() returns int language sql as 'select 1'",
                           "drop function pg_temp.f()"),
    "cursor": ("declare c cursor with hold for select 1", "close c"),
    "cursor, all closed": ("declare c cursor with hold for select 1", "close all"),
    "cursor, all discarded": ("declare c cursor with hold for select 1", "discard all"),
}

NO_PINS = {
    "lock of a transaction": "begin; select pg_advisory_xact_lock(1); commit",
    "lock taken and released": "select pg_advisory_lock(1); select pg_advisory_unlock(1)",
    "temporary table dropped on commit": "begin; create temp table t(x int) on commit drop; commit",
    "temporary table rolled back": "begin; create temp table t(x int); rollback",
    "temporary table dropped": "begin; create temp table t(x int); drop table t; commit",
    "cursor without hold": "begin; declare c cursor for select 1; commit",
    "cursor rolled back": "begin; declare c cursor with hold for select 1; rollback",
    "settings": "set work_mem = '5MB'; set my.var = 'x'",
    "prepared statement": "prepare p as select 1",
    "functions of sql and plpgsql": "do $$ begin perform random(), now(), length('x'); end $$",
    "failed statement": "select 1/0",
}


@pytest.mark.parametrize("name", PINS)
def test_a_pin_lasts_as_long_as_its_state(three, name):
    first, *others = three
    start, end = PINS[name]
    assert "E" not in kinds(first.query(start))
    pid = pinned(first, others)
    assert pid, "the client has lost its server, and the state with it"
    seen = {other.value(PID) for _ in range(4) for other in others}
    assert pid not in seen, "another client was served by a pinned server"
    assert "E" not in kinds(first.query(end))
    assert pinned(first, others) is None
    wait_until(lambda: pid in {other.value(PID) for other in others}, "others get the server again")


# What only a superuser has: what begins it, what ends it, the reason in carpool.pins().
SUPERUSERS_PINS = {
    "temporary slot": ("select pg_create_physical_replication_slot('pinned', true, true)",
                       "select pg_drop_replication_slot('pinned')", "replication"),
    "origin": ("select pg_replication_origin_create('pinned'), pg_replication_origin_session_setup('pinned')",
               "select pg_replication_origin_session_reset(), pg_replication_origin_drop('pinned')",
               "replication"),
    "backup": ("select pg_backup_start('pinned', true)", "select pg_backup_stop(false)", "backup"),
    "library": ("load 'dict_snowball'", None, "loaded library"),
}


@pytest.fixture
def three_superusers(rotating):
    role = rotating.new_role(options="superuser")
    return [rotating.wire(role) for _ in range(3)]


@pytest.mark.parametrize("name", SUPERUSERS_PINS)
def test_a_superusers_pin_lasts_as_long_as_its_state(rotating, three_superusers, name):
    first, *others = three_superusers
    start, end, reason = SUPERUSERS_PINS[name]
    cluster = rotating.cluster
    cluster.sql("create extension if not exists pg_carpool")
    times = "select times from carpool.pin_counts() where reason = %s"
    (before,), = cluster.sql(times, reason)
    assert "E" not in kinds(first.query(start))
    pid = pinned(first, others)
    assert pid, "the client has lost its server, and the state with it"
    assert cluster.sql("select reasons from carpool.pins() where pid = %s", int(pid)) == [([reason],)]
    assert cluster.sql(times, reason) == [(before + 1,)]
    if end is None:
        first.close()
        return
    assert "E" not in kinds(first.query(end))
    assert pinned(first, others) is None


@pytest.mark.parametrize("name", SUPERUSERS_PINS)
def test_a_superuser_that_leaves_takes_its_state_along(rotating, three_superusers, name):
    first, *others = three_superusers
    start, _, _ = SUPERUSERS_PINS[name]
    assert "E" not in kinds(first.query(start))
    pid = first.value(PID)
    first.close()
    if name == "library":
        rotating.wait_ended(pid)
        return
    left = ("select (select count(*) from pg_replication_slots), pg_backup_start('other', true) is null, "
            "(select count(*) from pg_backup_stop(false)), pg_replication_origin_session_is_setup()")

    def gone():
        try:
            rotating.cluster.sql("select pg_replication_origin_drop(roname) from pg_replication_origin")
        except psycopg.errors.ObjectInUse:
            return False
        return [other.rows(left) for _ in range(3) for other in others] == [[["0", "f", "1", "f"]]] * 6

    wait_until(gone, "the state is gone")
    assert rotating.cluster.sql("select 1 from pg_replication_origin") == []


@pytest.mark.parametrize("name", NO_PINS)
def test_nothing_else_pins(three, name):
    first, *others = three
    first.query(NO_PINS[name])
    assert pinned(first, others) is None


def test_nested_advisory_locks_pin_until_the_last_is_released(three):
    first, *others = three
    for _ in range(3):
        first.query("select pg_advisory_lock(1)")
    for _ in range(3):
        assert pinned(first, others)
        assert first.value("select pg_advisory_unlock(1)") == "t"
    assert pinned(first, others) is None


def test_several_reasons_pin_until_the_last_is_gone(three):
    first, *others = three
    first.query("select pg_advisory_lock(1); create temp table t(x int)")
    first.query("declare c cursor with hold for select 1")
    for end in ("drop table t", "select pg_advisory_unlock(1)", "close c"):
        assert pinned(first, others)
        first.query(end)
    assert pinned(first, others) is None


@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_setseed_pins_its_client(three, protocol):
    first, *others = three
    if protocol == "simple":
        first.query("select setseed(0.5)")
    else:
        first.send(parse("select setseed(0.5)") + bind() + execute() + SYNC)
        assert kinds(first.until_ready()) == "12DCZ"
    assert pinned(first, others)


def test_a_language_with_session_globals_pins_its_client(rotating):
    """The language is plpgsql under another name: for all the pooler knows it keeps globals."""
    name = rotating.new_database()
    rotating.cluster.sql("create language other handler plpgsql_call_handler inline plpgsql_inline_handler "
                         "validator plpgsql_validator", dbname=name)
    rotating.cluster.sql("create function f() returns int language other as 'begin return 1; end'",
                         dbname=name)
    rotating.cluster.sql("create function g() returns int language plpgsql as 'begin return 1; end'",
                         dbname=name)
    for statement, pins in (("select f()", True), ("select g()", False), ("do $$ begin end $$", False),
                            ("do language other $$ begin end $$", True)):
        role = rotating.new_role(options="superuser")
        first, *others = (rotating.wire(role, dbname=name) for _ in range(3))
        assert "E" not in kinds(first.query(statement))
        assert (pinned(first, others) is not None) == pins, statement


# Others, while someone is pinned and when that one leaves.

def test_pinned_clients_do_not_stop_others(rotating):
    role = rotating.new_role()
    rotating.configure_role(role, pool_size=3)
    held = [rotating.wire(role) for _ in range(2)]
    for number, wire in enumerate(held):
        wire.query(f"select pg_advisory_lock({number})")
    others = [rotating.wire(role) for _ in range(10)]
    for _ in range(3):
        assert [wire.value("select 1") for wire in others] == ["1"] * 10
    assert all(wire.value("select count(*) from pg_locks where locktype = 'advisory' "
                          "and pid = pg_backend_pid()") == "1" for wire in held)


@pytest.mark.parametrize("way", ["terminates", "drops the connection", "is killed in a statement"])
@pytest.mark.parametrize("state", ["lock", "table", "cursor", "listen"])
def test_a_client_that_leaves_takes_its_state_along(rotating, state, way):
    role = rotating.role()
    first, other = rotating.wire(role), rotating.wire(role)
    first.query({"lock": "select pg_advisory_lock(1)", "table": "create temp table t(x int)",
                 "cursor": "declare c cursor with hold for select 1", "listen": "listen news"}[state])
    if way == "terminates":
        first.send(TERMINATE)
    elif way == "is killed in a statement":
        first.send(parse("select pg_sleep(20)") + bind() + execute() + SYNC)
        wait_until(lambda: rotating.servers(role, "active"), "the statement runs")
    first.close()

    left = ("select (select count(*) from pg_locks where locktype = 'advisory') "
            "+ (select count(*) from pg_cursors) "
            "+ (select count(*) from pg_class where relnamespace = pg_my_temp_schema()) "
            "+ (select count(*) from pg_listening_channels())")

    def gone():
        wires = [rotating.wire(role) for _ in range(3)]
        seen = [wire.value(left) for wire in [*wires, other]]
        for wire in wires:
            wire.close()
        return seen == ["0"] * 4

    wait_until(gone, "the state is gone")
    assert other.value("select pg_try_advisory_lock(1)") == "t"
    assert other.value("select pg_advisory_unlock(1)") == "t"


def test_a_lock_goes_to_the_next_client_when_its_holder_leaves(rotating):
    role = rotating.role()
    first, second = rotating.wire(role), rotating.wire(role)
    first.query("select pg_advisory_lock(1)")
    waiter = threading.Thread(target=second.query, args=["select pg_advisory_lock(1)"], daemon=True)
    waiter.start()
    wait_until(lambda: rotating.cluster.value(
        "select count(*) from pg_locks where locktype = 'advisory' and not granted"), "the second waits")
    first.close()
    waiter.join(20)
    assert not waiter.is_alive()
    assert second.value("select pg_advisory_unlock(1)") == "t"


@pytest.mark.parametrize("state", [
    "create temp table t(x int)", "select pg_advisory_lock(4711)", "declare c cursor with hold for select 1"])
def test_a_server_that_dies_takes_its_pinned_client_along(rotating, state):
    """Locks and cursors go before the backend does: what keeps the client there is no more."""
    role = rotating.role()
    for _ in range(5):
        first, other = rotating.wire(role), rotating.wire(role)
        first.query(state)
        rotating.cluster.sql("select pg_terminate_backend(%s)", int(first.value(PID)))
        assert error_of(first.until_closed())["C"] == "57P01"
        assert [other.value("select 1") for _ in range(4)] == ["1"] * 4


def test_a_pinned_clients_statement_can_be_cancelled(rotating):
    role = rotating.role()
    first, other = rotating.wire(role), rotating.wire(role)
    first.query("create temp table t(x int)")
    first.send(parse("select pg_sleep(20)") + bind() + execute() + SYNC)
    wait_until(lambda: rotating.servers(role, "active"), "the statement runs")
    send_cancel(rotating.address(), first.key)
    assert error_of(first.until_ready())["C"] == "57014"
    assert first.rows("table t") == []
    assert other.value("select 1") == "1"


def sent_away(wire, statement):
    """The only error that it gets before the connection is closed."""
    wire.send(parse(statement) + bind() + execute() + SYNC)
    error, = [frame.fields() for frame in wire.until_closed() if frame.kind == "E"]
    return error


def test_only_so_many_servers_may_be_pinned(fresh_cluster):
    host = DatabaseHost(fresh_cluster(
        pool_mode="transaction", default_pool_size=4, max_pinned_servers=1, test_rotate_servers="on"))
    role = host.role()
    first, second, third = (host.wire(role) for _ in range(3))
    first.query("create temp table t(x int)")
    error = sent_away(second, "select pg_advisory_lock(1)")
    assert (error["S"], error["C"]) == ("FATAL", "53400")
    assert "pinned" in error["M"]
    assert pinned(first, [third])
    wait_until(lambda: third.value("select count(*) from pg_locks where locktype = 'advisory'") == "0",
               "the lock of the client that was sent away is gone")
    first.query("drop table t")
    assert third.value("select pg_advisory_lock(1)") == ""
    assert pinned(third, [first])
    assert sent_away(first, "create temp table t(x int)")["C"] == "53400"
    assert third.value("select pg_advisory_unlock(1)") == "t"
