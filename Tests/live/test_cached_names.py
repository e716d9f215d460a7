"""What a backend has resolved before a client's login serves it only while names mean what they meant then."""

import pytest

FUNCTION = """create function kind() returns text language plpgsql as $$
declare v t.a%type; begin return pg_typeof(v); end $$"""

CHANGES = {
    "a column's type": ("alter table {role}.t alter a type text", "text"),
    "a column's length": ("alter table {role}.t alter a type bigint", "bigint"),
    "a table that is found first": ("create table first.t(a date); grant all on first.t to {role}", "date"),
    "a table in place of another":
        ("alter table {role}.t rename to old; create table {role}.t(a point); grant all on {role}.t to {role}", "point"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_new_client_gets_what_names_mean_at_its_login(place, change):
    role = place.new_role()
    statement, kind = CHANGES[change]
    database = place.new_database()
    sql = place.cluster.sql
    sql(f"create schema first; grant usage on schema first to {role.name}", dbname=database)
    sql(f"create schema {role.name} authorization {role.name}", dbname=database)
    sql(f"alter role {role.name} set search_path = first, {role.name}")
    old = [place.wire(role, dbname=database) for _ in range(3)]
    old[0].query(f"create table {role.name}.t(a int)")
    old[0].query(f"set search_path = {role.name}, first")
    old[0].query(FUNCTION)
    old[0].query("reset search_path")
    for _ in range(3):
        for wire in old:
            assert wire.value(f"select {role.name}.kind()") == "integer"
    sql(statement.format(role=role.name), dbname=database)
    for _ in range(3):
        new = place.wire(role, dbname=database)
        for _ in range(5):
            assert new.value(f"select {role.name}.kind()") == kind
