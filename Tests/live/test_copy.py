"""COPY in both directions, with both protocols."""

import pytest

from wire import (
    COPY_DONE, SYNC, bind, copy_data, copy_fail, error_of, execute, kinds, parse, query,
)

TABLE = "create table items(id int primary key, word text)"


@pytest.fixture
def wire(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    wire = pooler.wire(transport=transport)
    wire.query(TABLE)
    return wire


def test_copy_out_simple(wire):
    wire.query("insert into items select n, 'w' || n from generate_series(1, 1000) n")
    frames = wire.query("copy items to stdout")
    assert kinds(frames) == "H" + "d" * 1000 + "cCZ"
    assert frames[1].body == b"1\tw1\n"


def test_copy_in_simple(wire):
    wire.send(query("copy items from stdin"))
    assert wire.frame().kind == "G"
    wire.send(*(copy_data(f"{n}\tword {n}\n".encode()) for n in range(2000)), COPY_DONE)
    assert kinds(wire.until_ready()) == "CZ"
    assert wire.value("select count(*) from items") == "2000"


def test_copy_in_of_data_sent_with_the_query(wire):
    wire.send(query("copy items from stdin") + copy_data(b"1\tone\n") + COPY_DONE)
    assert kinds(wire.until_ready()) == "GCZ"
    assert wire.value("select word from items") == "one"


def test_copy_in_extended(wire):
    """The Sync behind Execute is swallowed by the copy; the one behind CopyDone counts."""
    for n, early_sync in enumerate([SYNC, b""]):
        wire.send(parse("copy items from stdin") + bind() + execute() + early_sync)
        assert kinds(wire.frames_until("G")) == "12G"
        wire.send(copy_data(f"{n}\tone\n".encode()) + COPY_DONE + SYNC)
        assert kinds(wire.until_ready()) == "CZ"
    assert wire.value("select count(*) from items") == "2"


def test_copy_out_extended(wire):
    wire.query("insert into items values (1, 'one')")
    wire.send(parse("copy items to stdout") + bind() + execute() + SYNC)
    assert kinds(wire.until_ready()) == "12HdcCZ"


def test_copy_fail_ends_a_copy(wire):
    wire.send(query("copy items from stdin"))
    assert wire.frame().kind == "G"
    wire.send(copy_data(b"1\tone\n") + copy_fail("changed my mind"))
    error = error_of(wire.until_ready())
    assert error["C"] == "57014" and "changed my mind" in error["M"]
    assert wire.value("select count(*) from items") == "0"


@pytest.mark.parametrize("how", ["simple", "extended"])
def test_a_copy_that_fails_midway_leaves_the_session_usable(pooler, wire, how):
    """Rows that the client goes on sending after the error are nobody's."""
    start = query("copy items from stdin") if how == "simple" else (
        parse("copy items from stdin") + bind() + execute() + SYNC)
    wire.send(start)
    wire.frames_until("G")
    wire.send(copy_data(b"no number\tx\n"))
    wire.send(*(copy_data(f"{n}\tlate\n".encode()) for n in range(5000)), COPY_DONE)
    if how == "extended":
        wire.send(SYNC)
    assert error_of(wire.until_ready())["C"] == "22P02"
    assert wire.value("select count(*) from items") == "0"
    other = pooler.wire()
    assert other.value("select 1") == "1"


def test_copy_in_a_transaction(pooler, wire):
    wire.query("begin")
    wire.send(query("copy items from stdin") + copy_data(b"1\tone\n") + COPY_DONE)
    assert wire.until_ready()[-1].body == b"T"
    wire.query("rollback")
    assert wire.value("select count(*) from items") == "0"


def test_a_large_copy_in_and_out(wire):
    line = b"x" * 990
    block = b"".join(copy_data(b"%d\t%s\n" % (n, line)) for n in range(20000))
    wire.send(query("copy items from stdin"))
    wire.frame()
    wire.send(block, COPY_DONE)
    assert kinds(wire.until_ready()) == "CZ"
    frames = wire.query("copy items to stdout")
    assert sum(len(frame.body) for frame in frames if frame.kind == "d") == sum(
        len(str(n)) + 992 for n in range(20000))


def test_other_messages_during_copy_in_end_it_with_an_error(wire):
    wire.send(query("copy items from stdin"))
    assert wire.frame().kind == "G"
    wire.send(copy_data(b"1\tone\n") + query("select 1"))
    frames = wire.frames_until("Z", "E")
    assert frames[-1].kind == "E" and frames[-1].fields()["C"] == "08P01"
