"""Servers that die: their client is told, the pool recovers by itself."""

import os
import signal

import pytest

from cluster import Cluster
from constants import PID
from database_host import DatabaseHost
from launcher_host import LauncherHost
from waiting import wait_until
from wire import error_of, query

ADMIN = "terminating connection due to administrator command"


def terminate(pooler, pid):
    assert pooler.cluster.value("select pg_terminate_backend(%s, 10000)", int(pid))


def test_idle_servers_that_end_are_replaced_unseen(pool_of_two, transport):
    wires = [pool_of_two.wire(transport=transport) for _ in range(3)]
    for _ in range(5):
        before = {wire.value(PID) for wire in wires}
        for pid in before:
            terminate(pool_of_two, pid)
        # the end of the process precedes the news of it by a moment
        wait_until(lambda: not set(map(int, before)) & set(pool_of_two.servers()), "the old ones are gone")
        pool_of_two.raw(transport).close()
        after = {wire.value(PID) for wire in wires}
        assert not before & after


def test_in_a_transaction_the_client_gets_the_servers_message(pool_of_two, transport):
    wire = pool_of_two.wire(transport=transport)
    wire.query("begin")
    terminate(pool_of_two, wire.value(PID))
    error = error_of(wire.until_closed())
    assert error["C"] == "57P01" and error["M"] == ADMIN
    assert pool_of_two.wire(transport=transport).value("select 1") == "1"


def test_in_a_statement_the_client_gets_the_servers_message(pool_of_two, transport):
    wire = pool_of_two.wire(transport=transport)
    wire.send(query("select pg_sleep(600)"))
    terminate(pool_of_two, pool_of_two.wait_servers(1, state="active")[0])
    error = error_of(wire.until_closed())
    assert error["C"] == "57P01" and error["M"] == ADMIN
    assert pool_of_two.wire(transport=transport).value("select 1") == "1"


def test_one_line_tells_of_a_client_whose_server_had_the_last_word(pool_of_two):
    wire = pool_of_two.wire()
    wire.query("begin")
    mark = pool_of_two.log_mark()
    terminate(pool_of_two, wire.value(PID))
    wire.until_closed()
    wait_until(lambda: [line for line in pool_of_two.log_lines(mark) if " C-" in line], "a line about the client")
    pool_of_two.wire().value("select 1")
    ends = [line for line in pool_of_two.log_lines(mark) if " C-" in line and "closing because" in line]
    assert len(ends) == 1 and "server conn crashed?" in ends[0]


def test_in_session_mode_an_idle_client_gets_the_servers_message(pooler, transport):
    pooler.configure(pool_mode="session")
    wire = pooler.wire(transport=transport)
    terminate(pooler, wire.value(PID))
    error = error_of(wire.until_closed())
    assert error["C"] == "57P01" and error["M"] == ADMIN


def test_others_do_not_notice(pool_of_two, transport):
    victim, other = pool_of_two.wire(transport=transport), pool_of_two.wire(transport=transport)
    victim.query("begin")
    other.query("begin")
    pid = other.value(PID)
    terminate(pool_of_two, victim.value(PID))
    assert other.value(PID) == pid
    assert other.query("commit")[-1].body == b"I"


def test_clients_that_wait_are_served_by_the_replacement(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    victim = pooler.wire(transport=transport)
    victim.query("begin")
    pid = victim.value(PID)
    waiting = [pooler.wire(transport=transport).send(query("select 5")) for _ in range(3)]
    terminate(pooler, pid)
    for wire in waiting:
        assert [frame.values() for frame in wire.until_ready() if frame.kind == "D"] == [["5"]]


def test_a_killed_backend_in_the_database_restarts_all_and_the_pooler_serves_again(fresh_cluster):
    host = DatabaseHost(fresh_cluster(pool_mode="transaction"))
    role = host.new_role()
    wire, busy = host.wire(role), host.wire(role)
    busy.query("begin")
    busy.value(PID)
    worker, pid = host.worker(), int(wire.value(PID))
    os.kill(pid, signal.SIGKILL)
    busy.until_closed()
    host.cluster.log.wait("all server processes terminated; reinitializing")
    host.cluster.forget_connections()
    host.cluster.wait_ready()
    host.serves()
    assert host.worker() != worker


def all_kinds_of_clients(host, role):
    """Clients in many states, each of which can be told something."""
    made = {"idle": host.wire(role), "fresh": host.wire(role)}
    for name, steps in {
        "in a transaction": ["begin", "select 1"], "failed": ["begin", "select 1/0"],
        "pinned": ["create temp table t(x int)"], "listening": ["listen x"], "with a statement": ["prepare p as select 1"],
    }.items():
        made[name] = host.wire(role)
        for sql in steps:
            made[name].query(sql)
    made["idle"].query("select 1")
    made["busy"] = host.wire(role).send(query("select pg_sleep(600)"))
    host.wait_servers(1, role, "active")
    return made


def last_words(clients):
    return {
        name: [frame.fields()["C"] for frame in wire.until_closed() if frame.kind == "E"]
        for name, wire in clients.items()
    }


@pytest.mark.parametrize("threads", [1, 3])
def test_a_crash_is_told_to_every_client(fresh_cluster, threads):
    host = DatabaseHost(fresh_cluster(pool_mode="transaction", threads=threads))
    role = host.new_role()
    victim = host.wire(role)
    clients = all_kinds_of_clients(host, role)
    os.kill(int(victim.value(PID)), signal.SIGKILL)
    told = last_words(clients)
    # whose server or hub has ended a moment before the worker hears that
    assert told.pop("listening") in (["57P02"], ["08006"], ["57P01"])
    assert not {name: words for name, words in told.items() if words not in (["57P02"], ["08006"])}
    assert told["idle"] == told["fresh"] == ["57P02"]
    host.cluster.log.wait("all server processes terminated; reinitializing")
    host.cluster.forget_connections()
    host.cluster.wait_ready()
    host.serves()


def test_an_immediate_shutdown_is_told_to_every_client(fresh_cluster):
    host = DatabaseHost(fresh_cluster(pool_mode="transaction"))
    role = host.new_role()
    clients = all_kinds_of_clients(host, role)
    host.cluster.stop("immediate")
    told = last_words(clients)
    assert not {name: words for name, words in told.items() if words not in (["57P01"], ["08006"])}
    assert told["idle"] == told["fresh"] == ["57P01"]


@pytest.fixture
def own_launcher(environment, template):
    """A launcher in front of a cluster that the test may break."""
    cluster = Cluster(environment, template).start()
    cluster.sql("create database app")
    host = LauncherHost(cluster, environment)
    host.configure(pool_mode="transaction", server_login_retry="0.2")
    yield host
    host.stop()
    cluster.remove()


def test_a_killed_backend_behind_the_launcher_is_told_and_replaced(own_launcher):
    role = own_launcher.new_role()
    wire = own_launcher.wire(role)
    wire.query("begin")
    os.kill(int(wire.value(PID)), signal.SIGKILL)
    error = error_of(wire.until_closed())
    assert error["C"] == "08006" and "server conn crashed?" in error["M"]
    own_launcher.cluster.forget_connections()
    own_launcher.cluster.wait_ready()
    own_launcher.serves()


def test_clients_live_through_a_restart_of_the_server(own_launcher):
    role = own_launcher.new_role()
    idle = own_launcher.wire(role)
    idle.value("select 1")
    own_launcher.cluster.restart()
    assert idle.value("select 2") == "2"


def test_clients_wait_for_a_server_that_starts(own_launcher):
    role = own_launcher.new_role()
    idle = own_launcher.wire(role)
    idle.value("select 1")
    own_launcher.cluster.stop()
    idle.send(query("select 3"))
    own_launcher.cluster.start()
    frames = idle.until_ready()
    assert [frame.values() for frame in frames if frame.kind == "D"] == [["3"]]
