"""SIGINT from outside (pg_cancel_backend, kill) to a pooled backend that runs nothing: nobody hears of it."""

import contextlib
import os
import signal

import pytest

from constants import PID
from wire import SYNC, bind, execute, kinds, parse, query

ROUNDS = 150


def ask(wire, how):
    """A statement that takes a moment, so that a cancel that is still on its way would hit it."""
    sql = "select pg_sleep(0.002)"
    wire.send(query(sql) if how == "simple" else parse(sql) + bind() + execute() + SYNC)
    frames = wire.until_ready()
    assert kinds(frames).endswith("DCZ"), [frame.fields() for frame in frames if frame.kind == "E"]


@pytest.fixture(params=["session", "transaction", "launcher"])
def pair(request):
    """Two clients that share a backend; in session mode one, after the other has left."""
    host = request.getfixturevalue("launcher" if request.param == "launcher" else "database")
    mode = "session" if request.param == "session" else "transaction"
    host.configure(pool_mode=mode, default_pool_size=1)
    first = host.wire()
    return host, first, first if mode == "session" else host.wire()


@pytest.mark.parametrize("how", ["simple", "extended"])
@pytest.mark.parametrize("times", [1, 5])
def test_a_signal_to_an_idle_backend_cancels_no_statement(pair, how, times):
    _, first, second = pair
    pid = int(first.value(PID))
    for _ in range(ROUNDS):
        for wire in (first, second):
            for _ in range(times):
                os.kill(pid, signal.SIGINT)
            ask(wire, how)
    assert int(second.value(PID)) == pid


def test_pg_cancel_backend_of_an_idle_backend_cancels_no_statement(pair):
    host, first, second = pair
    pid = int(first.value(PID))
    for _ in range(ROUNDS):
        for wire in (first, second):
            assert host.cluster.value("select pg_cancel_backend(%s)", pid)
            ask(wire, "simple")
    assert int(second.value(PID)) == pid


def test_a_signal_between_two_clients_of_session_mode_cancels_nothing(database):
    """Where it ends the reset for the next one, that one has another backend."""
    database.configure(pool_mode="session", default_pool_size=1)
    client = database.wire()
    for _ in range(30):
        pid = int(client.value(PID))
        client.close()
        os.kill(pid, signal.SIGINT)
        client = database.wire()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        ask(client, "simple")


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_signal_in_an_open_transaction_leaves_the_next_statement_alone(database, mode):
    database.configure(pool_mode=mode, default_pool_size=1)
    client = database.wire()
    pid = int(client.value(PID))
    client.query("begin")
    for _ in range(ROUNDS):
        os.kill(pid, signal.SIGINT)
        ask(client, "simple")
    assert client.query("commit")[-1].body == b"I"


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_signal_still_cancels_the_statement_that_runs(database, mode):
    database.configure(pool_mode=mode, default_pool_size=1)
    client = database.wire()
    pid = int(client.value(PID))
    client.send(query("select pg_sleep(30)"))
    database.wait_servers(1, state="active")
    os.kill(pid, signal.SIGINT)
    errors = [frame.fields()["C"] for frame in client.until_ready() if frame.kind == "E"]
    assert errors == ["57014"]
    assert int(client.value(PID)) == pid
