"""Clients know what PostgreSQL reports, also what a reload has changed while they were idle."""

import contextlib

import pytest

from waiting import wait_until


@contextlib.contextmanager
def altered(cluster, setting):
    """What sets a setting in the configuration, and has all processes read it."""
    def change(value):
        cluster.sql(f"alter system set {setting} = '{value}'")
        cluster.reload()

    yield change
    cluster.sql(f"alter system reset {setting}")
    cluster.reload()


@pytest.fixture
def reload(places):
    with altered(places[0].cluster, "intervalstyle") as change:
        yield change


def told(wire, sql="select 1"):
    """The values of IntervalStyle that a client is told with the answer to a statement."""
    pairs = [frame.body[:-1].split(b"\0") for frame in wire.query(sql) if frame.kind == "S"]
    return [value.decode() for name, value in pairs if name == b"IntervalStyle"]


def hears(wire, value):
    """With the first answer after its backend has heard of the reload, and once."""
    answers = []
    wait_until(lambda: answers.extend(told(wire)) or answers, f"{value} is told")
    assert answers == [value]
    assert told(wire) == told(wire) == []


def test_each_client_is_told_of_a_reload_with_its_next_answer(place, reload):
    role = place.new_role()
    plain = [place.wire(role) for _ in range(6)]
    named = place.wire(role, application_name="another")
    own = [place.wire(role, IntervalStyle="postgres_verbose"), place.wire(role)]
    own[1].query("set intervalstyle = 'postgres_verbose'")
    for wire in [*plain[1:], named, *own]:
        wire.query("select 1")
    for value in ("sql_standard", "iso_8601", "sql_standard"):
        reload(value)
        for wire in [*plain, named]:
            hears(wire, value)
            assert wire.value("show intervalstyle") == value
        for wire in own:
            assert told(wire) == []
            assert wire.value("show intervalstyle") == "postgres_verbose"
        wait_until(lambda: place.wire(role).parameters["IntervalStyle"] == value, "new logins are told")
    assert told(own[1], "reset intervalstyle") == ["sql_standard"]


def test_a_client_in_a_transaction_is_told_before_its_end(place, reload):
    role = place.new_role()
    wires = [place.wire(role) for _ in range(3)]
    for wire in wires:
        wire.query("begin")
    reload("sql_standard")
    for wire in wires:
        hears(wire, "sql_standard")
        assert told(wire, "commit") == []
        assert told(wire) == []


def test_a_client_that_was_told_by_another_ones_login_is_told_of_the_next_reload(place, reload):
    role = place.new_role()
    first = place.wire(role)
    first.query("select 1")
    second = place.wire(role)
    reload("sql_standard")
    hears(second, "sql_standard")


@pytest.fixture
def encoding(places):
    with altered(places[0].cluster, "client_encoding") as change:
        yield change


def test_a_client_keeps_the_encoding_of_its_login(place, encoding):
    """PostgreSQL doesn't change it under a session, and a new backend has another default."""
    role = place.new_role()
    old = [place.wire(role) for _ in range(3)]
    for wire in old:
        wire.query("select 1")
    encoding("LATIN1")
    new = [place.wire(role) for _ in range(3)]
    own = place.wire(role, client_encoding="WIN1252")
    for _ in range(6):
        holders = [place.wire(role) for _ in range(2)]
        for wire in holders:
            wire.query("begin")
        for wire in [*old, *new, own]:
            answer = wire.query("select current_setting('client_encoding')")
            assert answer[1].values() == [wire.parameters["client_encoding"]]
            assert not [frame for frame in answer if frame.kind == "S"]
        for wire in holders:
            wire.close()
    for wire in [*old, *new]:
        wire.query("set client_encoding = 'WIN1252'; reset client_encoding")
        assert wire.value("show client_encoding") == wire.parameters["client_encoding"]
    assert {wire.parameters["client_encoding"] for wire in old} == {"UTF8"}
