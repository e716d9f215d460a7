"""How a client's connection ends, and what it hears until then: the same as on a direct connection."""

import socket
import struct

import pytest

from constants import MODES
from waiting import wait_until
from wire import (
    COPY_DONE, FLUSH, SYNC, TERMINATE, Wire, copy_data, extended, message, parse, query, startup, text,
)

SELECT = query("select 1")


def told(frames):
    """What of frames is the same on any connection."""
    def of(frame):
        if frame.kind == "E":
            fields = frame.fields()
            return frame.kind, fields["S"], fields["C"], fields["M"], fields.get("D")
        return frame.kind, frame.body if frame.kind in "CDZ" else None
    return [of(frame) for frame in frames if frame.kind not in "NS"]


def direct(pooler, transport):
    """A raw connection to the server itself."""
    host = "127.0.0.1" if transport == "tcp" else str(pooler.cluster.socket_folder)
    wire = Wire({"host": host, "port": pooler.cluster.port})
    wire.is_direct = True
    pooler.open.append(wire)
    return wire


def both(pooler, transport, talk):
    """What a client hears to the end of its connection, after it said something; the same at both."""
    role = pooler.role()
    heard = []
    for raw in direct(pooler, transport), pooler.raw(transport):
        wire = raw.login(role.name, role.password, pooler.database)
        talk(wire)
        heard.append(told(wire.until_closed()))
    assert heard[1] == heard[0]
    return heard[0]


def half_close(wire):
    wire.socket.shutdown(socket.SHUT_WR)


def goodbye(wire):
    wire.send(TERMINATE)


ENDS = pytest.mark.parametrize("end", [goodbye, half_close])

LAST = {
    "a query": SELECT,
    "two queries": SELECT + query("select 2 from pg_sleep(0.1)"),
    "an error": query("select 1/0"),
    "a transaction": query("begin") + SELECT,
    "a synced pipeline": extended("select 1") + SYNC,
    "a pipeline without Sync": extended("select 1"),
    "an error without Sync": extended("select 1/0"),
    "a syntax error without Sync": parse("selec"),
    "a synced one, then one without Sync": extended("select 1") + SYNC + extended("select 2"),
    "a flushed pipeline": extended("select 1") + FLUSH,
    "a query among unsynced messages": parse("select 1") + query("select 2") + SYNC,
    "many rows": query("select repeat('x', 1000) from generate_series(1, 3000)"),
    "a whole copy": query("create temp table c(i int)") + query("copy c from stdin") + copy_data(b"1\n")
    + COPY_DONE,
    "a query behind a copy": query("create temp table c(i int)") + query("copy c from stdin") + copy_data(b"1\n")
    + COPY_DONE + query("table c"),
    "nothing": b"",
    "a sync": SYNC,
}


@MODES
@ENDS
@pytest.mark.parametrize("last", LAST.values(), ids=LAST)
def test_what_came_before_the_end_is_answered(pooler, transport, mode, end, last):
    pooler.configure(pool_mode=mode, default_pool_size=2)

    def talk(wire):
        # in one write where that can be
        wire.send(last + TERMINATE) if end is goodbye else end(wire.send(last))

    both(pooler, transport, talk)
    assert pooler.wire(transport=transport).value("select 1") == "1"


def test_a_slow_reader_gets_all_of_its_last_answer(pooler, transport):
    def talk(wire):
        wire.send(query("select repeat('x', 1000) from generate_series(1, 20000)"))
        half_close(wire)
        wire.frame()

    assert len(both(pooler, transport, talk)) > 20000


def test_the_start_of_a_message_behind_a_query_doesnt_lose_the_answer(pooler, transport):
    for part in 1, 4, 5, 8:
        both(pooler, transport, lambda wire: half_close(wire.send(SELECT + query("select 2")[:part])))
    assert pooler.wire(transport=transport).value("select 1") == "1"


BAD = {
    "unknown type": message("y"), "zero": b"\0\0\0\0\4", "length 3": b"Q\0\0\0\3", "too long": b"P\x7f\0\0\0",
}


@MODES
@pytest.mark.parametrize("before", ["", "select 1", "select pg_sleep(0.1)", "begin", "select 1/0"])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_what_came_before_a_bad_message_is_answered(pooler, transport, mode, before, bad):
    pooler.configure(pool_mode=mode, default_pool_size=2)
    both(pooler, transport, lambda wire: wire.send((query(before) if before else b"") + bad))


def test_a_client_that_waits_for_a_server_is_answered_after_its_end(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    holder = pooler.wire(transport=transport)
    holder.query("begin")
    waiters = [pooler.wire(transport=transport).send(SELECT) for _ in range(3)]
    half_close(waiters[0])
    waiters[1].send(TERMINATE)
    half_close(waiters[2])
    holder.query("commit")
    for wire in waiters:
        assert "".join(frame.kind for frame in wire.until_closed()) == "TDCZ"


# what is done of it

INSERT = "insert into kept values (1)"
DONE = {
    "a commit": (query("begin") + query(INSERT), query("commit"), 1),
    "a query": (b"", query(INSERT), 1),
    "a slow query": (b"", query("insert into kept select 1 from pg_sleep(0.3)"), 1),
    "a synced pipeline": (b"", extended(INSERT) + SYNC, 1),
    "an open transaction": (query("begin"), query(INSERT), 0),
    "no Sync": (b"", extended(INSERT), 0),
    "Flush, no Sync": (b"", extended(INSERT) + FLUSH, 0),
    "no Sync in a transaction": (query("begin"), extended(INSERT), 0),
    "no Sync behind a synced one": (b"", extended(INSERT) + SYNC + extended(INSERT), 1),
    "an unsynced begin": (b"", extended("begin") + extended(INSERT), 0),
    "an unsynced transaction": (b"", extended("begin") + extended(INSERT) + extended("commit"), 1),
    "an unsynced commit": (query("begin") + query(INSERT), extended("commit"), 1),
    "an error behind it": (b"", extended(INSERT) + extended("select 1/0"), 0),
}
REPLIES = {"a commit": 2, "no Sync in a transaction": 1, "an open transaction": 1, "an unsynced commit": 2}


@MODES
@pytest.mark.parametrize("end", ["close", "goodbye"])
@pytest.mark.parametrize("case", DONE)
def test_what_a_client_leaves_is_kept_as_postgresql_would(pooler, transport, mode, end, case):
    # the leaver's server is the next one's, who so finds all done
    pooler.configure(pool_mode=mode, default_pool_size=1 if mode == "transaction" else 2)
    before, last, kept = DONE[case]
    role = pooler.role()
    other = pooler.wire(transport=transport)
    for raw in direct(pooler, transport), pooler.raw(transport):
        other.query("drop table if exists kept; create table kept(x int)")
        wire = raw.login(role.name, role.password, pooler.database, application_name="leaver")
        wire.send(before)
        for _ in range(REPLIES.get(case, 0)):
            wire.until_ready()
        wire.send(last + (TERMINATE if end == "goodbye" else b""))
        wire.close()
        if hasattr(raw, "is_direct"):
            wait_until(lambda: not pooler.cluster.sql(
                "select 1 from pg_stat_activity where application_name = 'leaver'"), "its backend has ended")
            found = other.value("select count(*) from kept")
        else:
            found = pooler.wire(transport=transport).value("select count(*) from kept")
        assert found == str(kept), "direct" if hasattr(raw, "is_direct") else "pooled"


def test_unsynced_work_leaves_the_pool_to_others(pooler):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    other = pooler.wire()
    other.query("create table kept(x int)")
    for end in TERMINATE, b"":
        wire = pooler.wire().send(extended("insert into kept values (1)") + end)
        wire.close()
        assert other.value("select count(*) from kept") == "0"


# beginnings

BEGINNINGS = {
    "a query": SELECT, "a query and the end": SELECT + TERMINATE,
    "a pipeline and the end": extended("select 1") + SYNC + TERMINATE, "the end": TERMINATE,
    "nonsense": message("y"),
}


@pytest.mark.parametrize("last", BEGINNINGS.values(), ids=BEGINNINGS)
@pytest.mark.parametrize("half_closed", [False, True])
def test_a_startup_packet_and_more_in_one_write(database, rules, transport, last, half_closed):
    role = rules("local all {role} trust\nhost all {role} 127.0.0.1/32 trust\n")
    heard = []
    for wire in direct(database, transport), database.raw(transport), database.raw(transport):
        wire.send(startup(role.name, database.database) + last)
        if half_closed:
            half_close(wire)
        elif not last.endswith(TERMINATE) and last != message("y"):
            wire.until_ready()
            wire.until_ready()
            wire.send(TERMINATE)
        heard.append(told(wire.until_closed()))
    assert heard[1:] == [heard[0]] * 2


def test_a_password_and_more_in_one_write(database, rules, transport):
    role = rules("local all {role} password\nhost all {role} 127.0.0.1/32 password\n")
    heard = []
    for wire in direct(database, transport), database.raw(transport):
        wire.startup(role.name, database.database)
        assert wire.frame().kind == "R"
        wire.send(message("p", text(role.password)) + SELECT + TERMINATE)
        heard.append(told(wire.until_closed()))
    assert heard[1] == heard[0] and [kind for kind, *_ in heard[0]][-4:] == ["T", "D", "C", "Z"]


REFUSED = {
    "no database": {"database": "nonesuch"}, "no connect": {"database": "closed_{role}"},
    "no role": {"user": "nonesuch"}, "parameter": {"work_mem": "x"}, "unknown": {"none.such_": "x", "nonesuch": "x"},
    "option": {"options": "-c work_mem=x"}, "no option": {"options": "--foo"}, "switch": {"options": "-Z"},
    "superuser's": {"log_statement": "all"}, "encoding": {"client_encoding": "nonesuch"},
    "rejected": {"database": "template1"},
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_login_that_fails_after_its_proof_hears_of_that_first(database, rules, transport, case):
    role = rules(
        "local template1 {role} reject\nhost template1 {role} 127.0.0.1/32 reject\n"
        "local all {role},nonesuch trust\nhost all {role},nonesuch 127.0.0.1/32 trust\n")
    name = f"closed_{role.name}"
    database.databases.append(name)
    database.cluster.sql(f"create database {name}")
    database.cluster.sql(f"revoke connect on database {name} from public")
    wanted = {"user": role.name, "database": database.database}
    wanted |= {key: value.format(role=role.name) for key, value in REFUSED[case].items()}
    heard = []
    for wire in direct(database, transport), database.raw(transport):
        wire.startup(**wanted)
        heard.append(told(wire.until_closed()))
    assert heard[1] == heard[0]
    assert ([kind for kind, *_ in heard[0]] == ["R", "E"]) == (case != "rejected")


# process ids

def test_process_ids_of_clients_dont_repeat(pooler):
    ids = []
    for _ in range(20):
        wire = pooler.wire()
        ids.append(struct.unpack("!i", wire.key[:4])[0])
        wire.close()
    assert len(set(ids)) == 20
    assert all(number >= 1 << 22 for number in ids), "none that a process could have"
