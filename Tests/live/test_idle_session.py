"""idle_session_timeout as the client has it ends it when it is idle, as it would end a direct connection."""

import time

import pytest

from wire import error_of, query

WAYS = {
    "an option": ({"options": "-c idle_session_timeout=500"}, []),
    "a parameter and a query": ({"idle_session_timeout": "500"}, ["select 1"]),
    "SET": ({}, ["set idle_session_timeout = 500"]),
    "ALTER ROLE": ({}, []),
    "SET, on a backend of its own": ({}, ["set idle_session_timeout = 500", "create temp table t(x int)"]),
    "after a transaction": ({}, ["begin", "set idle_session_timeout = 500", "commit"]),
}
SPARED = {
    "RESET": ["set idle_session_timeout = 500", "reset idle_session_timeout"],
    "ROLLBACK": ["begin", "set idle_session_timeout = 500", "rollback"],
    "in a transaction": ["set idle_session_timeout = 500", "begin"],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("times", [1, 2])
def test_it_ends_who_is_idle(place, way, times):
    """The second client with the same parameters is welcomed without a server."""
    parameters, statements = WAYS[way]
    if way == "ALTER ROLE":
        place.cluster.sql(f"alter role {place.role().name} set idle_session_timeout = 500")
    bystander = place.wire(place.new_role())
    for _ in range(times):
        wire = place.wire(**parameters)
        for sql in statements:
            wire.query(sql)
        error = error_of(wire.until_closed())
        assert (error["S"], error["C"]) == ("FATAL", "57P05")
        assert error["M"] == "terminating connection due to idle-session timeout"
    assert bystander.value("select 1") == "1"


def test_it_ends_who_has_sent_a_part_of_a_message(place):
    for count in 1, 4, 5, 9:
        wire = place.wire()
        wire.query("set idle_session_timeout = 300")
        wire.send(query("select 1")[:count])
        assert error_of(wire.until_closed())["C"] == "57P05"


@pytest.mark.parametrize("case", SPARED)
def test_it_spares_who_has_none_or_is_in_a_transaction(place, case):
    wire, idle = place.wire(), place.wire()
    for sql in SPARED[case]:
        wire.query(sql)
    # a client that is to end by then
    idle.query("set idle_session_timeout = 1500")
    error_of(idle.until_closed())
    assert wire.value("select 1") == "1"


@pytest.mark.parametrize("setting", ["client_idle_timeout", "idle_session_timeout"])
def test_who_keeps_its_server_and_is_never_idle_for_long_lives(database, setting):
    database.configure(pool_mode="session", **({setting: "1"} if setting.startswith("client") else {}))
    wire, idle = database.wire(), database.wire()
    if setting == "idle_session_timeout":
        for client in wire, idle:
            client.query("set idle_session_timeout = 1000")
    idle.query("select 1")
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert wire.value("select pg_sleep(0.05)") == ""
    assert error_of(idle.until_closed())["C"] == "57P05"
