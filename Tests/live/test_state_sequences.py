"""currval and lastval in transaction mode, as on a direct connection. See steps.py."""

import pytest

from steps import RECONNECT, Case, same_as_direct

LAST = "select lastval()"


def case(*steps, watch=("select lastval()",), **extra):
    return Case(list(steps), watch=list(watch), **extra)


# Sequences of a client's own, and one that all clients share: a takes its turn, then b.
SHARED = {"before": ["create sequence {role}.shared", "alter sequence {role}.shared owner to {role}"]}
CURRENT = "select currval('shared')"
NEXT = "select nextval('shared')"

CASES = {
    "none yet": case(CURRENT, LAST, "begin", LAST, "rollback", watch=[CURRENT, LAST], **SHARED),
    "nextval, currval, lastval": case(
        "create sequence s_{me} start {n}0", "select currval('s_{me}')", "select nextval('s_{me}')",
        "select currval('s_{me}')", LAST, "select nextval('s_{me}'), lastval()",
        "select currval('s_{me}'), lastval()"),
    "shared": case(NEXT, CURRENT, LAST, NEXT, NEXT, CURRENT, LAST, watch=[CURRENT, LAST], **SHARED),
    "only one client takes values": case(
        "create sequence s_{me}", "select nextval('s_a') where '{me}' = 'a'", LAST, "select currval('s_a')",
        "select nextval('s_a')", LAST),
    "several": case(
        "create sequence s_{me}; create sequence t_{me} increment -3; create sequence u_{me}",
        "select nextval('s_{me}')", "select nextval('t_{me}')", "select nextval('t_{me}')",
        "select currval('s_{me}'), currval('t_{me}'), lastval()", "select currval('u_{me}')",
        "select nextval('s_{me}')",
        "select currval('s_{me}'), currval('t_{me}'), lastval()"),
    "setval": case(
        "create sequence s_{me}", "select setval('s_{me}', 4{n})", "select currval('s_{me}')", LAST,
        "select nextval('s_{me}')", "select setval('s_{me}', 7{n}, false)", "select currval('s_{me}')", LAST,
        "select nextval('s_{me}')", LAST),
    "setval by another": case(NEXT, "select setval('shared', {n}00)", CURRENT, LAST, NEXT, CURRENT, **SHARED),
    "cached": case(
        "create sequence s_{me} cache 10", *["select nextval('s_{me}'), currval('s_{me}'), lastval()"] * 3,
        "select last_value from s_{me}", *["select nextval('s_{me}')"] * 9, "select last_value from s_{me}",
        LAST),
    "not of a transaction": case(
        "create sequence s_{me}", "begin", "select nextval('s_{me}')", "rollback", "select currval('s_{me}')",
        LAST,
        "begin", "select nextval('s_{me}')", "savepoint s", "select nextval('s_{me}')", "rollback to s",
        "select currval('s_{me}')", "commit", "select currval('s_{me}')", LAST),
    "dropped": case(
        "create sequence s_{me}", "select nextval('s_{me}')", "drop sequence s_{me}", LAST,
        "select currval('s_{me}')",
        "create sequence s_{me} start 5{n}", "select currval('s_{me}')", LAST, "select nextval('s_{me}')",
        LAST),
    "created and rolled back": case(
        "begin", "create sequence s_{me}", "select nextval('s_{me}')", "rollback", LAST,
        "select currval('s_{me}')"),
    "altered": case(
        "create sequence s_{me}", "select nextval('s_{me}')", "alter sequence s_{me} restart with 9{n}",
        "select currval('s_{me}')", LAST, "select nextval('s_{me}')", "alter sequence s_{me} increment 5",
        "select nextval('s_{me}')", "alter sequence s_{me} rename to r_{me}", "select currval('r_{me}')",
        LAST),
    "serial and identity columns": case(
        "create table t_{me}(id serial, x int)", "insert into t_{me}(x) values ({n})", LAST,
        "select currval(pg_get_serial_sequence('t_{me}', 'id'))",
        "insert into t_{me}(x) values (1), (2) returning id",
        LAST, "create table u_{me}(id bigint generated always as identity)",
        "insert into u_{me} default values", LAST,
        "select currval('u_{me}_id_seq'), currval('t_{me}_id_seq')", "drop table u_{me}", LAST,
        "truncate t_{me}",
        "truncate t_{me} restart identity", "select currval('t_{me}_id_seq')",
        "insert into t_{me}(x) values (1)", LAST),
    "discarded": case(
        "create sequence s_{me}", "select nextval('s_{me}')", "discard plans", LAST, "discard sequences",
        LAST,
        "select currval('s_{me}')", "select nextval('s_{me}')", "discard all", LAST,
        "select currval('s_{me}')"),
    "left behind by a client": case(NEXT, CURRENT, RECONNECT, CURRENT, LAST, NEXT, watch=[CURRENT, LAST],
                                    **SHARED),
    "temporary": case("create temp sequence s", "select nextval('s')", "select nextval('s')",
                      "select currval('s')", LAST,
                      "drop sequence s", LAST, pins=True),
    "of great values": case("create sequence s_{me} start 9223372036854775806", "select nextval('s_{me}')",
                            "select nextval('s_{me}')", "select nextval('s_{me}')",
                            "select currval('s_{me}')", LAST,
                            "create sequence d_{me} minvalue -9223372036854775808 start -9223372036854775808",
                            "select nextval('d_{me}')", "select currval('d_{me}'), lastval()"),
    "without a right any more": case(
        NEXT, CURRENT, "revoke all on sequence shared from {role}", CURRENT, LAST,
        "grant all on sequence shared to {role}",
        CURRENT, LAST, **SHARED),
    "cycling, in steps": case("create sequence s_{me} minvalue 1 maxvalue 3 cycle increment 2",
                              *["select nextval('s_{me}'), lastval()"] * 4, "select currval('s_{me}')"),
    "many": case("do $$ begin for i in 1..60 loop "
                 "execute format('create sequence m_{me}_%s start %s', i, i * 1{n}); "
                 "perform nextval(format('m_{me}_%s', i)); end loop; end $$",
                 "select sum(currval('m_{me}_' || i)) from generate_series(1, 60) i", LAST,
                 "select sum(currval('m_{me}_' || i)) from generate_series(1, 60) i"),
}


@pytest.mark.parametrize("name", CASES)
def test_as_on_a_direct_connection(places, name):
    same_as_direct(places, CASES[name])


def test_looking_at_currval_takes_no_value(rotating):
    """A session that is carried from server to server leaves the sequence itself alone."""
    role = rotating.role()
    client, other = rotating.wire(role), rotating.wire(role)
    client.query("create sequence s cache 10")
    assert client.value("select nextval('s')") == "1"
    for _ in range(8):
        assert client.value("select currval('s')") == "1"
        other.value("select 1")
    assert client.rows("select last_value, is_called from s") == [["10", "t"]]
