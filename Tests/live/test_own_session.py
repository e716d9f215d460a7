"""
Every message runs in its own client's session, also after messages that PostgreSQL takes without
an answer: behind one of them it blocks in its own read, where no agent attaches the next client.
"""

import contextlib
import socket
import struct
import threading

import pytest

from wire import (
    COPY_DONE, FLUSH, SYNC, TERMINATE, Closed, Refused, bind, close, copy_data, copy_fail, describe, error_of, execute,
    function_call, kinds, message, parse, query, send_cancel, wait_for_bytes,
)
from waiting import wait_until

STRAYS = {
    "flush": FLUSH,
    "copy data": copy_data(b"7\n"),
    "copy done": COPY_DONE,
    "copy fail": copy_fail("no reason"),
    "several": FLUSH + copy_data(b"7\n") + COPY_DONE + FLUSH,
    "many": copy_data(b"1234567\n" * 1000) * 40,
}
REQUESTS = {
    "query": query("select 1"),
    "sync": SYNC,
    "extended": parse("select 1") + bind() + execute() + SYNC,
    "function call": function_call(1598),  # random()
    "nothing": b"",
}
WHO = "select current_setting('application_name'), current_setting('datestyle')"
STYLES = ["German, DMY", "SQL, MDY"]


@pytest.fixture(params=["one server", "rotating"])
def pool(pooler, request):
    """One server for all, or servers that take turns."""
    rotates = request.param == "rotating"
    pooler.configure(pool_mode="transaction", default_pool_size=2 if rotates else 1,
                     test_rotate_servers="on" if rotates else "off")
    mark = pooler.cluster.log.mark()
    yield pooler
    assert "another client's session" not in pooler.cluster.log.text(mark)


def clients(pool, transport="tcp"):
    """Two clients that can be told apart, and what tells them apart."""
    made = []
    for number, style in enumerate(STYLES):
        wire = pool.wire(transport=transport)
        wire.query(f"set application_name = 'client {number}'")
        wire.query(f"set datestyle = '{style}'")
        made.append((wire, [[f"client {number}", style]]))
    return made


def answers(request):
    """How many ReadyForQuery messages a request gets."""
    return 0 if request == b"" else 1


@pytest.mark.parametrize("stray", STRAYS)
@pytest.mark.parametrize("request_", REQUESTS)
def test_what_is_not_answered_leaves_nobody_in_anothers_session(pool, transport, request_, stray):
    (a, is_a), (b, is_b) = clients(pool, transport)
    for _ in range(5):
        a.send(REQUESTS[request_] + STRAYS[stray])
        for _ in range(answers(REQUESTS[request_])):
            a.until_ready()
        assert b.rows(WHO) == is_b
        a.send(STRAYS[stray])
        assert b.rows(WHO) == is_b
        assert a.rows(WHO) == is_a


def test_in_a_transaction_it_stays_with_its_client(pool):
    (a, is_a), (b, is_b) = clients(pool)
    for stray in STRAYS.values():
        a.send(query("begin") + stray)
        assert kinds(a.until_ready()) == "CZ"
        a.send(stray)
        assert a.rows(WHO) == is_a
        a.send(query("commit") + stray)
        assert kinds(a.until_ready()) == "CZ"
        assert b.rows(WHO) == is_b


def test_who_streams_on_after_a_failed_copy(pool):
    """As psql's \\copy does with a row that is wrong, and other rows behind it."""
    (a, is_a), (b, is_b) = clients(pool)
    a.query("create table numbers(n int)")
    for rows in (0, 1, 10, 2000):
        a.send(query("copy numbers from stdin"))
        a.frames_until("G")
        a.send(copy_data(b"not a number\n"), *[copy_data(b"1\n" * 50)] * rows, COPY_DONE)
        for _ in range(3):
            assert b.rows(WHO) == is_b
        assert error_of(a.until_ready())["C"] == "22P02"
        assert a.rows(WHO) == is_a
    assert a.value("select count(*) from numbers") == "0"


def test_a_copy_that_is_cancelled_while_data_comes(pool):
    (a, is_a), (b, is_b) = clients(pool)
    a.query("create table numbers(n int)")
    for _ in range(10):
        a.send(query("copy numbers from stdin"))
        a.frames_until("G")
        send_cancel(pool.address(), a.key)
        a.send(*[copy_data(b"1\n" * 50)] * 20, copy_fail("enough"))
        assert b.rows(WHO) == is_b
        assert error_of(a.until_ready())["C"] == "57014"
        assert a.rows(WHO) == is_a


def reset(wire):
    """Ends a connection at once, with what is on its way."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


@pytest.mark.parametrize("farewell", [b"", COPY_DONE, copy_fail("I go"), FLUSH, TERMINATE], ids=repr)
def test_who_dies_in_a_copy(pool, farewell):
    """The worker's own CopyFail may come after the copy's end by a cancel."""
    (a, _), (b, is_b) = clients(pool)
    a.query("create table numbers(n int)")
    for number in range(10):
        dying = pool.wire()
        dying.send(query("copy numbers from stdin"))
        dying.frames_until("G")
        dying.send(copy_data(b"1\n" * 10) * 5 + farewell)
        if number % 2:
            reset(dying)
        else:
            dying.close()
        for _ in range(4):
            assert b.rows(WHO) == is_b


@pytest.mark.parametrize("rest", ["begin", "begin; select pg_sleep(10)", "select pg_sleep(10)"])
def test_who_dies_in_a_transaction(pool, rest):
    """ROLLBACK runs in the session of the client that left, and nobody else's."""
    (a, _), (b, is_b) = clients(pool)
    for _ in range(5):
        dying = pool.wire()
        dying.query("set application_name = 'dying'")
        dying.send(query(rest) + FLUSH)
        if rest == "begin":
            dying.until_ready()
        dying.close()
        for _ in range(3):
            assert b.rows(WHO) == is_b


def test_a_first_message_without_an_answer(pool):
    """A new client's session starts where the last one's left nothing."""
    for stray in STRAYS.values():
        wire = pool.wire()
        wire.send(stray)
        other = pool.wire()
        assert other.value("select 1") == "1"
        wire.send(TERMINATE)
        assert wire.until_closed() == []
        assert pool.wire().value("select 1") == "1"


def test_a_transaction_is_not_in_time_for_who_only_flushes(pooler):
    """idle_transaction_timeout is about transactions, and a Flush begins none."""
    pooler.configure(pool_mode="transaction", idle_transaction_timeout="1")
    wire = pooler.wire()
    wire.send(query("begin") + FLUSH)
    wire.until_ready()
    frames = wire.until_closed()
    assert error_of(frames)["C"] == "25P03"


# replies that can't be counted

COPY = parse("copy numbers from stdin") + bind() + execute()
ROW, BAD = copy_data(b"1\n"), copy_data(b"not a number\n")
PIPELINES = {
    "a copy without a Sync": COPY,
    "a Sync in a simple copy": query("copy numbers from stdin") + SYNC,
    "a Sync in a simple copy that succeeds": query("copy numbers from stdin") + SYNC + ROW + COPY_DONE,
    "a Sync in a simple copy that fails": query("copy numbers from stdin") + SYNC + BAD + COPY_DONE + SYNC,
    "a copy that fails in a transaction": query("begin") + COPY + SYNC + BAD + COPY_DONE + SYNC,
    "a statement behind a copy": COPY + SYNC + ROW + COPY_DONE + SYNC + parse("select 1") + bind() + execute() + SYNC,
    "a query behind a copy that fails": COPY + BAD + COPY_DONE + SYNC + query("select 1"),
    "queries behind copies that fail": (COPY + BAD + COPY_DONE + SYNC) * 4 + query("select pg_sleep(0.01)") * 2,
    "queries behind a copy": query("copy numbers from stdin") + ROW + COPY_DONE + query("select 1") * 3,
    "libpq's order, and a query": COPY + SYNC + BAD + COPY_DONE + SYNC + query("select 1"),
    "two copies in a query": query("copy numbers from stdin; copy numbers from stdin") + ROW + COPY_DONE,
    "a query in a pipeline": parse("select 1 / 0") + bind() + execute() + query("select 1") + SYNC,
    "rows left in a portal": parse("select generate_series(1, 9)") + bind() + execute(rows=1) + query("select 1"),
}


@pytest.mark.parametrize("farewell", ["terminate", "close", "reset"])
@pytest.mark.parametrize("name", PIPELINES)
def test_who_leaves_in_a_pipeline_takes_no_server_along(pool, name, farewell):
    (a, _), (b, is_b) = clients(pool)
    a.query("create table numbers(n int)")
    for _ in range(4):
        leaving = pool.wire()
        leaving.send(PIPELINES[name] + (TERMINATE if farewell == "terminate" else b""))
        if farewell == "reset":
            reset(leaving)
        else:
            leaving.close()
        for _ in range(3):
            assert b.rows(WHO) == is_b


@pytest.mark.parametrize("first", [FLUSH + message("S", b"abc"), message("S", b"x" * 10001), message("z")],
                         ids=["flush, then a bad sync", "a long sync", "unknown type"])
def test_a_first_message_that_is_refused_while_the_server_is_opened(pool, first):
    role = pool.role()
    for _ in range(10):
        wire = pool.wire(role)
        for pid in pool.servers(role):
            pool.cluster.sql("select pg_terminate_backend(%s, 5000)", int(pid))
        wire.send(first)
        with contextlib.suppress(OSError, Closed):
            wire.until_closed()


def test_what_was_asked_before_a_goodbye_is_done(pool):
    """Also where no count tells when: the server does it all, and closes by itself."""
    a, b = pool.wire(), pool.wire()
    a.query("create table numbers(n int); create table seen(n int)")
    for number in range(5):
        leaving = pool.wire()
        leaving.send(COPY + SYNC + BAD + COPY_DONE + SYNC + query(f"insert into seen values ({number})") + TERMINATE)
        leaving.close()
    wait_until(lambda: b.value("select count(*) from seen") == "5", "all is done")


def test_a_timeout_among_copy_messages(pool):
    """statement_timeout runs from Parse to Sync; a message of COPY that finds it over brings a ReadyForQuery along."""
    (a, is_a), (b, is_b) = clients(pool)
    for _ in range(10):
        odd = pool.wire()
        odd.send(query("set statement_timeout = '5ms'") + parse("select 1") + FLUSH)
        odd.frames_until("1")
        with contextlib.suppress(Closed):
            # until PostgreSQL has noticed; each message may be the one
            for _ in range(2000):
                if wait_for_bytes(odd, 0.002):
                    break
                odd.send(copy_data(b"x"))
            odd.send(SYNC)
            odd.frames_until("Z")
        odd.close()
        for _ in range(3):
            assert b.rows(WHO) == is_b


# the second lock

MESSAGES = {
    "query": query("insert into seen values (1)"),
    "utility": query("set datestyle = 'ISO'"),
    "empty query": query(""),
    "parse": parse("select 1") + SYNC,
    "bind": bind(name="mine") + execute() + SYNC,
    "describe": describe("S", "mine") + SYNC,
    "close": close("S", "mine") + SYNC,
    "function call": function_call(1598),
    "sync": SYNC,
}


@pytest.fixture
def careless(database):
    """A worker that gives servers away too early."""
    database.configure(pool_mode="transaction", default_pool_size=1, test_releases_early="on")
    return database


@pytest.mark.parametrize("message", MESSAGES)
def test_the_backend_stops_what_the_worker_lets_pass(careless, message):
    name = careless.new_database()
    careless.cluster.sql("create extension pg_carpool", dbname=name)
    careless.cluster.sql("create table seen(n int); grant all on seen to public", dbname=name)
    counted = "select carpool.wrong_sessions()"
    before = careless.cluster.value(counted, dbname=name)
    a, b = careless.wire(dbname=name), careless.wire(dbname=name)
    for wire in (a, b):
        wire.send(parse("insert into seen values (2)", "mine") + SYNC).until_ready()
    mark = careless.cluster.log.mark()
    a.send(query("select 1") + FLUSH).until_ready()
    b.send(MESSAGES[message])
    error = error_of(b.until_closed())
    assert error["S"] == "FATAL" and error["C"] == "XX000"
    assert "another client's session" in error["M"]
    wait_until(lambda: "another client's session" in careless.cluster.log.text(mark), "a line in the log")
    assert careless.cluster.value(counted, dbname=name) == before + 1
    assert careless.cluster.sql("select * from seen", dbname=name) == []
    with contextlib.suppress(Closed):
        assert a.value("select 1") == "1"


def test_the_second_lock_is_shut_for_nobody_else(careless):
    """Clients that leave nothing behind are served as ever."""
    a, b = careless.wire(), careless.wire()
    for _ in range(20):
        assert a.value("select 1") == b.value("select 1") == "1"


def test_new_backends_in_the_place_of_old_ones(database):
    """A backend that logs in may have the entry of one whose end the worker has yet to notice."""
    database.configure(pool_mode="transaction", default_pool_size=4)
    role = database.role()
    mark = database.cluster.log.mark()
    ended = threading.Event()

    def ask():
        while not ended.is_set():
            with contextlib.suppress(Closed, Refused, OSError), database.raw() as wire:
                wire.login(role.name, role.password, database.database)
                while not ended.is_set():
                    wire.value("select 1")

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(300):
            database.cluster.sql(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s and state = 'idle'",
                role.name)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert "another client's session" not in database.cluster.log.text(mark)
