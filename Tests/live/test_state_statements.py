"""Prepared statements of both kinds in transaction mode, as on a direct connection. See steps.py."""

import asyncio

import asyncpg
import psycopg
import pytest

from programs import pgbench
from steps import RECONNECT, Case, same_as_direct
from wire import SYNC, bind, close, describe, error_of, execute, kinds, parse

PREPARED = (
    "select name, statement, parameter_types::text, from_sql from pg_prepared_statements "
    "order by name"
)
DUPLICATE, UNKNOWN = "42P05", "26000"


def case(*steps, **extra):
    """The list of statements after each step of each client."""
    return Case([step for given in steps for step in (given, PREPARED)], watch=[PREPARED], **extra)


def protocol(function):
    """A step of messages whose text holds {me} and {n}."""
    return lambda client: function(client.fill)


def prepare(sql, name="s", types=()):
    return protocol(lambda fill: parse(fill(sql), name, types) + describe("S", name))


def run(*values, name="s", results=()):
    return protocol(lambda fill: bind([v and fill(v) for v in values], name=name, results=results)
                    + describe() + execute())


SQL = {
    "prepare, execute, deallocate": case(
        "prepare p as select {n}", "execute p", "execute p", "deallocate p", "execute p"),
    "equal names, other texts": case(
        "prepare p(int) as select $1 + 10{n}", "execute p(1)", "deallocate p",
        "prepare p(text) as select $1 || '{me}'", "execute p('x')", "execute p(2)"),
    "several": case(
        "prepare p as select '{me}'", "prepare q(int, text) as values ($1, $2)", "execute q({n}, 'x')",
        "execute p",
        "prepare \"Odd name\" as select 3", "execute \"Odd name\"", "deallocate q", "execute p",
        "deallocate all",
        "execute p"),
    "fewer, more and other ones": case(
        "prepare p as select {n}", "prepare q as select 'both'", "prepare {me} as select 'of one'", "execute q",
        "deallocate p", "prepare r as select {n}", "execute {me}", "deallocate q", "execute r", "deallocate all",
        "prepare q as select 'of one'", "execute q", "prepare p as select 'both'", "execute p"),
    "of a time of their own": case(
        "prepare p as select 'today'::date = current_date, {n}", "prepare q as select 'now'::text", "execute p",
        "execute q", "deallocate p", "prepare p as select 'today'::date > '2000-01-01'", "execute p"),
    "errors": case(
        "execute p", "prepare p as select 1", "prepare p as select 2", "deallocate q",
        "prepare r as select no_column",
        "prepare r as selec 1", "execute p(1)", "deallocate p", "deallocate p"),
    "in transactions": case(
        "begin", "prepare p as select {n}", "rollback", "execute p", "begin", "deallocate p", "rollback",
        "execute p",
        "begin", "prepare q as select {n}", "savepoint s", "prepare r as select 1", "rollback to s",
        "execute r",
        "commit", "execute r"),
    "in a failed one": case("begin; prepare p as select {n}; select 1/0", "execute p", "rollback",
                            "execute p"),
    "discarded": case(
        "prepare p as select {n}", "discard plans", "execute p", "discard sequences", "discard temp",
        "execute p",
        "discard all", "execute p", "prepare p as select 2", "execute p"),
    "left behind by a client": case("prepare p as select {n}", "execute p", RECONNECT, "execute p",
                                    "prepare p as select 4{n}", "execute p"),
    "changing data": case(
        "create table t_{me}(x int primary key, y text)",
        "prepare i as insert into t_{me} values ($1, $2) returning y",
        "execute i(1, 'a')", "execute i(1, 'a')", "prepare u as update t_{me} set y = y || '{n}'",
        "execute u",
        "execute u", "table t_{me}"),
    "plans": case(
        "create table t_{me} as select i as x from generate_series(1, 100) i", "create index on t_{me}(x)",
        "set plan_cache_mode = force_generic_plan", "prepare p(int) as select x from t_{me} where x = $1",
        "set enable_seqscan = off; set enable_bitmapscan = off", "explain (costs off) execute p({n})",
        "set plan_cache_mode = force_custom_plan", "explain (costs off) execute p({n})", "execute p({n})"),
    "create table as execute": case("prepare p as select {n} as x", "create table t_{me} as execute p",
                                    "table t_{me}"),
    "by the search_path": case(
        "create table t_{me}(x int)", "prepare p as select count(*) from t_{me}", "execute p",
        "set search_path = ''",
        "execute p", "create temp table t_{me}(y int, z int)", "set search_path = pg_temp", "execute p",
        "drop table pg_temp.t_{me}", "execute p", "reset search_path", "execute p", pins=True),
    "by the role": case(
        "create table t_{me}(x text)", "insert into t_{me} values ('ROLE'), ('ROLE_x')",
        "alter table t_{me} enable row level security", "alter table t_{me} force row level security",
        "create policy own on t_{me} using (x = replace(current_user, '{role}', 'ROLE'))",
        "grant select on t_{me} to {role}_x", "grant usage on schema {role} to {role}_x",
        "prepare p as select * from {role}.t_{me}", "execute p", "set role {role}_x", "execute p",
        "reset role",
        "execute p", before=["create role {role}_x", "grant {role}_x to {role}"],
        after=["drop owned by {role}_x", "drop role {role}_x"]),
    "many": case("do $$ begin for i in 1..150 loop execute format('prepare p%s as select %s + {n}', i, i); "
                 "end loop; end $$", "execute p77", "execute p150", "deallocate p77", "execute p77"),
    "long text": case("prepare p as select length('" + "x" * 50000 + "') + {n}", "execute p", "execute p"),
}

DDL = {
    "added column": case(
        "create table t_{me}(x int)", "prepare p as select * from t_{me}",
        "prepare q as select x from t_{me}",
        "execute p", "alter table t_{me} add column y int", "execute p", "execute q", "deallocate p",
        "execute p",
        "prepare p as select * from t_{me}", "execute p"),
    "other type": case(
        "create table t_{me}(x int)", "insert into t_{me} values ({n})", "prepare p as select x from t_{me}",
        "prepare q as select count(x) from t_{me}", "execute p", "alter table t_{me} alter x type text",
        "execute p", "execute q", "alter table t_{me} alter x type int using x::int", "execute p"),
    "dropped table": case(
        "create table t_{me}(x int)", "prepare p as select x from t_{me}", "execute p", "drop table t_{me}",
        "execute p",
        "create table t_{me}(x int)", "execute p", "drop table t_{me}", "create table t_{me}(x text)",
        "execute p"),
    "changed before the first run": case(
        "create table t_{me}(x int)", "prepare p as select * from t_{me}",
        "alter table t_{me} add column y int",
        "execute p"),
    "dropped function": case(
        "create function f_{me}() returns int language sql as 'select {n}'", "prepare p as select f_{me}()",
        "execute p",
        "create or replace function f_{me}() returns int language sql as 'select 7{n}'", "execute p",
        "drop function f_{me}()", "execute p"),
    "in a transaction that is rolled back": case(
        "create table t_{me}(x int)", "prepare p as select * from t_{me}", "begin",
        "alter table t_{me} add column y int",
        "execute p", "rollback", "execute p"),
    "of the protocol": case(
        "create table t_{me}(x int)", prepare("select * from t_{me}"), run(),
        "alter table t_{me} add column y int",
        run(), close("S", "s"), prepare("select * from t_{me}"), run(), "drop table t_{me}", run()),
}

PROTOCOL = {
    "parse, bind, execute": case(prepare("select $1::int + 10{n}"), run("1"), run("2"), close("S", "s"),
                                 run("3")),
    "equal names, other texts": case(prepare("select '{me}' || $1"), run("{n}"), close("S", "s"),
                                     prepare("select $1 + {n}"), run("1"), run("x"), run("1")),
    "described": case(prepare("select $1::int, $2::text, $3", types=(0, 0, 1082)), describe("S", "s"),
                      describe("S", "s"), run("1", "x", "2024-01-0{n}")),
    # the parameter becomes text in the end, and text can't be cast to unknown
    "inferred as unknown": case(
        prepare("select cast($1 as unknown)"), run("{n}"), prepare("select $1::unknown || '{me}', $2::int", "t"),
        run("x", "{n}", name="t"), prepare("select $1::unknown", "u", (705,)), run("y", name="u"),
        prepare("select cast($1 as unknown)", "w", (25,)), "prepare v as select $1::pg_catalog.unknown",
        "execute v('{n}')", run("z", name="t")),
    "unnamed, inferred as unknown": Case(
        [prepare("select $1::unknown, $2::int + {n}", ""), run("x", "1", name=""), describe("S", ""),
         run("y", "2", name="")], watch=[]),
    "binary results": case(prepare("select $1::int4"), run("{n}", results=(1,)), run("{n}", results=(0,)),
                           run(None)),
    "errors": case(prepare("select 1"), prepare("select 2"), run(name="other"), close("S", "other"),
                   prepare("select no_column", "r"), run(name="r"), run(), describe("S", "other")),
    "in transactions": case("begin", prepare("select {n}"), "rollback", run(), "begin", close("S", "s"),
                            "rollback",
                            run(), "begin", "select 1/0", run(), "rollback", prepare("select 4{n}"), run()),
    "of SQL": case("prepare s as select '{me}', $1::int", run("{n}"), describe("S", "s"),
                   prepare("select {n}", "t"), "execute t", "deallocate t", run(name="t"), close("S", "s"),
                   "execute s"),
    "discarded": case(prepare("select {n}"), "deallocate all", run(), prepare("select {n}"), "discard all",
                      run()),
    "utility statements": case(prepare("set work_mem = '{n}1MB'"), run(), "show work_mem", "reset all", run(),
                               "show work_mem", prepare("begin", "b"), prepare("commit", "c"), run(name="b"),
                               "select 1",
                               run(name="c"), run(name="c")),
    "unnamed": Case([prepare("select 10{n}", ""), run(name=""), run(name=""), prepare("select $1 || '{me}'",
        ""),
                     run("x", name=""), describe("S", ""), run("y", name=""), "select 1", run("y", name="")],
                    watch=["select 1", bind() + execute()]),
    "unnamed beside named": Case([prepare("select 10{n}", ""), prepare("select '{me}'"), run(name=""), run(),
                                  run(name=""),
                                  close("S", ""), run(name="")], watch=[run(name="")]),
    "unnamed that fails": Case(
        [prepare("select '{me}'", ""), prepare("select no_column", ""), run(name=""), prepare("selec", ""),
         prepare("select '{me}{n}'", ""), run("x", name=""), run(name=""), "select 1/0", run(name=""), prepare("select 1/{n}-1/0", ""), run(name=""), run(name="")],
        watch=[bind() + execute()]),
    "unnamed in pipelines": Case(
        [protocol(lambda fill: parse(fill("select {n}0")) + bind() + execute() + parse(fill("select '{me}'"))),
         run(name=""),
         protocol(lambda fill: bind() + execute() + parse(fill("select '{n}'")) + bind() + execute()),
         protocol(lambda fill: parse(fill("select '{me}{n}'"), "s") + bind() + execute()), run(name=""),
         protocol(lambda fill: parse(fill("select 2{n}")) + SYNC + bind() + execute() + SYNC + bind()),
         run(name=""),
         protocol(lambda fill: close("S", "") + bind() + execute()), run(name=""),
         protocol(lambda fill: parse(fill("select 3{n}")) + parse("selec", "t") + bind()), run(name="")],
        watch=[describe("S", "")]),
    "unnamed in transactions": Case(
        [prepare("begin", ""), run(name=""), prepare("select '{me}'", ""), run(name=""),
         prepare("rollback", ""), run(name=""), run(name=""), run("1", name=""),
         "begin", prepare("select 1{n} / $1::int", ""), run("0", name=""), run("1", name=""),
         prepare("rollback", ""), run(name=""), run(name=""), prepare("select '{me}'", ""), "begin",
         run(name=""), "rollback"],
        watch=[describe("S", "")]),
    "unnamed and tables": Case(
        ["create table t_{me}(x int)", prepare("insert into t_{me} values ({n}) returning *", ""),
         run(name=""), run(name=""), prepare("alter table t_{me} add y text", "a"), run(name="a"),
         run(name=""), prepare("select * from t_{me}", ""), run(name=""), run(name=""),
         prepare("drop table t_{me}", "d"), run(name="d"), run(name=""), describe("S", ""),
         prepare("create table t_{me}(x int, y text)", "c"), run(name="c"), run(name="")],
        watch=[describe("S", "")]),
    "unnamed with parameters": Case(
        [prepare("select $1, $2 + {n}", "", (25, 23)), run("{me}", "1", name=""), run("{me}", "2", name=""),
         prepare("select $1 || '{me}' as \"Odd\", null::numeric(10,2), array[{n}]", ""), run("x", name=""),
         describe("S", ""), prepare("values ('{me}' || $1), ('" + "long " * 400 + "')", ""),
         run("y", name=""), run("z", name=""), prepare("show work_mem", ""), run(name=""), run(name=""),
         prepare("", ""), run(name=""), run(name=""), RECONNECT, run(name="")],
        watch=[bind() + execute()]),
    "portals": case("select 1", protocol(lambda fill: parse(fill("select {n}")) + bind(portal="p")),
                    execute("p"), "begin",
                    protocol(lambda fill: parse(fill("select generate_series(1, {n}0)")) + bind(portal="p")),
                    execute("p", 4), execute("p", 4), "commit", execute("p", 4)),
    "empty": case(prepare(""), run(), run(), prepare("", ""), run(name="")),
    "long name": case(prepare("select {n}", "s" * 300), run(name="s" * 300),
                      "prepare " + "p" * 80 + " as select 1",
                      "execute " + "p" * 80),
}

KINDS = {"sql": SQL, "ddl": DDL, "protocol": PROTOCOL}


@pytest.mark.parametrize("kind, name", [(kind, name) for kind, cases in KINDS.items() for name in cases])
def test_as_on_a_direct_connection(places, kind, name):
    same_as_direct(places, KINDS[kind][name])


def test_another_clients_ddl_reaches_an_unnamed_statement(place):
    role = place.role()
    user, changer, third = (place.wire(role) for _ in range(3))
    changer.query("create table t(x int)")
    for wire in (user, third):
        assert kinds(wire.send(parse("select * from t") + SYNC).until_ready()) == "1Z"
    changer.query("alter table t add column y int")
    for wire in (user, third):
        wire.send(bind() + execute() + SYNC)
        assert error_of(wire.until_ready())["M"] == "cached plan must not change result type"
    changer.query("drop table t")
    user.send(bind() + execute() + SYNC)
    assert error_of(user.until_ready())["C"] == "42P01"


def test_an_unnamed_statement_keeps_no_server(rotating):
    """It is carried, not kept where it is."""
    role = rotating.role()
    clients = [rotating.wire(role) for _ in range(20)]
    for me, client in enumerate(clients):
        client.send(parse(f"select {me}") + SYNC).until_ready()
    for _ in range(2):
        for me, client in enumerate(clients):
            frames = client.send(bind() + execute() + SYNC).until_ready()
            assert kinds(frames) == "2DCZ"
            assert frames[1].values() == [str(me)]


def test_an_unnamed_statement_goes_with_its_client(place):
    role = place.role()
    for me in range(4):
        with place.wire(role) as client:
            assert kinds(client.send(parse(f"select {me}") + SYNC).until_ready()) == "1Z"
    for _ in range(8):
        with place.wire(role) as client:
            assert error_of(client.send(describe("S", "") + SYNC).until_ready())["C"] == UNKNOWN


def test_another_clients_ddl_reaches_a_statement(place):
    """The DDL is someone else's; the plan is the client's, perhaps in another backend by now."""
    role = place.role()
    user, changer, third = (place.wire(role) for _ in range(3))
    changer.query("create table t(x int)")
    for wire in (user, third):
        wire.query("prepare p as select * from t; prepare q as select x from t; execute p; execute q")
    changer.query("alter table t add column y int")
    third.query("select 1")
    for wire in (user, third):
        assert error_of(wire.query("execute p"))["M"] == "cached plan must not change result type"
        assert wire.rows("execute q") == []
    changer.query("alter table t drop column y")
    assert [wire.rows("execute p") for wire in (user, third, user)] == [[], [], []]


def test_a_new_clients_statement_knows_the_table_as_it_is(place):
    """Equal name and text, prepared before and after the DDL by two clients: both are right."""
    role = place.role()
    early, changer = place.wire(role), place.wire(role)
    changer.query("create table t(x int)")
    message = parse("select * from t", "s") + describe("S", "s") + bind(name="s") + execute() + SYNC
    assert kinds(early.send(message).until_ready()) == "1tT2CZ"
    changer.query("alter table t add column y int")
    for _ in range(4):
        late = place.wire(role)
        assert kinds(late.send(message).until_ready()) == "1tT2CZ"
        early.send(bind(name="s") + execute() + SYNC)
        assert error_of(early.until_ready())["C"] == "0A000"
        late.send(bind(name="s") + execute() + SYNC)
        assert kinds(late.until_ready()) == "2CZ"


def test_a_new_clients_statement_finds_a_new_function_first(place):
    """Equal name and text; what another client made meanwhile hides what the first one found."""
    role = place.role()
    changer, late = place.wire(role), place.wire(role)
    changer.query("create function f(numeric) returns text language sql as $$ select 'numeric' $$")
    message = parse("select f(1)", "s") + bind(name="s") + execute() + SYNC
    for early in [place.wire(role) for _ in range(3)]:
        assert early.send(message).until_ready()[2].values() == ["numeric"]
        for _ in range(8):  # on one server after the other
            early.send(bind(name="s") + execute() + SYNC).until_ready()
            late.query("select 1")
    changer.query("create function f(int) returns text language sql as $$ select 'int' $$")
    assert late.send(message).until_ready()[2].values() == ["int"]
    for _ in range(8):
        late.send(bind(name="s") + execute() + SYNC)
        assert late.until_ready()[1].values() == ["int"]


def test_psycopg_prepares_at_once(place):
    role = place.role()
    clients = [place.connect(role, prepare_threshold=0) for _ in range(4)]
    for number in range(20):
        for me, client in enumerate(clients):
            assert client.execute("select %s::int + 1", [number]).fetchone() == (number + 1,)
            assert client.execute(f"select %s || 'client {me}'", ["x"]).fetchone() == (f"xclient {me}",)
    for me, client in enumerate(clients):
        rows = client.execute("select statement from pg_prepared_statements order by 1",
                              prepare=False).fetchall()
        assert [row[0] for row in rows] == [f"select $1 || 'client {me}'", "select $1::int + 1"]


def test_psycopg_drops_statements_it_no_longer_wants(place):
    role = place.role()
    client, other = (place.connect(role, prepare_threshold=0) for _ in range(2))
    client.prepared_max = 5
    for number in range(30):
        assert client.execute(f"select {number}").fetchone() == (number,)
        other.execute("select 1")
    count = client.execute("select count(*) from pg_prepared_statements", prepare=False).fetchone()[0]
    assert count <= 5


def test_psycopg_recovers_from_changed_tables(place):
    role = place.role()
    client, other = (place.connect(role, prepare_threshold=0) for _ in range(2))
    other.execute("create table t(x int)")
    assert client.execute("select * from t").fetchall() == []
    other.execute("alter table t add column y int")
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        client.execute("select * from t")
    client.execute("deallocate all")


async def with_asyncpg(place, count, work):
    """work(connection, number) for each of count connections at once."""
    arguments = place.arguments(place.role())
    arguments["database"] = arguments.pop("dbname")
    connections = [await asyncpg.connect(**arguments, timeout=20) for _ in range(count)]
    try:
        await asyncio.gather(*(work(connection, me) for me, connection in enumerate(connections)))
    finally:
        await asyncio.gather(*(connection.close(timeout=20) for connection in connections))


def test_asyncpg_and_its_statement_cache(place):
    async def work(connection, me):
        for number in range(40):
            assert await connection.fetchval("select $1::int + 1", number) == number + 1
            assert await connection.fetchval(f"select $1 || 'client {me}'", "x") == f"xclient {me}"
            rows = await connection.fetch("select i, $2::text as who from generate_series(1, $1) i", 3,
                                          str(me))
            assert [tuple(row) for row in rows] == [(n, str(me)) for n in (1, 2, 3)]

    asyncio.run(with_asyncpg(place, 12, work))


def test_asyncpg_statements_by_hand(place):
    async def work(connection, me):
        statement = await connection.prepare(f"select $1::text || '{me}'")
        for word in "abcdef":
            assert await statement.fetchval(word) == f"{word}{me}"
        async with connection.transaction():
            cursor = await connection.cursor(f"select i + {me} from generate_series(1, 100) i")
            rows = await cursor.fetch(50) + await cursor.fetch(100)
        assert [row[0] for row in rows] == [n + me for n in range(1, 101)]

    asyncio.run(with_asyncpg(place, 8, work))


@pytest.mark.deadline(120)
@pytest.mark.parametrize("protocol_of", ["prepared", "extended", "simple"])
def test_pgbench_with_200_clients_on_8_servers(rotating, protocol_of):
    role = rotating.new_role()
    rotating.configure_role(role, pool_size=8)
    made = pgbench(rotating, role, "-i", "-s", 1, "-q")
    assert made.status == 0, made.output
    bench = pgbench(rotating, role, "-M", protocol_of, "-S", "-c", 200, "-j", 2, "-t", 50).clean()
    assert bench.transactions == 10000
    assert len(rotating.servers(role)) <= 8
    assert pgbench(rotating, role, "-M", protocol_of, "-c", 20, "-t", 20).clean().transactions == 400
