"""Messages of any size in bounded memory; slow readers stop only themselves."""

import select
import time

import pytest

from waiting import wait_until
from wire import SYNC, bind, copy_data, execute, kinds, message, parse, query

MB = 1 << 20


def memory(pooler):
    """Resident bytes of the process that pools."""
    pid = pooler.worker() if pooler.name == "database" else pooler.process.pid
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024


def skim(wire, until):
    """Reads frames up to the one of this kind; returns the bytes of the DataRows and CopyDatas."""
    total = 0
    while True:
        frame = wire.frame()
        if frame.kind in "dD":
            total += len(frame.body)
        if frame.kind == until:
            return total


def test_a_100_MB_result_waits_for_a_slow_reader_while_others_work(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=2)
    slow = pooler.raw(transport, receive_buffer=8192)
    role = pooler.role()
    slow.login(role.name, role.password, pooler.database)
    other = pooler.wire(role, transport)
    other.value("select 1")
    before = memory(pooler)
    slow.send(query("select repeat('x', 1000) from generate_series(1, 100000)"))
    wait_until(lambda: pooler.cluster.value(
        "select 1 from pg_stat_activity where usename = %s and wait_event = 'ClientWrite'", role.name
    ), "the server waits for the reader")
    for _ in range(200):
        assert other.value("select 2") == "2"
    assert memory(pooler) - before < 8 * MB
    assert skim(slow, "Z") == 100000 * 1006


def test_one_row_of_64_MB(pooler, transport):
    pooler.configure(pool_mode="transaction")
    wire = pooler.wire(transport=transport)
    wire.value("select 1")
    before = memory(pooler)
    wire.send(query(f"select repeat('x', {64 * MB})"))
    assert skim(wire, "Z") == 64 * MB + 6
    assert memory(pooler) - before < 8 * MB


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_parameter_of_64_MB(pooler, transport, mode):
    pooler.configure(pool_mode=mode)
    wire = pooler.wire(transport=transport)
    wire.value("select 1")
    before = memory(pooler)
    value = b"y" * (64 * MB)
    wire.send(parse("select length($1::text)") + bind([value]) + execute() + SYNC)
    frames = wire.until_ready()
    assert kinds(frames) == "12DCZ" and frames[2].values() == [str(64 * MB)]
    assert memory(pooler) - before < 8 * MB


def test_a_query_text_of_16_MB(pooler, transport):
    pooler.configure(pool_mode="transaction")
    wire = pooler.wire(transport=transport)
    assert wire.value(f"select /* {'z' * (16 * MB)} */ 7") == "7"


def test_a_busy_server_stops_its_client_alone(pooler, transport):
    """While the server does not read, what the client sends stays with the client."""
    pooler.configure(pool_mode="transaction", default_pool_size=2)
    role = pooler.role()
    wire, other = pooler.wire(role, transport), pooler.wire(role, transport)
    other.value("select 1")
    before = memory(pooler)
    pooler.cluster.sql("select pg_advisory_lock(77)", dbname=pooler.database)
    value = b"y" * (64 * MB)
    wire.send(query("select pg_advisory_xact_lock(77)"))
    data = memoryview(parse("select length($1::text)") + bind([value]) + execute() + SYNC)
    wire.socket.setblocking(False)
    sent = 0
    while select.select([], [wire.socket], [], 0.5)[1]:
        sent += wire.socket.send(data[sent:sent + MB])
        assert sent < len(data), "somebody took it all"
    assert memory(pooler) - before < 8 * MB
    assert other.value("select 2") == "2"
    pooler.cluster.sql("select pg_advisory_unlock(77)", dbname=pooler.database)
    wire.socket.settimeout(30)
    wire.socket.sendall(data[sent:])
    assert kinds(wire.until_ready()) == "TDCZ"
    assert wire.until_ready()[2].values() == [str(64 * MB)]


def test_big_pipelines_do_not_deadlock(pooler, transport):
    """The client sends all before it reads anything, as libpq's pipeline mode may."""
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    wire = pooler.wire(transport=transport)
    one = parse("select $1::text") + bind([b"v" * 20000]) + execute() + SYNC
    wire.socket.setblocking(False)
    data, received, done = memoryview(one * 400), 0, 0
    while done < len(data) or received < 400 * (5 + 5 + 5 + 26 + 20000):
        readable, writable, _ = select.select(
            [wire.socket], [wire.socket] if done < len(data) else [], [], 20)
        assert readable or writable, f"stuck after {done} of {len(data)} sent, {received} received"
        if writable:
            done += wire.socket.send(data[done:done + MB])
        if readable:
            received += len(wire.socket.recv(MB))
    wire.socket.setblocking(True)


def test_a_reader_that_stops_in_the_middle_of_a_copy(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    role = pooler.role()
    wire = pooler.raw(transport, receive_buffer=8192)
    wire.login(role.name, role.password, pooler.database)
    wire.send(query("copy (select repeat('x', 1000) from generate_series(1, 30000)) to stdout"))
    assert wire.frames_until("d")[-1].kind == "d"
    pooler.wait_servers(1, role)
    wire.close()
    other = pooler.wire(role)
    assert other.value("select 1") == "1"


def test_many_small_rows(pooler, transport):
    pooler.configure(pool_mode="transaction")
    wire = pooler.wire(transport=transport)
    frames = wire.query("select n from generate_series(1, 100000) n")
    assert kinds(frames) == "T" + "D" * 100000 + "CZ"


def test_copy_data_in_one_huge_frame(pooler, transport):
    pooler.configure(pool_mode="transaction")
    wire = pooler.wire(transport=transport)
    wire.query("create table words(word text)")
    wire.send(query("copy words from stdin"))
    assert wire.frame().kind == "G"
    wire.send(copy_data(b"w" * 99 + b"\n" + (b"w" * 99 + b"\n") * 300000), message("c"))
    assert kinds(wire.until_ready()) == "CZ"
    assert wire.value("select count(*) from words") == "300001"


def test_nagle_is_off_towards_clients(pooler):
    """A small answer after a large one comes at once, not after the peer's delayed ack."""
    pooler.configure(pool_mode="transaction")
    wire = pooler.wire()
    wire.value("select 1")
    spent = []
    for _ in range(100):
        start = time.monotonic()
        wire.query("select repeat('x', 3000)")
        spent.append(time.monotonic() - start)
    # the kernel delays an ack by 40 ms; on a busy machine some are late for other reasons
    assert sorted(spent)[50] < 0.035
