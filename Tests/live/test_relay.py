"""Queries of the simple and the extended protocol, and what servers say unasked."""

from constants import MODES
from wire import (
    FLUSH, SYNC, bind, close, describe, error_of, execute, extended, function_call, kinds, parse, query,
)


@MODES
def test_a_simple_query_is_answered(pooler, transport, mode):
    pooler.configure(pool_mode=mode)
    wire = pooler.wire(transport=transport)
    frames = wire.query("select 1, 'two', null")
    assert kinds(frames) == "TDCZ"
    assert frames[1].values() == ["1", "two", None]
    assert frames[2].body == b"SELECT 1\0" and frames[3].body == b"I"


def test_several_statements_in_one_query(pooler, transport):
    pooler.configure(pool_mode="transaction")
    wire = pooler.wire(transport=transport)
    assert kinds(wire.query("select 1; select 2; select 3")) == "TDCTDCTDCZ"
    assert kinds(wire.query("select 1; select 1/0; select 3")) == "TDCEZ"
    assert kinds(wire.query("")) == "IZ"


def test_an_error_is_the_servers_own(pooler, transport):
    pooler.configure(pool_mode="transaction")
    error = error_of(pooler.wire(transport=transport).query("select nothing from nowhere"))
    assert error["C"] == "42P01" and 'relation "nowhere" does not exist' in error["M"]
    assert error["P"] == "21" and error["R"] == "parserOpenTable"


@MODES
def test_an_extended_query_is_answered(pooler, transport, mode):
    pooler.configure(pool_mode=mode)
    wire = pooler.wire(transport=transport)
    wire.send(extended("select $1::int + $2::int, $3::text", ["20", "22", None]) + SYNC)
    frames = wire.until_ready()
    assert kinds(frames) == "12TDCZ"
    assert frames[3].values() == ["42", None]


def test_flush_brings_answers_before_sync(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    wire = pooler.wire(transport=transport)
    wire.send(parse("select 1") + FLUSH)
    assert wire.frame().kind == "1"
    wire.send(bind() + describe() + FLUSH)
    assert [wire.frame().kind for _ in range(2)] == ["2", "T"]
    wire.send(execute() + FLUSH)
    assert [wire.frame().kind for _ in range(2)] == ["D", "C"]
    wire.send(SYNC)
    assert wire.frame().kind == "Z"


def test_a_named_statement_lives_as_long_as_the_session(pooler, transport):
    pooler.configure(pool_mode="session")
    wire = pooler.wire(transport=transport)
    wire.send(parse("select $1::int * 2", "double") + describe("S", "double") + SYNC)
    assert kinds(wire.until_ready()) == "1tTZ"
    for number in range(5):
        wire.send(bind([str(number)], name="double") + execute() + SYNC)
        frames = wire.until_ready()
        assert kinds(frames) == "2DCZ" and frames[1].values() == [str(number * 2)]
    wire.send(close("S", "double") + SYNC)
    assert kinds(wire.until_ready()) == "3Z"
    wire.send(bind(["1"], name="double") + SYNC)
    assert error_of(wire.until_ready())["C"] == "26000"


def test_a_portal_is_read_in_portions(pooler, transport):
    pooler.configure(pool_mode="transaction")
    wire = pooler.wire(transport=transport)
    wire.send(parse("select generate_series(1, 10)") + bind(portal="p") + execute("p", 4) + FLUSH)
    assert kinds(wire.frames_until("s")) == "12DDDDs"
    wire.send(execute("p", 4) + FLUSH)
    assert kinds(wire.frames_until("s")) == "DDDDs"
    wire.send(execute("p", 0) + SYNC)
    assert kinds(wire.until_ready()) == "DDCZ"


def test_an_error_skips_to_sync(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    wire = pooler.wire(transport=transport)
    wire.send(extended("select 1/0") + extended("select 2") + SYNC + extended("select 3") + SYNC)
    seen = kinds(wire.until_ready())
    assert seen.startswith("1") and seen.endswith("EZ") and "C" not in seen
    assert kinds(wire.until_ready()) == "12TDCZ"


@MODES
def test_several_syncs_in_flight(pooler, transport, mode):
    pooler.configure(pool_mode=mode, default_pool_size=2)
    wire = pooler.wire(transport=transport)
    count = 500
    wire.send(b"".join(extended(f"select {number}") + SYNC for number in range(count)))
    for number in range(count):
        frames = wire.until_ready()
        assert kinds(frames) == "12TDCZ" and frames[3].values() == [str(number)]
    assert wire.value("select 'after'") == "after"


def test_simple_queries_in_flight(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=2)
    wire = pooler.wire(transport=transport)
    wire.send(b"".join(query(f"select {number}") for number in range(300)))
    for number in range(300):
        assert [f.values() for f in wire.until_ready() if f.kind == "D"] == [[str(number)]]


def test_a_pipeline_that_mixes_both_protocols_and_errors(pooler):
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    wire = pooler.wire()
    wire.send(query("select 1") + extended("select 1/0") + SYNC + query("begin") + extended("select 2")
              + SYNC + query("select nonsense") + query("rollback") + SYNC)
    seen = [kinds(wire.until_ready()) for _ in range(7)]
    assert seen[0] == "TDCZ" and seen[1][-2:] == "EZ" and seen[2] == "CZ" and seen[3] == "12TDCZ"
    assert seen[4:] == ["EZ", "CZ", "Z"]


def test_a_function_call_is_answered(pooler, transport):
    pooler.configure(pool_mode="transaction")
    wire = pooler.wire(transport=transport)
    oid = pooler.cluster.value("select 'abs(int4)'::regprocedure::oid::int")
    frames = wire.send(function_call(oid, "-42")).until_ready()
    assert kinds(frames) == "VZ" and frames[0].body.endswith(b"42")
    assert kinds(wire.send(function_call(1, "1")).until_ready()) == "EZ"
    assert wire.value("select 1") == "1"


def test_notices_pass(pooler, transport):
    pooler.configure(pool_mode="transaction")
    wire = pooler.wire(transport=transport)
    frames = wire.query("do $$ begin raise notice 'first'; raise warning 'second'; end $$")
    notices = [frame.fields()["M"] for frame in frames if frame.kind == "N"]
    assert notices == ["first", "second"]


def test_parameter_changes_pass(pooler, transport):
    pooler.configure(pool_mode="session")
    wire = pooler.wire(transport=transport)
    frames = wire.query("set timezone = 'Asia/Tokyo'")
    assert [frame.body for frame in frames if frame.kind == "S"] == [b"TimeZone\0Asia/Tokyo\0"]


def test_notifications_reach_an_idle_session(pooler, transport):
    pooler.configure(pool_mode="session")
    listener, sender = pooler.wire(transport=transport), pooler.wire(transport=transport)
    listener.query("listen news")
    sender.query("notify news, 'one'")
    frame = listener.frame()
    assert frame.kind == "A" and frame.body[4:] == b"news\0one\0"
    for number in range(100):
        sender.query(f"notify news, '{number}'")
    assert [listener.frame().body[4:] for _ in range(100)] == [
        f"news\0{number}\0".encode() for number in range(100)
    ]


def test_a_notification_of_ones_own_passes(pooler):
    pooler.configure(pool_mode="session")
    wire = pooler.wire()
    wire.query("listen news")
    frames = wire.query("notify news, 'mine'")
    frames += [] if any(f.kind == "A" for f in frames) else [wire.frame()]
    assert [f.body[4:] for f in frames if f.kind == "A"] == [b"news\0mine\0"]


def test_terminate_closes_the_connection(pooler, transport):
    wire = pooler.wire(transport=transport)
    wire.send(b"X\0\0\0\4")
    assert wire.until_closed() == []
