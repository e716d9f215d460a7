"""
share_roles: what a backend keeps beyond a client was made by another role's: its names, its
rights and its secrets stay that role's. See stories.py.
"""

import os
import pwd

import pytest

from conftest import lent, make_database_cluster
from constants import PID
from database_host import PLACES, DatabaseHost, DirectHost
from stories import TIMES, WAYS, Story, answer, plpgsql, prepare, run, server_of_all, stage, tell

OWN = ["create schema {first} authorization {first}; create schema {second} authorization {second}"]
# the first role's helper, found before public's by that role only, accepts none but its own
SHADOWED = [
    *OWN, "create table public.seen (who text); grant all on public.seen to public",
    "create function public.helper(int) returns int immutable language sql as 'select $1'",
    plpgsql("{first}.helper(int)",
            "if current_user <> '{first}' then raise 'run as %', current_user; end if; return $1;",
            options="immutable", returns="int"),
    "grant usage on schema {first} to public",
    "create function public.key(int) returns int immutable language sql as 'select helper($1)'",
]
TABLE = "create table public.t (a int); alter table public.t owner to {second}"
INSERT, EXPLAIN, DENIED = "insert into t values (5) returning a", "explain select a from t", "error 42501"

SECRETS = [
    plpgsql("folded()", "return 'secret';", options="immutable"),
    "create function inlined() returns text language sql as $$ select 'secret'::text $$",
    "revoke execute on function folded(), inlined() from public",
    "grant execute on function folded(), inlined() to {first}",
    *(plpgsql(f"calls_{name}()", f"select {name}() into v; return v;", "v text;") for name in ("folded", "inlined")),
]


# The server's logins are its owner's, by peer; so are the tests' own.
RULES = "local all postgres peer map=owner\nlocal all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n"


@pytest.fixture(scope="module")
def sharing_cluster(environment, template):
    """All roles of a database share one server."""
    cluster = make_database_cluster(
        environment, template, pool_mode="transaction", default_pool_size=1, share_roles="on")
    users = {environment.server_user, pwd.getpwuid(os.getuid()).pw_name}
    cluster.write_ident("".join(f"owner {user} postgres\n" for user in users))
    cluster.write_rules(RULES)
    DatabaseHost(cluster).reload()
    yield cluster
    cluster.remove()


@pytest.fixture(params=PLACES)
def place(request, sharing_cluster):
    """Directly, and through Carpool."""
    yield from lent(PLACES[request.param](sharing_cluster))


@pytest.fixture
def roles(place):
    return [place.new_role(), place.new_role()]


def turns(sql, first, second):
    """Each role's answers, in turns."""
    return [(who, sql, value) for who, value in ((1, first), (2, second)) * 2 for _ in range(TIMES)]


STORIES = {
    "types by $user": Story(
        [*OWN, "create table {first}.t (a int); create table {second}.t (a text)",
         "grant select on {first}.t to {first}; grant select on {second}.t to {second}",
         "set search_path = {first}, public", plpgsql("public.f()", "return pg_typeof(v);", "v t.a%type;")],
        turns("select f()", "integer", "text")),
    "checks of domains": Story(
        [*SHADOWED, "create domain public.d as int check (key(value) > 0)"], turns("select 5::d", "5", "5")),
    "checks of domains in functions": Story(
        [*SHADOWED, "create domain public.d as int check (key(value) > 0)",
         plpgsql("public.f()", "v := 5; return v;", "v d;", returns="int")],
        turns("select f()", "5", "5")),
    "a domain that shadows another": Story(
        [*SHADOWED, "create domain public.amount as int",
         plpgsql("public.f()", "v := 5; return v;", "v amount;", returns="int")],
        [(1, "create domain amount as int check (helper(value) > 0)"), *turns("select f()", "5", "5")]),
    "index expressions": Story(
        [*SHADOWED, TABLE, "create index on public.t (key(a))"],
        [*[(1, EXPLAIN, DENIED), (2, INSERT, "5")] * 3, (1, INSERT, DENIED)]),
    "index predicates": Story(
        [*SHADOWED, TABLE, "create index on public.t (a) where key(a) > 0"],
        [(1, EXPLAIN, DENIED), (2, INSERT, "5")] * 3),
    "partition keys": Story(
        [*SHADOWED, "create table public.t (a int) partition by range (key(a))",
         "create table public.rest partition of public.t default; alter table public.t owner to {second}",
         "alter table public.rest owner to {second}"],
        [(1, EXPLAIN, DENIED), (2, INSERT, "5")] * 3),
    "folded functions": Story(SECRETS, turns("select calls_folded()", "secret", DENIED)),
    "inlined functions": Story(SECRETS, turns("select calls_inlined()", "secret", DENIED)),
    "casts of functions": Story(
        [*SHADOWED, "create domain public.d as int check (key(value) > 0)",
         plpgsql("public.f(a int)", "return a;", returns="d")],
        turns("select f(5)", "5", "5")),
}


@pytest.mark.parametrize("name", STORIES)
def test_what_one_role_had_made_is_not_anothers(place, roles, name):
    tell(place, STORIES[name], roles)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["folded", "inlined"])
def test_rights_are_checked_in_statements_of_equal_text(place, roles, name, way):
    sql = f"select {name}()"
    steps = [(1, prepare(way, sql)), *[(1, run(way), "secret")] * TIMES]
    # the right is asked for when the text is analysed by neither, but when it is run or planned
    steps += [(2, prepare(way, sql)), *[(2, run(way), DENIED)] * TIMES, (1, run(way), "secret"), (2, run(way), DENIED)]
    tell(place, Story(SECRETS, steps), roles)


def test_a_role_gets_none_of_its_code_run_by_another(place, roles):
    """The types of a function's variables are found by the path of whoever calls it."""
    eve, alice = roles
    secret = f"create table {alice.name}.secret as select 'of alice' as s"
    loot = (f"create table {eve.name}.loot (who text, s text); grant insert on {eve.name}.loot to public; "
            f"grant usage on schema {eve.name} to public")
    evil = plpgsql(f"{eve.name}.evil(i int)", f"if current_user <> '{eve.name}' then insert into {eve.name}.loot "
                   f"select current_user, s from {alice.name}.secret; end if; return true;", returns="boolean")
    pay = plpgsql("public.pay(x int)", "v := x; return v;", "v amount;", returns="int")
    steps = [(2, secret), (1, loot), (1, evil), (1, "create domain amount as int check (evil(value))"),
             (1, f"set search_path = {eve.name}, public"), (1, "select pay(1)", "1"),
             *[(2, "select public.pay(100)", "100")] * 3, (1, "select pay(1)", "1"),
             (1, "select count(*) from loot", "0")]
    tell(place, Story([*OWN, "create domain public.amount as int", pay], steps), roles)


@pytest.fixture
def english(place):
    """A text search configuration without its schema, as postgresql.conf may have it."""
    cluster = place.cluster
    cluster.sql("alter system set default_text_search_config = 'english'")
    cluster.reload()
    yield
    cluster.sql("alter system reset default_text_search_config")
    cluster.reload()


def test_text_search_configurations_are_found_by_each_role(english, place, roles):
    mine = "create text search configuration english (copy = pg_catalog.simple)"
    steps = [(1, mine), (1, 'set search_path = "$user", pg_catalog'), (2, 'set search_path = "$user", pg_catalog')]
    steps += turns("select to_tsvector('running')", "'running':1", "'run':1")
    tell(place, Story(OWN, steps), roles)


def test_a_definer_and_its_callers_roles(place, roles):
    """f runs as its owner and calls g, which each role then calls as itself."""
    before = [*OWN, "create schema {owner}; grant usage on schema {owner} to public",
              "create table {first}.t (a int); create table {second}.t (a text); create table {owner}.t (a date)",
              "set search_path = {owner}, public", plpgsql("public.g()", "return pg_typeof(v);", "v t.a%type;"),
              plpgsql("public.f()", "return g();", options="security definer"),
              "alter function public.f() owner to {owner}"]
    steps = [(1, "select f()", "date"), *[(2, "select g()", "text")] * 3, (2, "select g()", "text")]
    tell(place, Story(before, steps), roles)


# random(): what it gives next, from what it gave. See xoroshiro128** in PostgreSQL's pg_prng.c.

BITS, MASK = 52, (1 << 64) - 1
LOST = 1 << (64 - BITS)


def rotated(x, by):
    return (x << by | x >> (64 - by)) & MASK


def mixed(x):
    return x ^ x << 16 & MASK


def unmixed(x):
    for by in (16, 32):
        x ^= x << by & MASK
    return x


def scrambled(s0):
    return rotated(s0 * 5 & MASK, 7) * 9 & MASK


def unscrambled(output):
    inner = output * pow(9, -1, 1 << 64) & MASK
    return rotated(inner, 64 - 7) * pow(5, -1, 1 << 64) & MASK


def advanced(s0, s1):
    x = s1 ^ s0
    return rotated(s0, 24) ^ mixed(x), rotated(x, 37)


def states(output):
    """First halves of the state that give these bits of an output."""
    return [unscrambled(output << (64 - BITS) | lost) for lost in range(LOST)]


def state_of(outputs):
    """The state before the first of three outputs. The lost bits of each are tried."""
    first, second, third = map(states, outputs)
    starts = {mixed(rotated(unmixed(rotated(s0, 24)), 37)): s0 for s0 in first}
    nexts = {rotated(s0, 24) ^ mixed(s0) ^ mixed(rotated(unmixed(s0), 37)): s0 for s0 in second}
    wanted = set(third)
    for a, s0 in starts.items():
        for found in wanted.intersection([a ^ b for b in nexts]):
            following = next(s for b, s in nexts.items() if a ^ b == found)
            return s0, s0 ^ unmixed(following ^ rotated(s0, 24))
    raise AssertionError("no state gives these")


def foretold(outputs, count):
    """What random() gives after three outputs."""
    state, said = state_of(outputs), []
    for _ in range(3 + count):
        said.append(scrambled(state[0]) >> (64 - BITS))
        state = advanced(*state)
    assert said[:3] == outputs
    return said[3:]


def outputs_of(wire, count):
    return [int(float(answer(wire, "select random()")) * (1 << BITS)) for _ in range(count)]


def test_random_is_not_foretold_by_another_role(place, roles):
    """But by the role itself, which shows that the test knows how."""
    first, second = stage(place, [], roles)[0]
    seen = outputs_of(first, 3)
    own = foretold(seen, 20)
    assert own[:2] == outputs_of(first, 2)
    assert not set(own) & set(outputs_of(second, 5))
    server_of_all(place, [first, second])


def test_random_is_not_what_another_roles_seed_gives(place, roles):
    """Who has set a seed keeps the backend until it leaves."""
    (first, second), _ = stage(place, [], roles)
    seeded = "select setseed(0.25)"
    answer(first, seeded)
    begin = outputs_of(first, 3)
    first.close()
    after = outputs_of(second, 10)
    with DirectHost(place.cluster).wire(roles[0]) as direct:
        answer(direct, seeded)
        expected = outputs_of(direct, 30)
    assert begin == expected[:3]
    assert not set(expected) & set(after)


def test_one_backend_serves_roles_in_turns(place, roles):
    """Many switches, with what each role has made before."""
    wires, _ = stage(place, STORIES["types by $user"].before, roles)
    pid = wires[0].value(PID)
    for _ in range(50):
        assert [answer(wire, "select f()") for wire in wires] == ["integer", "text"]
    assert wires[0].value(PID) == pid
