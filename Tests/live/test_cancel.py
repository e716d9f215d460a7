"""Cancel requests: they reach their own statement, at once, and no other."""

import os
import random
import re
import signal
import struct
import threading
import time
from pathlib import Path

import psycopg
import pytest

from constants import PID
from database_host import DatabaseHost
from fake_server import READY, WELCOME, FakeServer
from fake_server import error as server_error
from waiting import DEADLINE, wait_until
from wire import (
    CANCEL_REQUEST, Closed, Wire, cancel_packet, error_of, kinds, packet, query, send_cancel, wait_for_bytes,
)

SLEEP = query("select pg_sleep(600)")


@pytest.mark.parametrize("mode", ["session", "transaction", "statement"])
def test_a_running_statement_is_cancelled(pooler, transport, mode):
    pooler.configure(pool_mode=mode)
    wire = pooler.wire(transport=transport).send(SLEEP)
    pooler.wait_servers(1, state="active")
    send_cancel(pooler.address(transport), wire.key)
    error = error_of(wire.until_ready())
    assert error["C"] == "57014" and error["M"] == "canceling statement due to user request"
    assert wire.value("select 1") == "1"


def test_a_cancelled_transaction_stays_with_its_client(pool_of_two, transport):
    wire = pool_of_two.wire(transport=transport)
    wire.query("begin")
    pid = wire.value(PID)
    wire.send(SLEEP)
    pool_of_two.wait_servers(1, state="active")
    send_cancel(pool_of_two.address(transport), wire.key)
    assert wire.until_ready()[-1].body == b"E"
    wire.query("rollback")
    assert wire.value(PID) == pid


def test_a_client_that_waits_is_cancelled_at_once(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    holder, waiting = pooler.wire(transport=transport), pooler.wire(transport=transport)
    holder.query("begin")
    waiting.send(query("select 'waited'"))
    send_cancel(pooler.address(transport), waiting.key)
    error = error_of(waiting.frames_until("E"))
    assert error["C"] == "57014"
    assert holder.value("select 1") == "1"
    assert holder.query("commit")[-1].body == b"I"
    assert pooler.wire(transport=transport).value("select 1") == "1"


def test_an_idle_client_is_not_harmed(pool_of_two, transport):
    wire = pool_of_two.wire(transport=transport)
    for _ in range(20):
        send_cancel(pool_of_two.address(transport), wire.key)
        assert wire.value("select 1") == "1"


def test_an_idle_client_in_a_transaction_is_not_harmed(pool_of_two, transport):
    wire = pool_of_two.wire(transport=transport)
    wire.query("begin")
    for _ in range(20):
        send_cancel(pool_of_two.address(transport), wire.key)
        frames = wire.query("savepoint here")
        assert kinds(frames) in ("CZ", "EZ")
        if kinds(frames) == "EZ":
            wire.query("rollback to here")
    wire.query("rollback")


def test_a_wrong_key_does_nothing(pool_of_two, transport):
    wire = pool_of_two.wire(transport=transport).send(SLEEP)
    pool_of_two.wait_servers(1, state="active")
    pid, secret = wire.key[:4], wire.key[4:]
    address = pool_of_two.address(transport)
    send_cancel(address, pid + bytes(byte ^ 1 for byte in secret))
    send_cancel(address, bytes(byte ^ 1 for byte in pid) + secret)
    send_cancel(address, b"\0" * 8)
    assert len(pool_of_two.servers(state="active")) == 1
    send_cancel(address, wire.key)
    assert error_of(wire.until_ready())["C"] == "57014"


def test_the_key_of_a_client_that_left_does_nothing(pool_of_two, transport):
    gone = pool_of_two.wire(transport=transport)
    gone.value("select 1")
    gone.close()
    wire = pool_of_two.wire(transport=transport).send(query("select pg_sleep(0.3)"))
    for _ in range(20):
        send_cancel(pool_of_two.address(transport), gone.key)
    assert kinds(wire.until_ready()) == "TDCZ"


def test_keys_of_clients_differ(pool_of_two):
    keys = {pool_of_two.wire().key for _ in range(20)}
    assert len(keys) == 20
    assert len({key[4:] for key in keys}) == 20


@pytest.mark.parametrize("bad", [packet(80877102), packet(80877102, b"1234"),
                                 packet(80877102, b"\0" * 300)], ids=["none", "short", "long"])
def test_malformed_cancel_requests_are_closed(pool_of_two, transport, bad):
    wire = pool_of_two.raw(transport).send(bad)
    assert all(frame.kind == "E" for frame in wire.until_closed())
    assert pool_of_two.wire(transport=transport).value("select 1") == "1"


def test_a_cancel_request_after_an_ssl_request(pool_of_two):
    """libpq asks for TLS before it cancels."""
    wire = pool_of_two.wire().send(SLEEP)
    pool_of_two.wait_servers(1, state="active")
    with Wire(pool_of_two.address()) as other:
        other.send(packet(80877103))
        assert other.byte_count(1) == b"N"
        other.send(cancel_packet(wire.key))
        with pytest.raises(Closed):
            other.byte_count(1)
    assert error_of(wire.until_ready())["C"] == "57014"


def test_psycopg_cancels(pool_of_two, transport):
    connection = pool_of_two.connect(transport=transport)
    thread = threading.Thread(
        target=lambda: (pool_of_two.wait_servers(1, state="active"), connection.cancel_safe(timeout=10))
    )
    thread.start()
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("select pg_sleep(600)")
    thread.join()
    assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_storm_of_cancels_hits_no_other_client(pooler, transport, mode):
    """Cancellers and bystanders share two servers; a bystander sees no error, ever."""
    pooler.configure(pool_mode=mode, default_pool_size=2 if mode == "transaction" else 8)
    role = pooler.new_role()
    address = pooler.address(transport)
    end = time.monotonic() + 4
    failures, cancelled, answered = [], [], []

    def canceller(seed):
        dice = random.Random(seed)
        wire = pooler.wire(role, transport)
        while time.monotonic() < end:
            wire.send(query(f"select pg_sleep({dice.random() * 0.003})"))
            for _ in range(dice.randrange(3)):
                send_cancel(address, wire.key)
            frames = wire.until_ready()
            cancelled.extend(frame.fields()["C"] for frame in frames if frame.kind == "E")

    def bystander():
        wire = pooler.wire(role, transport)
        while time.monotonic() < end:
            frames = wire.query("select pg_sleep(0.001)")
            answered.append(1)
            failures.extend(frame.fields() for frame in frames if frame.kind == "E")

    def guarded(work, *arguments):
        try:
            work(*arguments)
        except Exception as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=guarded, args=(canceller, seed)) for seed in range(4)]
    threads += [threading.Thread(target=guarded, args=(bystander,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert set(cancelled) == {"57014"} and len(cancelled) > 20 and len(answered) > 200


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_constant_fire_on_one_server_hits_its_own_client_only(pooler, mode):
    """A client cancels itself without pause; all statements run on the one server there is."""
    pooler.configure(pool_mode=mode, default_pool_size=1 if mode == "transaction" else 3)
    role, end = pooler.new_role(), time.monotonic() + 3
    target = pooler.wire(role)
    hits, wrong, right = [], [], []

    def fire():
        while time.monotonic() < end:
            send_cancel(pooler.address(), target.key)

    def suffer():
        while time.monotonic() < end:
            frames = target.query("select pg_sleep(0.001)")
            (hits if "E" in kinds(frames) else right).append(frames)

    def look_on():
        wire = pooler.wire(role)
        while time.monotonic() < end:
            frames = wire.query("select pg_sleep(0.0005)")
            (wrong if "E" in kinds(frames) else right).append(kinds(frames))

    threads = [threading.Thread(target=work) for work in (fire, fire, suffer, look_on, look_on)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(hits) > 10 and len(right) > 100


def next_statements(pooler, role, count, mode, transport):
    """
    Has a client cancel its statements at about their end, and begin the next one at once when the
    cancel connection is closed. Returns how many it has cancelled, and what came of the next ones.
    """
    dice, wire, cancelled, hit = random.Random(count), pooler.wire(role, transport), 0, []
    if mode == "transaction":
        wire.query("begin")
    for _ in range(count):
        wire.send(query("savepoint a"), query(f"select pg_sleep({dice.random() * 0.004})"))
        send_cancel(pooler.address(transport), wire.key)
        frames = wire.until_ready() + wire.until_ready()
        cancelled += "E" in kinds(frames)
        # in a block that has failed nothing but its end can be run, and cancelled
        after = "rollback to a" if mode == "transaction" else "select 1"
        frames = wire.send(query(after), query("select pg_sleep(0.001)")).until_ready() + wire.until_ready()
        hit += [error_of(frames)] if "E" in kinds(frames) else []
    return cancelled, hit


@pytest.fixture(params=["database", "launcher", "database, 3 threads", "launcher, 3 threads"])
def threaded(request, environment):
    """Carpool in either host, with one engine thread and with three."""
    host = request.param.split(",")[0]
    if request.param == "database, 3 threads":
        cluster = request.getfixturevalue("fresh_cluster")(threads=3)
        made = DatabaseHost(cluster)
        yield made
        return made.clean()
    made = request.getfixturevalue(host)
    if request.param != host:
        made.configure(threads=3)
    yield made


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_cancel_whose_connection_has_ended_hits_no_later_statement(threaded, transport, mode):
    threaded.configure(pool_mode=mode)
    role = threaded.new_role()
    cancelled, hit = next_statements(threaded, role, 200, mode, transport)
    assert not hit and cancelled > 0


class SlowCancels:
    """A server whose cancel requests take until `done`; a query is answered with an error then."""

    def __init__(self):
        self.done, self.seen, self.asked = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, peer):
        length, code = struct.unpack("!II", peer.exactly(8))
        body = peer.exactly(length - 8)
        if code == CANCEL_REQUEST:
            assert body == struct.pack("!II", 4242, 1)
            self.seen.set()
            self.done.wait(DEADLINE)
            return
        peer.send(WELCOME)
        while peer.frame()[0] != "X":
            self.asked.set()
            self.done.wait(DEADLINE)
            peer.send(server_error("SERROR", "C57014", "Mcancelled"), READY)


@pytest.fixture
def slow_cancels(launcher, environment):
    port, script = environment.new_port(), SlowCancels()
    launcher.configure(pool_mode="transaction")
    launcher.database_lines["slow"] = f"port={port} dbname=x"
    with FakeServer(port, script):
        yield script


def begin_cancel(launcher, wire):
    canceller = launcher.raw()
    canceller.send(cancel_packet(wire.key))
    return canceller


def ends(wire):
    """Whether the other side closes the connection within a moment; nothing else comes."""
    return wait_for_bytes(wire, 0.5) and wire.until_closed() == []


def test_a_cancel_connection_ends_with_the_request_to_the_server(launcher, slow_cancels):
    role = launcher.role()
    wire = launcher.wire(role, dbname="slow").send(SLEEP)
    assert slow_cancels.asked.wait(DEADLINE)
    canceller = begin_cancel(launcher, wire)
    assert slow_cancels.seen.wait(DEADLINE) and not ends(canceller)
    slow_cancels.done.set()
    assert canceller.until_closed() == []
    assert error_of(wire.until_ready())["M"] == "cancelled"


def test_a_cancel_connection_waits_no_longer_than_cancel_wait_timeout(launcher, slow_cancels):
    launcher.configure(cancel_wait_timeout=1)
    wire = launcher.wire(launcher.role(), dbname="slow").send(SLEEP)
    assert slow_cancels.asked.wait(DEADLINE)
    canceller = begin_cancel(launcher, wire)
    assert slow_cancels.seen.wait(DEADLINE)
    assert canceller.until_closed() == []       # the server has not answered yet
    slow_cancels.done.set()
    assert error_of(wire.until_ready())["M"] == "cancelled"


def test_a_cancel_finds_a_server_that_came_from_another_thread(launcher, transport):
    launcher.configure(pool_mode="transaction", default_pool_size=1, threads=2)
    role = launcher.role()
    wires = [launcher.wire(role, transport) for _ in range(2)]      # dealt out in turn
    for wire in wires * 2:
        wire.send(SLEEP)
        launcher.wait_servers(1, state="active")
        send_cancel(launcher.address(transport), wire.key)
        assert error_of(wire.until_ready())["C"] == "57014"


def catches_cancels(pid):
    """Whether a process has a handler of SIGUSR2."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16)
    return bool(caught >> (signal.SIGUSR2 - 1) & 1)


def test_a_signal_that_the_ledger_does_not_explain_does_nothing(database):
    database.configure(pool_mode="transaction", default_pool_size=1)
    wire, other = database.wire(), database.wire()
    other.send(SLEEP)
    [pid] = database.wait_servers(1, state="active")
    send_cancel(database.address(), other.key)      # the last one that the ledger tells of
    assert error_of(other.until_ready())["C"] == "57014"
    wire.send(query("begin"), query("select pg_sleep(0.5)"))
    wait_until(lambda: database.cluster.value(
        "select query from pg_stat_activity where state = 'active' and pid = %s", pid)
        == "select pg_sleep(0.5)", "the statement runs")
    for _ in range(20):
        os.kill(pid, signal.SIGUSR2)
    assert [kinds(wire.until_ready()) for _ in range(2)] == ["CZ", "TDCZ"]
    os.kill(pid, signal.SIGUSR2)
    assert kinds(wire.query("commit")) == "CZ"


def test_sessions_of_others_know_no_such_signal(database):
    database.wire().value("select 1")
    with database.cluster.superuser() as direct:
        assert not catches_cancels(direct.info.backend_pid)
    assert all(catches_cancels(pid) for pid in database.servers())


@pytest.mark.parametrize("before", [[], ["begin"], ["select pg_advisory_lock(7)"]],
                         ids=["free", "in a block", "pinned"])
def test_a_wait_for_a_lock_is_cancelled(pool_of_two, before):
    holder, wire = pool_of_two.wire(), pool_of_two.wire()
    holder.query("create table if not exists locked (n int)")
    holder.query("begin; lock table locked")
    for statement in before:
        wire.query(statement)
    wire.send(query("select * from locked"))
    wait_until(lambda: pool_of_two.cluster.value(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock'") == 1, "it waits")
    send_cancel(pool_of_two.address(), wire.key)
    assert error_of(wire.until_ready())["C"] == "57014"
    holder.query("rollback")


def child_of(pid):
    """The program that the one child of a process runs; "" when there is none."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return Path(f"/proc/{children[0]}/comm").read_text().strip() if children else ""


def test_what_a_statement_has_started_ends_with_it(database):
    database.configure(pool_mode="transaction")
    database.new_role(options="in role pg_execute_server_program")
    wire = database.wire().send(query("copy (select 1) to program 'exec sleep 600'"))
    [pid] = database.wait_servers(1, state="active")
    # a shell that has yet to begin may outlive the signal, as after pg_cancel_backend()
    wait_until(lambda: child_of(pid) == "sleep", "the program runs")
    send_cancel(database.address(), wire.key)
    assert "E" in kinds(wire.until_ready())
    assert wire.value("select 1") == "1"
