"""How much memory carried sessions may take: max_session_state and max_total_session_state."""

import pytest

from constants import PID
from waiting import wait_until
from wire import SYNC, Closed, bind, execute, parse, query

NAMES = "select count(*) from pg_prepared_statements"


def grow(wire, kilobytes, first=0):
    """Prepares statements of 50 kB; the frames that end it, up to the end of the session."""
    for i in range(first, first + kilobytes // 50):
        frames = wire.send(parse(f"select {i} /* {'x' * 50000} */", f"s{i}") + SYNC).frames_until("Z", "E")
        if frames[-1].kind == "E":
            return frames[-1].fields()
    return None


def test_a_session_that_grows_too_large_ends(rotating):
    rotating.configure(max_session_state=1)
    other = rotating.wire()
    other.query("prepare own as select 1")
    big = rotating.wire()
    assert grow(big, 400) is None
    for _ in range(4):
        assert big.value(NAMES) == "8"
    error = grow(big, 2000, 8)
    assert (error["S"], error["C"]) == ("FATAL", "53400")
    assert "max_session_state is 1024 kB" in error["D"] and "Deallocate" in error["H"]
    with pytest.raises(Closed):
        big.query("select 1")
    for _ in range(4):
        assert other.value("execute own") == "1"


def test_what_is_dropped_makes_room(rotating):
    rotating.configure(max_session_state=1)
    wire = rotating.wire()
    for i in range(8):
        assert grow(wire, 400, 8 * i) is None
        wire.query("deallocate all")
    assert grow(wire, 50, 100) is None
    assert wire.value(NAMES) == "1"


def test_where_all_sessions_take_too_much_a_small_one_goes_on(rotating):
    rotating.configure(max_total_session_state=2)
    wires = [rotating.wire() for _ in range(8)]
    errors = [grow(wire, 400) for wire in wires]
    assert errors[0] is None
    codes = {error["C"] for error in errors if error}
    assert codes == {"53200"}
    assert "carpool.max_total_session_state is 2048 kB" in next(e for e in errors if e)["D"]
    small = rotating.wire()
    small.query("set work_mem = '5MB'; prepare own as select 1")
    for _ in range(4):
        assert small.rows("show work_mem") == [["5MB"]] and small.value("execute own") == "1"
    # those that ended have given theirs back within a second
    for wire in wires:
        wire.close()

    def fits():
        wire = rotating.wire()
        error = grow(wire, 400)
        wire.close()
        return error is None

    wait_until(fits, "room for a session")


def test_an_unnamed_statement_that_is_too_large_keeps_its_server(rotating):
    """Until it is another one."""
    rotating.configure(max_session_state=1)
    wire = rotating.wire()
    wire.send(parse(f"select pg_backend_pid() /* {'x' * 2000000} */") + SYNC).until_ready()

    def execution():
        frames = wire.send(bind() + execute() + SYNC).until_ready()
        return [f.values()[0] for f in frames if f.kind == "D"]

    pids = {execution()[0] for _ in range(4)}
    assert len(pids) == 1
    wire.send(parse(PID) + SYNC).until_ready()
    assert len({execution()[0] for _ in range(4)}) > 1


def test_a_state_counts_with_its_size(rotating):
    """And not with the room there is for it to grow."""
    rotating.configure(max_session_state=1)
    wire, other = rotating.wire(), rotating.wire()
    wire.query(f"set my.big = '{'x' * 900_000}'")
    for _ in range(4):
        other.query("select 1")
        assert wire.value("select length(current_setting('my.big'))") == "900000"
    frames = wire.send(query(f"set my.bigger = '{'x' * 200_000}'")).frames_until("Z", "E")
    assert frames[-1].fields()["C"] == "53400"


def test_plans_of_clients_that_have_left_are_bounded_by_their_memory(rotating):
    """A statement's parse tree takes many times its text."""
    rotating.configure(default_pool_size=1)
    rotating.cluster.sql(f"grant pg_read_all_stats to {rotating.role().name}")
    watcher = rotating.wire()
    memory = "select sum(total_bytes) / 1048576 < 100 from pg_backend_memory_contexts"
    for i in range(40):
        wire = rotating.wire()
        numbers = ",".join(str(i * 100_000 + n) for n in range(30_000))
        wire.send(parse(f"select 1 from pg_class where oid in ({numbers})", "big") + SYNC).until_ready()
        wire.close()
    wait_until(lambda: watcher.value(memory) == "t", "the backend has let go of most")
