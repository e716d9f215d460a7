"""Session, transaction and statement mode: when a server goes back to its pool."""

import psycopg
import pytest

from constants import PID
from wire import COPY_DONE, SYNC, bind, copy_data, execute, extended, kinds, parse, query


def test_session_mode_keeps_the_server_until_the_client_leaves(pooler, transport):
    pooler.configure(pool_mode="session", default_pool_size=1)
    role = pooler.new_role()
    first = pooler.wire(role, transport)
    pid = first.value(PID)
    first.query("create temp table mine(x int)")
    second = pooler.raw(transport).startup(role.name, pooler.database)
    assert first.value("select count(*) from mine") == "0"
    assert first.value(PID) == pid
    first.close()
    second.close()
    third = pooler.wire(role, transport)
    assert third.value(PID) == pid
    assert third.value("select to_regclass('pg_temp.mine') is null") == "t", "server_reset_query ran"


def test_session_mode_gives_each_client_its_own_server(pooler, transport):
    pooler.configure(pool_mode="session", default_pool_size=3)
    wires = [pooler.wire(transport=transport) for _ in range(3)]
    assert len({wire.value(PID) for wire in wires}) == 3


def test_transaction_mode_shares_one_server(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    wires = [pooler.wire(transport=transport) for _ in range(5)]
    assert len({wire.value(PID) for _ in range(3) for wire in wires}) == 1


def test_transaction_mode_keeps_the_server_inside_a_transaction(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    first, second = pooler.wire(transport=transport), pooler.wire(transport=transport)
    first.query("begin")
    pid = first.value(PID)
    second.send(query(PID))
    for _ in range(20):
        assert first.value(PID) == pid
    second.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        second.frame()
    second.socket.settimeout(20)
    first.query("commit")
    assert [frame.values() for frame in second.until_ready() if frame.kind == "D"] == [[pid]]


def test_transaction_mode_keeps_the_server_in_a_failed_transaction(pooler):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    first, second = pooler.wire(), pooler.wire()
    first.query("begin")
    assert first.query("select 1/0")[-1].body == b"E"
    second.send(query("select 2"))
    frames = first.query("select 1")
    assert frames[0].fields()["C"] == "25P02" and frames[-1].body == b"E"
    assert first.query("rollback")[-1].body == b"I"
    assert kinds(second.until_ready()) == "TDCZ"


def test_transaction_mode_waits_for_all_that_is_outstanding(pooler, transport):
    """A ReadyForQuery in the middle of a pipeline does not free the server."""
    pooler.configure(pool_mode="transaction", default_pool_size=2)
    wire, other = pooler.wire(transport=transport), pooler.wire(transport=transport)
    burst = b"".join(parse(PID) + bind() + execute() + SYNC for _ in range(50))
    wire.send(burst)
    for _ in range(10):
        other.value(PID)
    pids = {frame.values()[0] for _ in range(50) for frame in wire.until_ready() if frame.kind == "D"}
    assert len(pids) == 1


def test_statement_mode_gives_the_server_back_after_each_statement(pooler, transport):
    pooler.configure(pool_mode="statement", default_pool_size=1)
    first, second = pooler.wire(transport=transport), pooler.wire(transport=transport)
    assert first.value(PID) == second.value(PID) == first.value(PID)


@pytest.mark.parametrize("how", ["simple", "extended"])
def test_statement_mode_refuses_transaction_blocks(pooler, how):
    pooler.configure(pool_mode="statement", default_pool_size=1)
    wire = pooler.wire()
    wire.send(query("begin") if how == "simple" else extended("begin") + SYNC)
    errors = [frame.fields() for frame in wire.until_closed() if frame.kind == "E"]
    assert "transaction blocks not allowed in statement pooling mode" in errors[0]["M"]
    assert pooler.wire().value("select 1") == "1"
    assert pooler.cluster.value(
        "select count(*) from pg_stat_activity where state like 'idle in transaction%%'"
    ) == 0


@pytest.mark.parametrize("how", ["simple", "extended", "in two writes"])
def test_statement_mode_refuses_transaction_blocks_in_pipelines(pooler, how):
    """Nothing that was sent behind the BEGIN is done."""
    pooler.configure(pool_mode="statement", default_pool_size=1)
    wire = pooler.wire()
    wire.query("create table kept(i int)")
    burst = [f"insert into kept values ({i})" for i in (1, 2)]
    burst += ["begin", "insert into kept values (3)", "commit", "insert into kept values (4)"]
    message = (lambda sql: extended(sql) + SYNC) if how == "extended" else query
    if how == "in two writes":
        wire.send(*(message(sql) for sql in ["select pg_sleep(0.3)", *burst[:3]]))
        burst = burst[3:]
    wire.send(*(message(sql) for sql in burst))
    errors = [frame.fields() for frame in wire.until_closed() if frame.kind == "E"]
    assert [error["C"] for error in errors] == ["0A000"]
    assert pooler.wire().rows("select i from kept order by i") == [["1"], ["2"]]


@pytest.mark.parametrize("how", ["simple", "extended"])
def test_statement_mode_takes_pipelines_without_blocks(pooler, transport, how):
    pooler.configure(pool_mode="statement", default_pool_size=1)
    wire, other = pooler.wire(transport=transport), pooler.wire(transport=transport)
    message = (lambda sql: extended(sql) + SYNC) if how == "extended" else query
    wire.send(*(message(f"select {i}, repeat('x', {i * 97})") for i in range(200)))
    other.send(*(message("select 'other'") for _ in range(50)))
    for i in range(200):
        assert [frame.values()[0] for frame in wire.until_ready() if frame.kind == "D"] == [str(i)]
    for _ in range(50):
        assert [frame.values()[0] for frame in other.until_ready() if frame.kind == "D"] == ["other"]


def test_statement_mode_takes_a_copy_with_all_its_data_behind_it(pooler):
    pooler.configure(pool_mode="statement", default_pool_size=1)
    wire = pooler.wire()
    wire.query("create table copied(i int)")
    wire.send(
        query("copy copied from stdin"), copy_data(b"1\n"), copy_data(b"2\n"), COPY_DONE,
        query("select count(*) from copied"))
    assert kinds(wire.until_ready()) == "GCZ"
    assert [frame.values() for frame in wire.until_ready() if frame.kind == "D"] == [["2"]]


def test_a_reload_changes_to_statement_mode_and_back(pooler):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    wire = pooler.wire()
    for mode in ("statement", "transaction", "statement"):
        pooler.configure(pool_mode=mode)
        pooler.wire().close()
        wire.send(query("begin"), query("commit"))
        if mode == "transaction":
            assert kinds(wire.until_ready() + wire.until_ready()) == "CZCZ"
        else:
            assert [f.fields()["C"] for f in wire.until_closed() if f.kind == "E"] == ["0A000"]
            wire = pooler.wire()


def test_a_role_has_its_own_mode(pooler):
    pooler.configure(pool_mode="session", default_pool_size=1)
    role = pooler.new_role()
    pooler.configure_role(role, pool_mode="transaction")
    first, second = pooler.wire(role), pooler.wire(role)
    assert first.value(PID) == second.value(PID)


def test_a_database_has_its_own_mode(pooler):
    pooler.configure(pool_mode="session", default_pool_size=1)
    name = pooler.new_database()
    pooler.configure_database(name, pool_mode="transaction")
    first, second = pooler.wire(dbname=name), pooler.wire(dbname=name)
    assert first.value(PID) == second.value(PID)


def test_the_role_wins_over_the_database(pooler):
    pooler.configure(pool_mode="session", default_pool_size=1)
    role, name = pooler.new_role(), pooler.new_database()
    pooler.configure_database(name, pool_mode="statement")
    pooler.configure_role(role, pool_mode="transaction")
    first, second = pooler.wire(role, dbname=name), pooler.wire(role, dbname=name)
    assert first.value(PID) == second.value(PID)
    assert first.query("begin")[-1].body == b"T"
    first.query("commit")


@pytest.mark.parametrize("scope", ["global", "role", "database"])
def test_a_pool_has_no_more_servers_than_its_size(pooler, transport, scope):
    pooler.configure(pool_mode="transaction", default_pool_size=3 if scope == "global" else 20)
    role, name = pooler.new_role(), pooler.database
    if scope == "role":
        pooler.configure_role(role, pool_size=3)
    if scope == "database":
        name = pooler.new_database()
        pooler.configure_database(name, pool_size=3)
    wires = [pooler.wire(role, transport, name) for _ in range(12)]
    for _ in range(3):
        for wire in wires:
            wire.send(query("select pg_sleep(0.02)"))
        assert len(pooler.servers(role)) <= 3
        for wire in wires:
            assert kinds(wire.until_ready()) == "TDCZ"
    assert len(pooler.servers(role)) == 3


def test_no_role_raises_its_own_limits(database):
    database.configure(pool_mode="transaction", default_pool_size=1)
    role = database.new_role()
    connection = database.connect(role)
    for statement in (
        "set carpool.pool_mode = 'session'",
        "set carpool.pool_size = 50",
        f"alter role {role.name} set carpool.pool_size = 50",
        "select set_config('carpool.client_idle_timeout', '0', false)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
    with pytest.raises(psycopg.OperationalError):
        database.connect(role, options="-c carpool.pool_size=50").execute("select 1")
    first, second = database.wire(role), database.wire(role)
    assert first.value(PID) == second.value(PID)


def test_settings_of_a_role_hold_from_its_next_login(database):
    database.configure(pool_mode="session", default_pool_size=5)
    role = database.new_role()
    before = database.wire(role)
    pid = before.value(PID)
    database.configure_role(role, pool_mode="transaction")
    after = database.wire(role)
    after.value(PID)
    assert before.value(PID) == pid


def test_settings_of_a_role_are_found_where_their_table_has_moved(database):
    database.configure(pool_mode="session", default_pool_size=2)
    role = database.new_role()
    for mode in ("transaction", "session", "transaction"):
        database.configure_role(role, pool_mode=mode)
        database.cluster.sql("vacuum full pg_db_role_setting")
        with database.wire(role) as first, database.wire(role) as second:
            assert (first.value(PID) == second.value(PID)) == (mode == "transaction")
