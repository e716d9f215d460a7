"""
What much session state costs: who has it pays for what changes, and others next to nothing. By
ratios within a test, as the machine may be busy.
"""

import time

import pytest

from wire import SYNC, parse


def taken(action, times=5):
    """Seconds of the fastest of some runs."""
    best = None
    for _ in range(times):
        start = time.monotonic()
        action()
        spent = time.monotonic() - start
        best = spent if best is None else min(best, spent)
    return best


def prepare(wire, first, count, size=500):
    """Prepares statements, each in a transaction of its own."""
    for i in range(first, first + count):
        wire.send(parse(f"select {i} /* {'x' * size} */", f"s{i}") + SYNC).until_ready()


def prepare_at_once(wire, count, size=1000):
    for i in range(count):
        wire.send(parse(f"select {i} /* {'x' * size} */", f"s{i}"))
    wire.send(SYNC).until_ready()


def test_a_statement_more_costs_what_the_first_did(database):
    database.configure(pool_mode="transaction")
    wire = database.wire()
    first = min(taken(lambda at=at: prepare(wire, at, 100), 1) for at in range(0, 500, 100))
    prepare(wire, 500, 3000)
    last = min(taken(lambda at=at: prepare(wire, at, 100), 1) for at in range(3500, 4000, 100))
    # 8 times as much is written where all of them are, each time
    assert last < 3 * first


def test_a_sequence_s_value_does_not_write_the_statements(database):
    database.configure(pool_mode="transaction")
    database.cluster.sql("create sequence if not exists numbers", dbname=database.database)
    database.cluster.sql("grant usage on sequence numbers to public", dbname=database.database)

    def hundred(wire):
        for _ in range(100):
            wire.query("select nextval('numbers')")

    few, many = database.wire(), database.wire()
    prepare_at_once(many, 3000)
    few.query("select nextval('numbers')")
    many.query("select nextval('numbers')")
    pairs = [(taken(lambda: hundred(few), 1), taken(lambda: hundred(many), 1)) for _ in range(5)]
    assert min(b for _, b in pairs) < 3 * min(a for a, _ in pairs)


def test_statements_that_come_and_go_follow_their_client(rotating):
    """More is dropped than is there, so that the list of them is written anew now and then."""
    wire = rotating.wire()
    names = "select name, length(statement) from pg_prepared_statements order by 1"
    kept = []
    for i in range(300):
        wire.query(f"prepare p{i:03} as select {i} /* {'x' * 2000} */")
        kept.append(f"p{i:03}")
        if len(kept) > 5:
            wire.query(f"deallocate {kept.pop(0)}")
        if i % 50 == 0:
            assert [name for name, _ in wire.rows(names)] == kept
        # the same name again, with another text, in one transaction
        wire.query(f"deallocate {kept[-1]}; prepare {kept[-1]} as select {i} + 1 as again")
        assert wire.value(f"execute {kept[-1]}") == str(i + 1)
    assert [name for name, _ in wire.rows(names)] == kept
    wire.query("deallocate all")
    for _ in range(5):
        assert wire.rows(names) == []


@pytest.mark.parametrize("count", [3, 1500])
def test_statements_of_two_clients_with_equal_names(rotating, count):
    """Also where the backends keep fewer plans than there are."""
    a, b = rotating.wire(), rotating.wire()
    for who, wire in (("a", a), ("b", b)):
        for i in range(count):
            wire.send(parse(f"select '{who}{i}'", f"s{i}"))
        wire.send(SYNC).until_ready()
    last = count - 1
    for i in range(0, last, max(1, count // 5)):
        a.query(f"deallocate s{i}")
        for who, wire in (("a", a), ("b", b)):
            assert wire.value(f"execute s{last}") == f"{who}{last}"
        b.query(f"deallocate s{i}; prepare s{i} as select 'again'")
        assert b.value(f"execute s{i}") == "again"
