"""Who a server says it serves: pg_stat_activity, inet_client_addr(), the server's log."""

import contextlib
import itertools

import pytest

from waiting import wait_until
from wire import SYNC, extended, kinds, query

OWN = ("select usename, application_name, client_addr, client_hostname, client_port, datname "
       "from pg_stat_activity where pid = pg_backend_pid()")
ADDRESS = "select host(inet_client_addr()), inet_client_port()"
words = itertools.count(1)


def address_of(wire):
    """Address and port of a client as PostgreSQL shows them."""
    name = wire.socket.getsockname()
    return (name[0], str(name[1])) if isinstance(name, tuple) else (None, None)


@pytest.fixture
def clients(place, transport):
    role = place.role()
    return role, [place.wire(role, transport, application_name=f"application {n}") for n in range(3)]


def test_pg_stat_activity_shows_the_client_to_itself(place, clients):
    role, wires = clients
    for _ in range(3):
        for number, wire in enumerate(wires):
            address, port = address_of(wire)
            assert wire.rows(OWN) == [
                [role.name, f"application {number}", address, None, port or "-1", place.database]]


def test_inet_client_addr_is_the_clients(clients):
    for _ in range(3):
        for wire in clients[1]:
            assert wire.rows(ADDRESS) == [list(address_of(wire))]


def test_pg_stat_activity_shows_the_client_to_others_while_it_is_served(place, clients):
    role, wires = clients
    cluster = place.cluster
    for number, wire in enumerate(wires):
        word = f"word_{next(words)}"
        wire.send(query(f"begin; select '{word}', pg_sleep(0)"))
        wire.until_ready()
        rows = cluster.sql(
            "select usename, application_name, host(client_addr), client_port::text, state "
            "from pg_stat_activity "
            "where query like '%%' || %s || '%%' and pid <> pg_backend_pid()", word)
        address, port = address_of(wire)
        assert rows == [(role.name, f"application {number}", address, port or "-1", "idle in transaction")]
        wire.query("rollback")


def test_application_name_set_in_the_session_is_shown(place, clients):
    role, wires = clients
    wires[0].query("set application_name = 'renamed'")
    for _ in range(3):
        assert [wire.rows(OWN)[0][1] for wire in wires] == ["renamed", "application 1", "application 2"]
    wires[0].query("reset application_name")
    assert [wire.rows(OWN)[0][1] for wire in wires] == [f"application {n}" for n in range(3)]


def test_transactions_and_queries_have_times_of_their_own(place, clients):
    """xact_start and query_start are this transaction's, backend_start is before them."""
    ask = ("select now() = xact_start, query_start >= xact_start, backend_start <= xact_start "
           "from pg_stat_activity where pid = pg_backend_pid()")
    for wire in clients[1]:
        assert wire.rows(ask) == [["t", "t", "t"]]


def test_pg_blocking_pids_and_pg_cancel_backend_mean_the_server(place):
    role = place.role()
    holder, waiter, looker = (place.wire(role) for _ in range(3))
    holder.query("create table t(x int)")
    holder.query("begin; lock table t")
    waiter.send(extended("table t") + SYNC)
    blocked = ("select pid, pg_blocking_pids(pid) from pg_stat_activity "
               "where wait_event_type = 'Lock' and usename = %s")
    rows = wait_until(lambda: place.cluster.sql(blocked, role.name), "the second waits")
    assert rows[0][1] == [int(holder.value("select pg_backend_pid()"))]
    assert looker.value(f"select pg_cancel_backend({rows[0][0]})") == "t"
    assert "E" in kinds(waiter.until_ready())
    holder.query("rollback")


@contextlib.contextmanager
def log_prefix(cluster, prefix):
    cluster.sql(f"alter system set log_line_prefix = '{prefix}'")
    cluster.reload()
    try:
        yield
    finally:
        cluster.sql("alter system reset log_line_prefix")
        cluster.reload()


def test_log_lines_name_the_client(place, clients):
    role, wires = clients
    log = place.cluster.log
    with log_prefix(place.cluster, "<%a|%u|%d|%h|%r> "):
        for _ in range(2):
            for number, wire in enumerate(wires):
                wire.query("select 1")
                mark, word = log.mark(), f"word_{next(words)}"
                wire.query(f"select 1/0, '{word}'")
                line = log.wait(f"STATEMENT:.*{word}", mark)
                address, port = address_of(wire)
                origin = f"{address}|{address}({port})" if address else "[local]|[local]"
                assert line.startswith(f"<application {number}|{role.name}|{place.database}|{origin}> "), line


def test_idle_servers_do_not_pretend_to_be_idle_in_transaction(place, clients):
    role, wires = clients
    for wire in wires:
        wire.query("begin; select 1; commit")
    wait_until(lambda: place.cluster.backends(role.name, "idle") == place.cluster.backends(role.name),
               "all idle")
