"""Clients that die anywhere: their work is undone, their server lives where it can."""

import socket
import struct

import pytest

from constants import PID
from waiting import wait_until
from wire import copy_data, parse, query


def vanish(wire, how):
    """Closes the socket: with a FIN or with a reset."""
    if how == "reset":
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


HOW = pytest.mark.parametrize("how", ["close", "reset"])


@HOW
def test_in_a_transaction_it_is_rolled_back_and_the_server_kept(pool_of_one, transport, how):
    setup = pool_of_one.wire(transport=transport)
    setup.query("create table notes(x int)")
    pid = setup.value(PID)
    leaver = pool_of_one.wire(transport=transport)
    leaver.query("begin")
    leaver.query("insert into notes values (1)")
    vanish(leaver, how)
    assert setup.value("select count(*) from notes") == "0"
    assert setup.value(PID) == pid


@HOW
def test_in_a_failed_transaction_the_server_is_kept(pool_of_one, how):
    other = pool_of_one.wire()
    pid = other.value(PID)
    leaver = pool_of_one.wire()
    leaver.query("begin")
    leaver.query("select 1/0")
    vanish(leaver, how)
    assert other.value(PID) == pid


def test_locks_of_a_dead_client_are_free(pool_of_one, transport):
    pool_of_one.configure(pool_mode="transaction", default_pool_size=2)
    other = pool_of_one.wire(transport=transport)
    other.query("create table notes(x int)")
    leaver = pool_of_one.wire(transport=transport)
    leaver.query("begin")
    leaver.query("lock table notes")
    other.send(query("select count(*) from notes"))
    wait_until(lambda: pool_of_one.cluster.value(
        "select 1 from pg_stat_activity where wait_event_type = 'Lock' and usename = %s",
        pool_of_one.role().name,
    ), "the other waits")
    leaver.close()
    assert [frame.values() for frame in other.until_ready() if frame.kind == "D"] == [["0"]]


@HOW
def test_in_a_statement_the_pool_serves_on(pool_of_one, transport, how):
    leaver = pool_of_one.wire(transport=transport)
    leaver.send(query("select pg_sleep(600)"))
    pool_of_one.wait_servers(1, state="active")
    vanish(leaver, how)
    assert pool_of_one.wire(transport=transport).value("select 1") == "1"
    wait_until(lambda: not pool_of_one.cluster.sql(
        "select 1 from pg_stat_activity where query = 'select pg_sleep(600)' and state = 'active'"
    ), "the statement has ended")


@HOW
def test_in_a_copy_in_nothing_is_kept(pool_of_one, transport, how):
    setup = pool_of_one.wire(transport=transport)
    setup.query("create table items(id int)")
    leaver = pool_of_one.wire(transport=transport)
    leaver.send(query("copy items from stdin"))
    assert leaver.frame().kind == "G"
    leaver.send(copy_data(b"1\n"), copy_data(b"2\n"))
    vanish(leaver, how)
    assert setup.value("select count(*) from items") == "0"


@HOW
def test_in_a_copy_out_the_pool_serves_on(pool_of_one, transport, how):
    leaver = pool_of_one.wire(transport=transport)
    leaver.send(query("copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout"))
    assert leaver.frame().kind == "H"
    vanish(leaver, how)
    assert pool_of_one.wire(transport=transport).value("select 1") == "1"


@HOW
@pytest.mark.parametrize("part", [1, 3, 5, 9])
def test_in_the_middle_of_a_message_the_pool_serves_on(pool_of_one, transport, how, part):
    other = pool_of_one.wire(transport=transport)
    pid = other.value(PID)
    leaver = pool_of_one.wire(transport=transport)
    leaver.send(query("select 12345")[:part])
    vanish(leaver, how)
    after = other.value(PID)
    assert part >= 5 or after == pid, "nothing of it can have reached the server"


def test_in_the_middle_of_a_message_in_a_transaction(pool_of_one, transport):
    other = pool_of_one.wire(transport=transport)
    other.query("create table notes(x int)")
    leaver = pool_of_one.wire(transport=transport)
    leaver.query("begin")
    leaver.query("insert into notes values (1)")
    leaver.send(query("insert into notes values (2)")[:12])
    leaver.close()
    assert other.value("select count(*) from notes") == "0"


def test_with_an_unsynced_batch_the_pool_serves_on(pool_of_one, transport):
    leaver = pool_of_one.wire(transport=transport)
    leaver.send(parse("select 1", "half") + b"H\0\0\0\4")
    assert leaver.frame().kind == "1"
    leaver.close()
    other = pool_of_one.wire(transport=transport)
    assert other.value("select 1") == "1"
    assert other.query("begin")[-1].body == b"T"
    assert other.query("commit")[-1].body == b"I"


def test_while_waiting_for_a_server_nobody_is_disturbed(pool_of_one, transport):
    holder = pool_of_one.wire(transport=transport)
    holder.query("begin")
    waiters = [pool_of_one.wire(transport=transport).send(query("select 1")) for _ in range(5)]
    for wire in waiters[::2]:
        wire.close()
    holder.query("commit")
    for wire in waiters[1::2]:
        assert wire.until_ready()[-1].body == b"I"
    assert holder.value("select 3") == "3"


def test_in_a_pipeline_the_pool_serves_on(pool_of_one, transport):
    leaver = pool_of_one.wire(transport=transport)
    leaver.send(query("select repeat('x', 10000)") * 500)
    leaver.frame()
    leaver.close()
    assert pool_of_one.wire(transport=transport).value("select 1") == "1"


def test_in_session_mode_a_clean_server_goes_back(pooler, transport):
    pooler.configure(pool_mode="session", default_pool_size=1)
    leaver = pooler.wire(transport=transport)
    pid = leaver.value(PID)
    leaver.query("set work_mem = '77MB'")
    leaver.query("begin")
    leaver.query("select 1")
    leaver.close()
    other = pooler.wire(transport=transport)
    assert other.value("show work_mem") != "77MB"
    assert other.value(PID) == pid


def test_half_closed_after_a_query_still_gets_its_answer_or_the_end(pool_of_one, transport):
    wire = pool_of_one.wire(transport=transport)
    wire.send(query("select 1"))
    wire.socket.shutdown(socket.SHUT_WR)
    wire.until_closed()
    assert pool_of_one.wire(transport=transport).value("select 1") == "1"
