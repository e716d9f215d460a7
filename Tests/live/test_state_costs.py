"""
What much session state costs: who has it pays for what changes, and others next to nothing. By
ratios within a test, as the machine may be busy.
"""

import time

import pytest

from versions import MAJOR, needs
from waiting import wait_until
from wire import SYNC, parse, query


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


def prepare_at_once(wire, count, size=1000, name="s"):
    for i in range(count):
        wire.send(parse(f"select {i} /* {'x' * size} */", f"{name}{i}"))
    wire.send(SYNC).until_ready()


def test_a_statement_more_costs_what_the_first_did(database):
    database.configure(pool_mode="transaction")
    wire = database.wire()
    first = min(taken(lambda at=at: prepare(wire, at, 10), 1) for at in range(0, 300, 10))
    prepare_at_once(wire, 4000, 500, "t")
    last = min(taken(lambda at=at: prepare(wire, at, 10), 1) for at in range(300, 600, 10))
    # 20 times as much is written where all of them are, each time
    assert last < 4 * first


def test_a_sequence_s_value_does_not_write_the_statements(database):
    database.configure(pool_mode="transaction")
    database.cluster.sql("create sequence if not exists numbers", dbname=database.database)
    database.cluster.sql("grant usage on sequence numbers to public", dbname=database.database)

    def some(wire):
        for _ in range(10):
            wire.query("select nextval('numbers')")

    few, many = database.wire(), database.wire()
    prepare_at_once(many, 3000)
    few.query("select nextval('numbers')")
    many.query("select nextval('numbers')")
    pairs = [(taken(lambda: some(few), 1), taken(lambda: some(many), 1)) for _ in range(40)]
    assert min(b for _, b in pairs) < 4 * min(a for a, _ in pairs)


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


# Custom settings

MANY = 20000
FEW = 200
# a client with more keeps its server on 15
SOME = 600 if MAJOR >= 16 else FEW
SET_MANY = "do $$ begin for i in 1..{count} loop perform set_config('my.s' || i, '{value}' || i, false); end loop; end $$"
# NULL: nobody has set it
LOOK = "select current_setting('my.s1', true), current_setting('my.s{count}', true), current_setting('my.own', true)"


def shared_backend(database):
    """Four clients on one backend, where agents look at nothing just to be sure."""
    database.configure(pool_mode="transaction", default_pool_size=1, test_checks_agents="off")
    role = database.new_role()
    return database.wire(role), database.wire(role), database.wire(role), database.wire(role)


@needs(16)
def test_many_settings_of_one_client_cost_another_next_to_nothing(database):
    big, neighbour, small, other = shared_backend(database)
    big.query(SET_MANY.format(count=MANY, value="v"))
    small.query("set my.own = 'x'")

    def turn(first, second):
        first.query("select 1")
        return taken(lambda: second.query("select 1"), 1)

    for _ in range(3):
        turn(big, neighbour), turn(neighbour, big), turn(small, other)
    usual = min(turn(small, other) for _ in range(20))
    # to take them away one by one is forty times as much, to make them anew a hundred times
    assert min(turn(big, neighbour) for _ in range(20)) < 6 * usual
    assert min(turn(neighbour, big) for _ in range(20)) < 12 * usual


@pytest.mark.parametrize(
    "count", [3, FEW, pytest.param(300, marks=needs(16)), pytest.param(3000, marks=needs(16))]
)
def test_settings_of_several_clients_are_each_one_s_own(rotating, count):
    """So many that they are put away as a whole, and more clients than are kept so."""
    look = LOOK.format(count=count)
    role = rotating.new_role()
    wires = [rotating.wire(role, options=f"-c my.own=own{i}") if i % 2 else rotating.wire(role) for i in range(7)]
    clean = rotating.wire(role)
    for i, wire in enumerate(wires):
        wire.query(SET_MANY.format(count=count, value=f"c{i} "))
    for turn in range(4):
        for i, wire in enumerate(wires):
            own = f"own{i}" if i % 2 else None
            assert wire.rows(look) == [[f"c{i} 1", f"c{i} {count}", own]]
            assert clean.rows(look) == [[None, None, None]]
            if turn == 1:
                wire.query(f"set my.s1 = 'c{i} 1'; set my.more{i} = 'more'; set work_mem = '1{i}MB'")
            if turn == 2:
                assert wire.rows("show work_mem") == [[f"1{i}MB"]]
                wire.query(f"reset my.more{i}; reset work_mem")
                assert wire.value(f"select current_setting('my.more{i}', true)") == ""
    assert rotating.wire(role).rows(look) == [[None, None, None]]


def test_a_library_that_takes_a_prefix_while_settings_are_put_away(rotating):
    """plpgsql's settings are its own from its first function on."""
    role = rotating.new_role()
    a, b = rotating.wire(role), rotating.wire(role)
    for _ in range(2):
        a.query("; ".join(f"set my.s{i} = 'v'" for i in range(SOME)))
        assert b.value("select current_setting('my.s1', true)") is None
    a.query("set plpgsql.extra_warnings = 'none'")
    b.query("do $$ begin end $$")
    for _ in range(3):
        assert a.value("show plpgsql.extra_warnings") == "none"
        assert a.value(f"show my.s{SOME - 1}") == "v"
        assert b.value("show plpgsql.extra_warnings") == "none"
        assert b.value("select current_setting('my.s1', true)") is None


def test_many_settings_through_a_reload(database):
    database.configure(pool_mode="transaction", default_pool_size=1)
    role = database.new_role()
    a, b = database.wire(role), database.wire(role)
    a.query(SET_MANY.format(count=SOME, value="v"))
    file = database.cluster.data / "postgresql.conf"
    text = file.read_text()
    for line in ("my.s7 = 'of the file'\n", ""):
        file.write_text(text + line)
        database.reload()
        for _ in range(3):
            assert b.value("select current_setting('my.s1', true)") is None
            assert a.rows("select current_setting('my.s7', true), current_setting('my.s8', true)") == [["v7", "v8"]]
    a.query("set work_mem = '5MB'")
    assert (b.value("show work_mem"), a.value("show work_mem")) == ("4MB", "5MB")


@pytest.mark.skipif(MAJOR >= 16, reason="they are carried")
def test_very_many_settings_keep_their_server_on_15(database):
    """For each that is made PostgreSQL sorts all."""
    database.configure(pool_mode="transaction", default_pool_size=1)
    database.cluster.sql("create extension if not exists pg_carpool")
    role = database.new_role()
    a, b = database.wire(role), database.wire(role)
    a.query(SET_MANY.format(count=FEW, value="v"))
    assert b.value("select current_setting('my.s1', true)") is None
    a.query(SET_MANY.format(count=300, value="v"))
    assert database.cluster.sql("select reasons::text from carpool.pins()") == [("{setting}",)]
    b.send(query("select current_setting('my.s1', true)"))
    assert a.value("show my.s300") == "v300"
    a.close()
    assert b.until_ready()[1].values() == [None]
    wait_until(lambda: not database.cluster.sql("select from carpool.pins()"), "the pin's end")
    database.cluster.sql("drop extension pg_carpool")
