"""Ends of the whole server: each mode in time, nothing left behind."""

import contextlib
import os
import signal
import threading
import time

import psycopg
import pytest

from database_host import DatabaseHost
from programs import Traffic
from waiting import DEADLINE, wait_until
from wire import Closed, Refused, Wire, error_of, query


@pytest.fixture
def host(fresh_cluster):
    made = DatabaseHost(fresh_cluster(pool_mode="transaction", default_pool_size=3))
    made.new_role()
    return made


def stop_takes(host, mode):
    start = time.monotonic()
    status = host.cluster.stop(mode)
    assert status == 0 or mode == "immediate"
    return time.monotonic() - start


@pytest.mark.parametrize("mode", ["smart", "fast", "immediate"])
def test_it_ends_soon_with_idle_clients(host, mode):
    idle, never_used = host.wire(), host.wire()
    idle.value("select 1")
    assert stop_takes(host, mode) < DEADLINE
    for wire in (idle, never_used):
        frames = wire.until_closed()
        if mode != "immediate":
            assert error_of(frames)["C"] == "57P01"


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_it_ends_soon_under_load(host, mode):
    traffic = Traffic(host, host.role(), 12)
    in_transaction = host.wire()
    in_transaction.query("begin")
    logging_in = host.raw().startup(host.role().name, "app")
    assert logging_in.frame().kind == "R"
    wait_until(lambda: traffic.answers > 50, "answers")
    assert stop_takes(host, mode) < DEADLINE
    traffic.stop()
    in_transaction.until_closed()
    logging_in.until_closed()


def test_a_smart_shutdown_waits_for_transactions_and_then_closes(host):
    idle, busy = host.wire(), host.wire()
    idle.value("select 1")
    busy.query("begin")
    busy.query("create table work_of_the_last_minute(x int)")
    host.cluster.forget_connections()
    stopper = threading.Thread(target=host.cluster.process.send_signal, args=(signal.SIGTERM,))
    stopper.start()
    assert error_of(idle.until_closed())["C"] == "57P01"
    assert busy.query("insert into work_of_the_last_minute values (1)")[-1].body == b"T"
    busy.send(query("commit"))
    frames = busy.until_closed()
    assert any(frame.kind == "Z" and frame.body == b"I" for frame in frames)
    assert error_of(frames)["C"] == "57P01"
    assert host.cluster.process.wait(10) == 0
    stopper.join()
    host.cluster.start()
    assert host.cluster.value(
        f"select count(*) from {host.role().name}.work_of_the_last_minute", dbname="app") == 1


@pytest.mark.parametrize("depth", [1, 20])
def test_a_smart_shutdown_ends_clients_that_never_rest(host, depth):
    """At the end of a transaction, whatever they have sent behind it."""
    statement = query("select pg_sleep(0.002)")
    busy = [host.wire() for _ in range(3)]
    for wire in busy:
        wire.send(statement * depth)
    host.cluster.forget_connections()
    host.cluster.process.send_signal(signal.SIGTERM)

    def ends(wire):
        # what it sends meanwhile resets its connection, as at any end, and may outrun the error
        with contextlib.suppress(ConnectionError, Closed):
            while True:
                frame = wire.frames_until("Z", "E")[-1]
                if frame.kind == "E":
                    return frame.fields()["C"]
                wire.send(statement)

    assert {ends(wire) for wire in busy} <= {"57P01", None}
    assert host.cluster.process.wait(20) == 0


def test_a_smart_shutdown_waits_for_direct_sessions_and_refuses_new_clients(host):
    direct = psycopg.connect(**host.cluster.direct("app"), autocommit=True)
    host.cluster.forget_connections()
    idle = host.wire()
    host.cluster.process.send_signal(signal.SIGTERM)
    idle.until_closed()

    def refused():
        try:
            with Wire(host.address()) as wire:
                wire.login(host.role().name, host.role().password, "app")
        except (Refused, OSError, Closed):
            return True

    wait_until(refused, "new clients are refused")
    assert direct.execute("select 1").fetchone() == (1,)
    direct.close()
    assert host.cluster.process.wait(10) == 0


def processes_in(folder):
    """Live processes whose working directory is this data folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd") == str(folder):
                found.append(int(pid))
        except OSError:
            continue
    return found


def test_a_killed_postmaster_leaves_nothing(host):
    traffic = Traffic(host, host.role(), 8)
    wire = host.wire()
    wire.query("begin")
    wait_until(lambda: traffic.answers > 50, "answers")
    assert len(processes_in(host.cluster.data)) > 3
    host.cluster.forget_connections()
    host.cluster.process.kill()
    host.cluster.process.wait()
    wait_until(lambda: not processes_in(host.cluster.data), "all processes are gone", 10)
    wire.until_closed()
    traffic.stop()
    with pytest.raises(OSError):
        Wire(host.address())
    host.cluster.start()
    host.serves()


def test_the_socket_file_is_gone_after_a_shutdown(host):
    path = f"{host.socket_folder}/.s.PGSQL.{host.port}"
    assert os.path.exists(path)
    host.cluster.stop()
    assert not os.path.exists(path)
    host.cluster.start()
    host.serves()


def test_restarts_serve_again_at_once(host):
    for mode in ("fast", "immediate"):
        host.cluster.stop(mode)
        host.cluster.start()
        host.serves()
