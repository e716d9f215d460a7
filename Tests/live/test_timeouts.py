"""Timeouts of clients and servers, and the reset query."""

import socket

import pytest

from constants import PID
from waiting import wait_until
from wire import Refused, error_of, query


def test_server_idle_timeout_closes_idle_servers(pooler):
    pooler.configure(pool_mode="transaction", server_idle_timeout="0.5")
    wire = pooler.wire()
    pid = wire.value(PID)
    pooler.wait_servers(0)
    assert wire.value(PID) != pid


def test_server_lifetime_closes_old_servers_when_they_are_released(pooler):
    pooler.configure(pool_mode="transaction", server_lifetime="0.5", default_pool_size=1)
    wire = pooler.wire()
    wire.query("begin")
    pid = wire.value(PID)
    # housekeeping, which sees that, comes three times a second
    wait_until(lambda: pooler.cluster.value(
        "select clock_timestamp() - backend_start > '1.5 s' from pg_stat_activity where pid = %s", int(pid)
    ), "the server is old")
    assert wire.value(PID) == pid, "never in a transaction"
    wire.query("commit")
    assert wire.value(PID) != pid


def test_server_lifetime_0_is_one_use(pooler):
    pooler.configure(pool_mode="transaction", server_lifetime="0", default_pool_size=1)
    wire = pooler.wire()
    assert len({wire.value(PID) for _ in range(3)}) == 3


def test_client_idle_timeout_closes_idle_clients(pooler, transport):
    pooler.configure(pool_mode="transaction", client_idle_timeout="0.5")
    wire = pooler.wire(transport=transport)
    wire.value("select 1")
    assert "client_idle_timeout" in error_of(wire.until_closed())["M"]


def test_client_idle_timeout_of_a_role(pooler):
    patient, hasty = pooler.new_role(), pooler.new_role()
    pooler.configure(pool_mode="transaction")
    pooler.configure_role(hasty, client_idle_timeout="0.5")
    stays, goes = pooler.wire(patient), pooler.wire(hasty)
    stays.value("select 1")
    goes.value("select 1")
    assert "client_idle_timeout" in error_of(goes.until_closed())["M"]
    assert stays.value("select 1") == "1"


def test_client_idle_timeout_spares_who_waits_for_an_answer(pooler):
    pooler.configure(pool_mode="transaction", client_idle_timeout="0.5")
    wire = pooler.wire()
    assert wire.value("select 'late' from pg_sleep(1.5)") == "late"


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_idle_transaction_timeout_frees_the_server(pooler, transport, mode):
    pooler.configure(pool_mode=mode, default_pool_size=1, idle_transaction_timeout="0.5")
    wire = pooler.wire(transport=transport)
    wire.query("begin")
    wire.value("select 1")
    assert "idle_transaction_timeout" in error_of(wire.until_closed())["M"]
    other = pooler.wire(transport=transport)
    assert other.value("select 1") == "1"
    assert not pooler.servers(state="idle in transaction")


def test_idle_transaction_timeout_spares_a_running_statement(pooler):
    pooler.configure(pool_mode="transaction", idle_transaction_timeout="0.5")
    wire = pooler.wire()
    wire.query("begin")
    assert wire.value("select 'late' from pg_sleep(1.5)") == "late"
    assert wire.query("commit")[-1].body == b"I"


def test_client_login_timeout_ends_slow_logins(pooler, transport):
    role = pooler.role()
    pooler.configure(client_login_timeout="0.5")
    wire = pooler.raw(transport).startup(role.name, pooler.database)
    assert wire.frame().kind == "R"
    errors = [frame.fields()["M"] for frame in wire.until_closed() if frame.kind == "E"]
    assert errors and "client_login_timeout" in errors[0]
    pooler.configure(client_login_timeout="60")
    assert pooler.wire(role, transport).value("select 1") == "1"


def test_server_connect_timeout_gives_up_on_a_silent_server(launcher, environment):
    silent = socket.socket()
    silent.bind(("127.0.0.1", environment.new_port()))
    silent.listen(16)
    role = launcher.role()
    launcher.configure(server_connect_timeout="0.5", query_wait_timeout="3", server_login_retry="0.1")
    launcher.database_lines["silent"] = f"port={silent.getsockname()[1]}"
    launcher.start()
    mark = launcher.log_mark()
    with pytest.raises((Refused, AssertionError)):
        launcher.raw().login(role.name, role.password, "silent").value("select 1")
    wait_until(lambda: [line for line in launcher.log_lines(mark) if "timeout" in line], "a log line")
    assert launcher.wire(role).value("select 1") == "1"
    silent.close()


def test_the_reset_query_runs_when_a_client_leaves_in_session_mode(pooler):
    pooler.configure(pool_mode="session", default_pool_size=1)
    first = pooler.wire()
    pid = first.value(PID)
    for statement in ("create temp table mine(x int)", "prepare one as select 1", "listen news",
                      "set search_path = pg_catalog", "select pg_advisory_lock(4711)"):
        assert first.query(statement)[-1].body == b"I"
    first.close()
    second = pooler.wire()
    assert second.value(PID) == pid
    assert second.rows(
        "select to_regclass('pg_temp.mine') is null, (select count(*) from pg_prepared_statements), "
        "(select count(*) from pg_listening_channels()), current_setting('search_path'), "
        "(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())"
    ) == [["t", "0", "0", '"$user", public', "0"]]


def test_the_reset_query_can_be_another_one(pooler):
    pooler.configure(pool_mode="session", default_pool_size=1, server_reset_query="DEALLOCATE ALL")
    first = pooler.wire()
    pid = first.value(PID)
    first.query("prepare one as select 1")
    first.query("set work_mem = '77MB'")
    first.close()
    second = pooler.wire()
    assert second.value(PID) == pid
    assert second.value("select count(*) from pg_prepared_statements") == "0"
    # what the query leaves is reset by the agent, where there is one
    assert second.value("show work_mem") == ("4MB" if pooler.agents else "77MB")


def test_a_reset_query_that_fails_costs_the_server_not_the_client(pooler):
    pooler.configure(pool_mode="session", default_pool_size=1, server_reset_query="select broken")
    first = pooler.wire()
    pid = first.value(PID)
    first.close()
    assert pooler.wire().value(PID) != pid


def test_the_reset_query_does_not_run_in_transaction_mode(pooler):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    first = pooler.wire()
    first.query("prepare kept as select 1")
    first.close()
    left = pooler.wire().value("select count(*) from pg_prepared_statements where name = 'kept'")
    assert left == ("0" if pooler.agents else "1")


def test_queries_that_wait_end_with_their_client(pooler):
    pooler.configure(pool_mode="transaction", default_pool_size=1, query_wait_timeout="1")
    holder = pooler.wire()
    holder.query("begin")
    for _ in range(3):
        pooler.wire().send(query("select 1")).close()
    assert holder.query("commit")[-1].body == b"I"
    assert pooler.wire().value("select 1") == "1"
