"""
What a backend keeps beyond a client (plans, PL/pgSQL's compiled functions, expressions) was
made under one client's settings: another one's answers are its own. See stories.py.
"""

import pytest

from conftest import lent, make_database_cluster
from constants import PID
from database_host import PLACES, DatabaseHost
from stories import WAYS, Story, answer, called, plpgsql, prepare, prepared, run, server_of_all, stage, tell
from waiting import wait_until
from wire import bind, execute, function_call, kinds, parse

DATE = plpgsql("f()", "return to_char('01.02.2020'::date, 'YYYY-MM-DD');")
MDY, DMY = ("set datestyle = 'ISO, MDY'", "2020-01-02"), ("set datestyle = 'ISO, DMY'", "2020-02-01")
TABLES = "create table one.t (a int); create table two.t (a text)"
TYPE = plpgsql("public.f()", "return pg_typeof(v);", "v t.a%type;")
ONE, TWO = ("set search_path = one, public", "integer"), ("set search_path = two, public", "text")
CONTEXT = plpgsql("f()", "get diagnostics at = pg_context; return split_part(at, ' line', 1);", "at text;")
CONFLICT = plpgsql("f()", "return (select n from t);", "n int := 5;")
TENANT = plpgsql("tenant()", "return current_setting('app.tenant');", options="immutable")
SECURED = ("create table t as select 1 as n; grant select on t to public; alter table t enable row level security; "
           "create policy all_rows on t using (n > 0)")
# in each schema one of the same name, which says where a row belongs
KEYS = ["create function one.helper(int) returns int immutable language sql as 'select -$1'",
        "create function two.helper(int) returns int immutable language sql as 'select $1'",
        "set search_path = two, public",
        "create function public.key(int) returns int immutable language sql as 'select helper($1)'"]


@pytest.fixture(scope="module")
def single_cluster(environment, template):
    """Pools of one server, so that all clients of a role get the same backend."""
    cluster = make_database_cluster(environment, template, pool_mode="transaction", default_pool_size=1)
    yield cluster
    cluster.remove()


@pytest.fixture
def pooled(single_cluster):
    yield from lent(DatabaseHost(single_cluster))


@pytest.fixture(params=PLACES)
def place(request, single_cluster):
    """Directly, and through Carpool."""
    yield from lent(PLACES[request.param](single_cluster))


FUNCTIONS = {
    "dates": Story([DATE], called("select f()", MDY, DMY)),
    "time zone": Story(
        [plpgsql("f()", "return extract(epoch from '2026-12-25 00:00'::timestamptz)::bigint;")],
        called("select f()", ("set timezone = 'UTC'", "1798156800"), ("set timezone = 'Asia/Tokyo'", "1798124400"))),
    "types of variables": Story([TABLES, ONE[0], TYPE], called("select f()", ONE, TWO)),
    "row types": Story(
        [TABLES, ONE[0], plpgsql("public.f()", "return pg_typeof(v.a);", "v t%rowtype;")],
        called("select f()", ONE, TWO)),
    "variable_conflict": Story(
        [plpgsql("g()", "return 1;"), "create table t as select 1 as n; grant select on t to public", CONFLICT,
         "grant set on parameter plpgsql.variable_conflict to {first}"],
        [(1, "select g()"), (2, "select g()"),
         *called("select f()", ("set plpgsql.variable_conflict = use_column", "1"),
                 ("set plpgsql.variable_conflict = error", "error 42702"))]),
    "names in CONTEXT": Story(
        [CONTEXT],
        called("select public.f()", ("set search_path = public", "PL/pgSQL function f()"),
               ("set search_path = ''", "PL/pgSQL function public.f()"))),
    "strings": Story(
        [plpgsql("f()", r"return length('a\\b');")],
        called("select f()", ("set standard_conforming_strings = off; set escape_string_warning = off", "3"),
               ("set standard_conforming_strings = on", "4"))),
    "expressions": Story(
        [plpgsql("f()", "return null = null;")],
        called("select f()", ("set transform_null_equals = off", None), ("set transform_null_equals = on", "true"))),
    "output that is folded": Story(
        [plpgsql("f()", r"return '\x4142ff'::bytea::text;")],
        called("select f()", ("set bytea_output = hex", r"\x4142ff"), ("set bytea_output = escape", r"AB\377"))),
    "row security": Story(
        [SECURED, plpgsql("f()", "return (select count(*) from t);")],
        called("select f()", ("set row_security = on", "1"), ("set row_security = off", "error 42501"))),
    "immutable functions": Story(
        [TENANT, plpgsql("f()", "return (select tenant());")],
        called("select f()", ("set app.tenant = 'A'", "A"), ("set app.tenant = 'B'", "B"))),
    "casts": Story(
        ["create type c as (a int)", *KEYS,
         "create function public.to_int(c) returns int language sql as 'select helper(($1).a)'",
         "create cast (c as int) with function to_int(c) as assignment",
         plpgsql("public.f()", "i := row(5)::c; return i;", "i int;")],
        called("select f()", ("set search_path = one, public", "-5"), ("set search_path = two, public", "5"))),
    "triggers": Story(
        ["create table t (a text, b text default '01.02.2020'); grant all on t to public",
         plpgsql("g()", "new.a := to_char('01.02.2020'::date, 'YYYY-MM-DD'); return new;", returns="trigger"),
         "create trigger g before insert on t for each row execute function g()"],
        called("insert into t values ('') returning a", MDY, DMY)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_compiled_for_their_caller(place, name):
    tell(place, FUNCTIONS[name], [place.role()])


def made_in(*steps):
    """C1 and C2 have equal settings; C1 has f compiled under others, for a while."""
    return [(1, TWO[0]), (2, TWO[0]), *((1, step) for step in steps), *[(2, "select f()", "text")] * 3]


SET_LOCAL = {
    "committed": ["begin", "set local search_path = one, public", "select f()", "commit"],
    "rolled back": ["begin", "set local search_path = one, public", "select f()", "rollback"],
    "to a savepoint": ["begin", "savepoint s", "set local search_path = one, public", "select f()",
                        "rollback to s", "commit"],
    "set and put back": ["begin", "set search_path = one, public", "select f()", "rollback"],
    "in one transaction": ["set search_path = one, public; select f(); set search_path = two, public"],
    "in one message": ["set local search_path = one, public; select f()"],
    "while it is created": ["begin", "set local search_path = one, public",
                             TYPE.replace("create", "create or replace", 1), "commit"],
    "set, used, and set again": ["set search_path = one, public", "select f()", "set search_path = two, public"],
}


@pytest.mark.parametrize("name", SET_LOCAL)
def test_what_is_set_for_a_while_stays_with_that_while(place, name):
    own = ["create schema own authorization {first}"]
    before = [TABLES, ONE[0], TYPE, "alter function public.f() owner to {first}", *own]
    tell(place, Story(before, made_in(*SET_LOCAL[name])), [place.role()])


def test_what_is_compiled_without_a_statement(place):
    """A function call of the protocol has nothing analysed, nor does this function."""
    body = plpgsql("public.f()", "get diagnostics at = pg_context; return at;", "at text;")
    first, second = stage(place, [body], [place.role()])[0]
    oid = int(answer(first, "select 'f()'::regprocedure::oid"))
    answer(first, parse("commit", "c"))
    answer(first, "begin")
    answer(first, "set local search_path = one")
    assert kinds(first.send(function_call(oid)).until_ready()) == "VZ"
    answer(first, bind(name="c") + execute())
    assert "function f()" in answer(second, "select f()")


INNER = {
    "dates": Story(
        [DATE.replace("f()", "g()"), plpgsql("f()", "return g();", options="set datestyle = 'ISO, DMY'")],
        [(1, "select f()", "2020-02-01"), *[(2, "select g()", "2020-01-02")] * 3]),
    "search path": Story(
        [TABLES, ONE[0], TYPE.replace("f()", "g()"),
         plpgsql("public.f()", "return g();", options="set search_path = one, public")],
        [(1, TWO[0]), (2, TWO[0]), (1, "select f()", "integer"), *[(2, "select g()", "text")] * 3]),
    "in an exception": Story(
        [TABLES, ONE[0], TYPE.replace("f()", "g()"),
         plpgsql("public.f()", "perform g(); raise exception 'x';", options="set search_path = one, public")],
        [(1, TWO[0]), (2, TWO[0]), (1, "select f()", "error P0001"), *[(2, "select g()", "text")] * 3]),
    "as its owner": Story(
        ["create schema {first}; create schema {owner}; grant usage on schema {first}, {owner} to public",
         "create table {first}.t (a text); create table {owner}.t (a int)",
         "set search_path = one, public", TABLES, TYPE.replace("f()", "g()"),
         plpgsql("public.f()", "return g();", options="security definer"),
         "alter function public.f() owner to {owner}"],
        [(1, "select f()", "integer"), *[(2, "select g()", "text")] * 3]),
    "set_config": Story(
        [TABLES, ONE[0], TYPE.replace("f()", "g()"),
         plpgsql("public.f()", "perform set_config('search_path', 'one, public', true); return g();")],
        [(1, TWO[0]), (2, TWO[0]), (1, "select f()", "integer"), *[(2, "select g()", "text")] * 3]),
}


@pytest.mark.parametrize("name", INNER)
def test_what_a_function_sets_stays_in_it(place, name):
    """C2 calls directly what a function with settings, or another owner, has called for C1."""
    tell(place, INNER[name], [place.role()])


PREPARED = {
    "bytea": (r"select '\x4142ff'::bytea::text", ("set bytea_output = hex", r"\x4142ff"),
              ("set bytea_output = escape", r"AB\377")),
    "float8": ("select (0.1::float8 + 0.2::float8)::text", ("set extra_float_digits = 1", "0.30000000000000004"),
               ("set extra_float_digits = 0", "0.3")),
    "quote_ident": ("select quote_ident('abc')", ("set quote_all_identifiers = off", "abc"),
                    ("set quote_all_identifiers = on", '"abc"')),
    "null = null": ("select null = null", ("set transform_null_equals = off", None),
                    ("set transform_null_equals = on", "t")),
    "dates": ("select '01.02.2020'::date::text", MDY, DMY),
    "intervals": ("select '1 2:03'::interval::text", ("set intervalstyle = postgres", "1 day 02:03:00"),
                  ("set intervalstyle = iso_8601", "P1DT2H3M")),
    "arrays": ("select ('{null}'::text[])[1] is null", ("set array_nulls = on", "t"),
               ("set array_nulls = off", "f")),
    "time zone": ("select extract(epoch from '2026-12-25 00:00'::timestamptz)::bigint",
                  ("set timezone = 'UTC'", "1798156800"), ("set timezone = 'Asia/Tokyo'", "1798124400")),
    "immutable functions": ("select tenant()", ("set app.tenant = 'A'", "A"), ("set app.tenant = 'B'", "B")),
    "strings": (r"select length('a\\b')",
                ("set standard_conforming_strings = off; set escape_string_warning = off", "3"),
                ("set standard_conforming_strings = on", "4")),
}


@pytest.mark.parametrize("way", [*WAYS, "unnamed"])
@pytest.mark.parametrize("name", PREPARED)
def test_statements_are_prepared_for_their_client(place, name, way):
    tell(place, Story([TENANT], prepared(way, *PREPARED[name])), [place.role()])


@pytest.mark.parametrize("way", WAYS)
def test_xml_is_read_as_its_client_says(place, way):
    sql = "select '<a/><b/>'::xml::text"
    steps = [(1, "set xmloption = content"), (2, "set xmloption = document")]
    if place.cluster.sql("select 1 from pg_config where name = 'CONFIGURE' and setting ~ 'with-libxml'"):
        steps += [(1, prepare(way, sql)), *[(1, run(way), "<a/><b/>")] * 7, (2, prepare(way, sql), "error 2200M"),
                  (1, run(way), "<a/><b/>")]
    else:
        # a server that knows no XML says so to both, in turns
        steps += [(1, prepare(way, sql), "error 0A000"), (2, prepare(way, sql), "error 0A000")] * 3
    tell(place, Story([], steps), [place.role()])


@pytest.mark.parametrize("way", WAYS)
def test_row_security_is_checked_in_statements(place, way):
    sql = "select count(*) from t"
    steps = [(1, prepare(way, sql)), *[(1, run(way), "1")] * 7, (2, prepare(way, sql)), (2, run(way), "1"),
             (2, "set row_security = off"), (2, run(way), "error 42501"), (1, run(way), "1")]
    tell(place, Story([SECURED], steps), [place.role()])

DATES = "select '01.02.2020'::date::text"
FOR_A_WHILE = {
    "set local": ["begin", "set local datestyle = 'ISO, DMY'", DATES, "commit"],
    "set and reset": ["begin", "set datestyle = 'ISO, DMY'", DATES, "reset datestyle", "commit"],
    "a savepoint": ["begin", "savepoint s", "set datestyle = 'ISO, DMY'", DATES, "rollback to s", "commit"],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FOR_A_WHILE)
def test_statements_prepared_under_settings_for_a_while(place, name, way):
    steps = [(1, prepare(way, step) if step is DATES else step) for step in FOR_A_WHILE[name]]
    steps += [(2, prepare(way, DATES)), *[(2, run(way), "2020-01-02")] * 7]
    tell(place, Story([], steps), [place.role()])


@pytest.mark.parametrize("way", WAYS)
def test_strings_stay_as_they_were_read(place, way):
    sql = r"select length('a\\b')"
    steps = [(1, "begin"), (1, "set local escape_string_warning = off; set local standard_conforming_strings = off"),
             (1, prepare(way, sql)), (1, "commit"),
             (2, prepare(way, sql)), *[(2, run(way), "4")] * 7, *[(1, run(way), "3"), (2, run(way), "4")] * 3]
    tell(place, Story([], steps), [place.role()])


def test_a_text_is_read_before_any_of_it_runs(place):
    off = "set escape_string_warning = off; set standard_conforming_strings = off"
    both = rf"{off}; prepare p as select length('a\\b')"
    steps = [(1, both), (2, off), (2, both), *[(1, "execute p", "4"), (2, "execute p", "3")] * 3]
    tell(place, Story([], steps), [place.role()])


NOW = {
    "an array": "select ('{now}'::timestamptz[])[1]", "a range": "select lower('[now,)'::tstzrange)",
    "plain": "select 'now'::timestamptz", "dollars": "select $$now$$::timestamptz",
    "escapes": r"select E'\x6eow'::timestamptz", "unicode": r"select U&'\006eow'::timestamptz",
    "broken lines": "select 'n'\n'ow'::timestamptz", "typed": "select timestamptz 'NOW'",
    "inside": "select max(x) from (values ('now'::timestamptz)) v(x) where exists (select 1)",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NOW)
def test_now_is_when_its_client_prepared(place, name, way):
    first, second = stage(place, [], [place.role()])[0]
    times = []
    for wire in (first, second):
        answer(wire, "begin")
        times.append(answer(wire, "select now()"))
        assert not answer(wire, prepare(way, NOW[name]))
        answer(wire, "commit")
        assert [answer(wire, run(way)) for _ in range(7)] == times[-1:] * 7
    # a statement that its client comes back to may be prepared anew; it is never the other one's
    assert answer(first, run(way)) != times[1] > times[0]
    assert answer(second, run(way)) >= times[1]


PARTITIONS = [
    *KEYS, "create table public.t (a int) partition by range (key(a))",
    "create table public.low partition of t for values from (minvalue) to (0)",
    "create table public.high partition of t for values from (0) to (maxvalue)",
    "grant all on t, low, high to public",
]


EXPRESSIONS = {
    "partition keys": Story(
        PARTITIONS,
        called("insert into t values (5) returning tableoid::regclass",
               ("set search_path = one, public", "low"), ("set search_path = two, public", "high"))),
    "index expressions": Story(
        [*KEYS, "create table public.t (a int); grant all on t to public",
         "create unique index on t (abs(key(a) + 5))"],
        [(1, "set search_path = one, public"), (2, "set search_path = two, public"), (1, "insert into t values (1)"),
         (2, "insert into t values (1)"), (2, "insert into t values (1)", "error 23505")]),
    "index predicates": Story(
        [*KEYS, "create table public.t (a int); grant all on t to public",
         "create unique index on t ((1)) where key(a) > 0"],
        [(1, "set search_path = one, public"), (2, "set search_path = two, public"), (1, "insert into t values (5)"),
         (2, "insert into t values (5)"), (2, "insert into t values (6)", "error 23505"),
         (2, "insert into t values (-6)")]),
    "checks of domains": Story(
        [*KEYS, "create domain public.d as int check (key(value) > 0)"],
        called("select 5::d", ("set search_path = one, public", "error 23514"),
               ("set search_path = two, public", "5"))),
    "checks of domains in functions": Story(
        [*KEYS, "create domain public.d as int check (key(value) > 0)",
         plpgsql("public.f(a int)", "return a;", returns="d")],
        called("select f(5)", ("set search_path = one, public", "error 23514"),
               ("set search_path = two, public", "5"))),
    # by a plan that no statement and no function of PL/pgSQL has
    "checks of foreign keys": Story(
        ["create type mine as (a int)",
         plpgsql("shift()", "return current_setting('app.shift');", options="immutable", returns="int"),
         "create function to_int(mine) returns int immutable language sql as 'select ($1).a + shift()'",
         "create cast (mine as int) with function to_int(mine) as implicit",
         "create table keys as select 5 as id; alter table keys add primary key (id)",
         "create table t (a mine references keys); grant all on t to public"],
        called("insert into t values (row(5)) returning (a).a",
               ("set app.shift = 0", "5"), ("set app.shift = 1", "error 23503"))),
}


TENANTS = ("set app.tenant = 'A'", "set app.tenant = 'B'")
FOLDED = {
    "checks of domains": Story(
        [TENANT, "create domain d as text check (value = tenant())"],
        [*((who, setting) for who, setting in enumerate(TENANTS, 1)),
         *[(1, "select 'A'::d", "A"), (2, "select 'B'::d", "B"), (2, "select 'A'::d", "error 23514")] * 3]),
    "checks of domains in functions": Story(
        [TENANT, "create domain d as text check (value = tenant())",
         plpgsql("f(a text)", "v := a; return v;", "v d;")],
        [*((who, setting) for who, setting in enumerate(TENANTS, 1)),
         *[(1, "select f('A')", "A"), (2, "select f('B')", "B"), (2, "select f('A')", "error 23514")] * 3]),
    "index expressions": Story(
        [TENANT, TENANTS[0], "create table t (a text); grant all on t to public",
         "create unique index on t ((a || tenant()))"],
        [*((who, setting) for who, setting in enumerate(TENANTS, 1)), (1, "insert into t values ('x')"),
         (2, "insert into t values ('x')"), (1, "insert into t values ('x')", "error 23505"),
         (2, "insert into t values ('x')", "error 23505")]),
    "partition keys": Story(
        [TENANT, TENANTS[0], "create table t (a text) partition by list ((a || tenant()))",
         "create table a partition of t for values in ('xA'); create table b partition of t for values in ('xB')",
         "grant all on t, a, b to public"],
        called("insert into t values ('x') returning tableoid::regclass", (TENANTS[0], "a"), (TENANTS[1], "b"))),
}


@pytest.mark.parametrize("name", FOLDED)
def test_immutable_functions_in_expressions_are_run_for_their_user(place, name):
    """What they read is no setting of PostgreSQL's, so nothing else tells the clients apart."""
    tell(place, FOLDED[name], [place.role()])


AS_ANOTHER = {
    "set local": ["begin", "set local role {owner}", "select f()", "commit"],
    "rolled back": ["begin", "set role {owner}", "select f()", "rollback"],
    "and back in one message": ["set role {owner}; select f(); reset role"],
    "and back": ["set role {owner}", "select f()", "reset role"],
    "stays": ["set role {owner}", "select f()"],
}


@pytest.mark.parametrize("name", AS_ANOTHER)
def test_what_is_made_in_a_role_that_was_set(place, name):
    before = ["create schema {first}; create schema {owner}; grant usage on schema {first}, {owner} to public",
              "create table {first}.t (a text); create table {owner}.t (a int); grant {owner} to {first}",
              "set search_path = {owner}, public", TYPE]
    steps = [*((1, step) for step in AS_ANOTHER[name]), *[(2, "select f()", "text")] * 3]
    tell(place, Story(before, steps), [place.role()])


@pytest.mark.parametrize("way", ["startup", "options", "alter role", "alter database", "postgresql.conf"])
def test_settings_of_the_login_are_an_environment(place, way):
    cluster, role = place.cluster, place.role()
    [first] = stage(place, [DATE], [role], clients=1)[0]
    dbname = answer(first, "select current_database()")
    assert answer(first, "select f()") == MDY[1]
    startup = {"startup": {"datestyle": "ISO, DMY"}, "options": {"options": "-c datestyle=ISO,DMY"}}.get(way, {})
    if way.startswith("alter"):
        cluster.sql(f"{way} {role.name if way == 'alter role' else dbname} set datestyle = 'ISO, DMY'")
    if way == "postgresql.conf":
        cluster.sql("alter system set datestyle = 'ISO, DMY'")
        cluster.reload()
    try:
        second = place.wire(role, dbname=dbname, **startup)
        for _ in range(3):
            assert answer(second, "select f()") == DMY[1]
            if way != "postgresql.conf":
                assert answer(first, "select f()") == MDY[1]
    finally:
        cluster.sql("alter system reset datestyle")
        cluster.reload()


def test_what_was_made_before_a_reload(place):
    cluster = place.cluster
    first, second = stage(place, [DATE], [place.role()])[0]

    def wait_for(style):
        cluster.reload()
        wait_until(lambda: answer(first, "show datestyle") == style, style)

    answer(first, "select 1")
    try:
        cluster.sql("alter system set datestyle = 'ISO, DMY'")
        wait_for("ISO, DMY")
        assert answer(first, "select f()") == DMY[1]
    finally:
        cluster.sql("alter system reset datestyle")
        wait_for("ISO, MDY")
    assert answer(second, "select f()") == MDY[1]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_functions_in_expressions_are_found_for_their_user(place, name):
    tell(place, EXPRESSIONS[name], [place.role()])


# A default operator class is kept with its type, and its function's body with that.
CLASS = [
    "create table one.t (a int); create table two.other (a int)", "create type public.c as (a int)",
    "set search_path = one, public",
    plpgsql("public.compare(c, c)", "v := ($1).a - ($2).a; return v;", "v t.a%type;", "immutable", "int"),
    "create operator class public.c_ops default for type c using btree as function 1 compare(c, c)",
]
LESS = "select array[row({})::public.c] < array[row(2)::public.c]"
CAUGHT = f"do $$ begin perform {LESS.format(1)[7:]}; exception when others then null; end $$"
FAILED = "error 42601"
COMPARE = {
    "two transactions": [(2, LESS.format(1), FAILED)] * 3,
    "one transaction": [(2, "begin"), (2, CAUGHT), (2, CAUGHT), (2, LESS.format(1), FAILED), (2, "rollback")],
    "savepoints": [(2, "begin"), (2, "savepoint s"), (2, LESS.format(1), FAILED), (2, "rollback to s"),
                   (2, LESS.format(1), FAILED), (2, "rollback")],
    "after others": [(2, LESS.format(1), FAILED), (1, "select 1"), (2, LESS.format(1), FAILED)],
}


@pytest.mark.parametrize("name", COMPARE)
def test_a_function_that_does_not_compile_is_not_run(place, name):
    """Its struct is pointed to by the type's entry, whoever it was compiled for."""
    mark = place.cluster.log.mark()
    steps = [(1, ONE[0]), (2, "set search_path = two"),
             *[(1, LESS.format(1), "t"), (1, LESS.format(3), "f")] * 3, *COMPARE[name],
             (1, LESS.format(1), "t"), (1, LESS.format(3), "f"), (2, LESS.format(1), FAILED), (1, LESS.format(1), "t")]
    tell(place, Story(CLASS, steps), [place.role()])
    assert "was terminated by signal" not in place.cluster.log.text(mark)


COUNT = "select coalesce(sum(generic_plans + custom_plans), 0) from pg_prepared_statements"
STAMP = plpgsql("f()", "return 'now'::timestamptz;")
CHANGES = ["select 1", "set work_mem = '7MB'", "begin; set local datestyle = 'ISO, DMY'; select 1; commit",
           "set app.tenant = 'A'"]


@pytest.mark.parametrize("idle", [False, True], ids=["alone", "before an idle one"])
@pytest.mark.parametrize("change", CHANGES)
def test_who_had_the_backend_last_keeps_all(place, change, idle):
    [first] = stage(place, [STAMP], [place.role()], clients=1)[0]
    if idle:
        place.wire(place.role(), dbname=answer(first, "select current_database()"))
    answer(first, "prepare p as select 1")
    stamp, other = answer(first, "select f()"), answer(first, "select now()")
    for number in range(1, 9):
        answer(first, change)
        answer(first, "execute p")
        assert answer(first, COUNT) == str(number)
        assert answer(first, "select f()") == stamp != answer(first, "select now()") != other


def test_clients_of_an_equal_environment_share(pooled):
    first, second = stage(pooled, [STAMP], [pooled.role()])[0]
    for wire in (first, second):
        wire.query("set datestyle = 'ISO, DMY'; set application_name = 'any'; set statement_timeout = '50s'")
    second.query("set application_name = 'other'; set statement_timeout = '40s'; set my.own = 'x'")
    stamp = answer(first, "select f()")
    for _ in range(3):
        assert answer(second, "select f()") == answer(first, "select f()") == stamp
    second.query("set datestyle = 'ISO, MDY'")
    answer(first, "select 1")
    assert answer(second, "select f()") != stamp


def test_own_statements_keep_their_plans_beside_other_environments(pooled):
    first, second = stage(pooled, [], [pooled.role()])[0]
    second.query("set datestyle = 'ISO, DMY'")
    for wire in (first, second):
        wire.query("prepare p as select 1")
    for number in range(1, 9):
        for wire in (first, second):
            assert answer(wire, "execute p") == "1"
            assert answer(wire, COUNT) == str(number)


MANY = 300
ENVIRONMENTS = [f"set datestyle = 'ISO, {order}'; set timezone = '{zone}'" for order in ("MDY", "DMY")
                for zone in ("UTC", "Asia/Tokyo")]
MEMORY = "select sum(total_bytes) from pg_backend_memory_contexts"


@pytest.mark.deadline(180)
def test_memory_does_not_grow_with_switches(pooled):
    body = "return to_char('01.02.2020'::timestamptz, 'YYYY-MM-DD') || current_setting('timezone');"
    functions = [plpgsql(f"f{number}()", body) for number in range(MANY)]
    role = pooled.role()
    functions.append(f"grant pg_read_all_stats to {role.name}")
    wires = stage(pooled, functions, [role], clients=len(ENVIRONMENTS))[0]
    for wire, settings in zip(wires, ENVIRONMENTS):
        wire.query(settings)
    right = ["2020-01-02UTC", "2020-01-02Asia/Tokyo", "2020-02-01UTC", "2020-02-01Asia/Tokyo"]
    all_of_them = "select " + ", ".join(f"f{number}()" for number in range(MANY))
    sizes = []
    for _ in range(60):
        for wire, value in zip(wires, right):
            assert wire.rows(all_of_them) == [[value] * MANY]
        sizes.append(int(answer(wires[0], MEMORY)))
    server_of_all(pooled, wires)
    assert max(sizes[20:]) < sizes[10] * 1.02, sizes


def test_the_self_test_tells_of_caches(pooled):
    cluster = pooled.cluster
    cluster.sql("create extension if not exists pg_carpool")
    assert cluster.sql("select works, why from carpool.self_test() where mechanism = 'caches'") == [(True, None)]


def test_without_caches_that_work_each_client_has_a_server_of_its_own(fresh_cluster):
    cluster = fresh_cluster(pool_mode="transaction", default_pool_size=4, test_breaks="caches")
    cluster.sql("create extension pg_carpool")
    mark, host = cluster.log.mark(), DatabaseHost(cluster)
    cluster.sql(DATE, dbname=host.database)
    wires = [host.wire(host.role()) for _ in range(2)]
    pids = [wire.value(PID) for wire in wires]
    for wire, (setting, _) in zip(wires, (MDY, DMY)):
        wire.query(setting)
    for _ in range(3):
        assert [answer(wire, "select f()") for wire in wires] == [MDY[1], DMY[1]]
        assert [wire.value(PID) for wire in wires] == pids
    assert len(set(pids)) == 2
    failed = "select mechanism from carpool.self_test() where not works and why <> ''"
    assert cluster.sql(failed) == [("caches",)]
    assert "carpool.self_test()" in cluster.log.text(mark)
    wires[0].close()
    wait_until(lambda: not cluster.sql("select 1 from pg_stat_activity where pid = %s", int(pids[0])), "its end")


OWN_OBJECTS = {
    "in one transaction": ["begin", "create temp table t (a int)", "select f()", "drop table t", "commit"],
    "on commit drop": ["begin", "create temp table t (a int) on commit drop", "select f()", "commit"],
    "rolled back": ["begin", "create temp table t (a int)", "select f()", "rollback"],
    "for a while": ["create temp table t (a int)", "select f()", "drop table t"],
    "another type": ["begin", "create type pg_temp.c as enum ('1')", "create temp table t (a c)", "select f()",
                     "rollback"],
    "none that is temporary": ["begin", "drop table two.t", "create table two.t (a int)", "select f()", "rollback"],
    "a type that never was": ["begin", "drop table two.t", "create domain two.c as int",
                              "create table two.t (a two.c)", "select f()", "rollback"],
    "a savepoint": ["begin", "savepoint s", "drop table two.t", "create table two.t (a int)", "select f()",
                    "rollback to s", "commit"],
    "discarded": ["create temp table t (a int)", "select f()", "discard temp"],
}


@pytest.mark.parametrize("name", OWN_OBJECTS)
def test_what_a_transaction_had_for_itself_goes_with_it(place, name):
    before = [TABLES, "alter table two.t owner to {first}", ONE[0]]
    steps = [(1, TWO[0]), (2, TWO[0]), *((1, step) for step in OWN_OBJECTS[name]), *[(2, "select f()", "text")] * 3]
    tell(place, Story([*before, TYPE], steps), [place.role()])


def test_types_of_temporary_tables_go_with_their_client(place):
    first, second = stage(place, [TABLES, ONE[0], TYPE], [place.role()])[0]
    for wire in (first, second):
        answer(wire, TWO[0])
    answer(first, "create temp table t (a int)")
    assert answer(first, "select f()") == "integer"
    first.close()
    assert answer(second, "select f()") == "text"
