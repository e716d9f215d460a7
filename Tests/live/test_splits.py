"""Bytes that come in any portions mean the same."""

import fcntl
import struct
import termios

import pytest

from scram import ScramClient
from waiting import wait_until
from wire import (
    COPY_DONE, SYNC, TERMINATE, bind, copy_data, describe, execute, extended, kinds, message, parse,
    query, startup, text,
)

SCRIPT = (
    query("select 1") + parse("select $1::text", "s") + bind(["four"], name="s") + describe() + execute()
    + SYNC + message("C", b"Ss\0") + SYNC + query("begin") + extended("select 2") + SYNC + query("commit")
)
ANSWER = ["TDCZ", "12TDCZ", "3Z", "CZ", "12TDCZ", "CZ"]


def handed_over(wire):
    """Waits until the other side has taken every byte from the kernel."""
    def empty():
        return struct.unpack("i", fcntl.ioctl(wire.socket, termios.TIOCOUTQ, b"\0" * 4))[0] == 0

    wait_until(empty, "the bytes are taken")


def test_every_split_of_a_pipeline(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    wire = pooler.wire(transport=transport)
    for at in range(1, len(SCRIPT)):
        wire.send(SCRIPT[:at])
        handed_over(wire)
        wire.send(SCRIPT[at:])
        assert [kinds(wire.until_ready()) for _ in ANSWER] == ANSWER, f"split at {at}"


def test_byte_by_byte(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    wire = pooler.wire(transport=transport)
    for byte in SCRIPT:
        wire.send(bytes([byte]))
        handed_over(wire)
    assert [kinds(wire.until_ready()) for _ in ANSWER] == ANSWER


def test_a_login_byte_by_byte(pooler, transport):
    role = pooler.role()
    wire = pooler.raw(transport)

    def slowly(data):
        for byte in data:
            wire.send(bytes([byte]))
            handed_over(wire)

    slowly(startup(role.name, pooler.database, application_name="slow"))
    assert wire.frame().body[:4] == b"\0\0\0\x0a"
    scram = ScramClient(role.password)
    first = scram.first().encode()
    slowly(message("p", text("SCRAM-SHA-256") + struct.pack("!I", len(first)) + first))
    slowly(message("p", scram.final(wire.frame().body[4:].decode()).encode()))
    assert kinds(wire.until_ready())[-2:] == "KZ"
    assert wire.value("show application_name") == "slow"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 11, 64])
def test_a_copy_in_portions(pooler, transport, size):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    wire = pooler.wire(transport=transport)
    wire.query("create table items(id int, word text)")
    data = query("copy items from stdin") + b"".join(
        copy_data(f"{n}\tw\n".encode()) for n in range(20)) + COPY_DONE + query("select count(*) from items")
    for at in range(0, len(data), size):
        wire.send(data[at:at + size])
        if size < 8:
            handed_over(wire)
    assert kinds(wire.until_ready()) == "GCZ"
    assert wire.until_ready()[1].values() == ["20"]


def test_all_at_once(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    wire = pooler.wire(transport=transport)
    wire.send(SCRIPT * 50)
    for _ in range(50):
        assert [kinds(wire.until_ready()) for _ in ANSWER] == ANSWER


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_what_was_sent_before_terminate_is_done(pooler, transport, mode):
    """As with PostgreSQL itself: messages take effect in their order, the goodbye last."""
    pooler.configure(pool_mode=mode, default_pool_size=2)
    other = pooler.wire(transport=transport)
    other.query("create table sent(x int)")
    wire = pooler.wire(transport=transport)
    work = b"".join(query(f"insert into sent select {n} from pg_sleep(0.01)") for n in range(20))
    wire.send(work, TERMINATE).until_closed()
    wait_until(lambda: other.value("select count(*) from sent") == "20", "all is done", 5)


def test_a_query_right_behind_the_login(pooler, transport):
    """Sent in one go with the last message of the login, before the answer to that."""
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    role = pooler.role()
    for _ in range(20):
        wire, scram = pooler.raw(transport).startup(role.name, pooler.database), ScramClient(role.password)
        wire.frame()
        first = scram.first().encode()
        wire.send(message("p", text("SCRAM-SHA-256") + struct.pack("!I", len(first)) + first))
        final = message("p", scram.final(wire.frame().body[4:].decode()).encode())
        wire.send(final + query("select 1") + extended("select 2") + SYNC)
        assert kinds(wire.until_ready())[-2:] == "KZ"
        assert kinds(wire.until_ready()) == "TDCZ"
        assert kinds(wire.until_ready()) == "12TDCZ"
        wire.close()


@pytest.mark.parametrize("size", [8180, 8190, 8191, 8192, 8193, 16383, 16384, 16385, 65535, 65536, 65537])
def test_messages_about_as_long_as_a_buffer(pooler, transport, size):
    """A header may lie across the end of any buffer."""
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    wire = pooler.wire(transport=transport)
    for extra in range(-8, 9):
        filler = "x" * (size + extra)
        wire.send(query(f"select 1 /*{filler}*/") + query("select 2"))
        assert [kinds(wire.until_ready()) for _ in range(2)] == ["TDCZ", "TDCZ"]
        frames = wire.query(f"select repeat('y', {size + extra})")
        assert kinds(frames) == "TDCZ" and len(frames[1].body) == size + extra + 6
