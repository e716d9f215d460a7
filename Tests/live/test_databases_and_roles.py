"""DROP, RENAME and TEMPLATE of databases, and namesakes of roles and databases."""

import psycopg
import pytest

from constants import PID
from waiting import wait_until


@pytest.fixture
def shared(database):
    database.configure(pool_mode="transaction")
    return database


def used(database, name, role=None):
    """A database with an idle pooled backend and no client."""
    wire = database.wire(role, dbname=name)
    pid = int(wire.value(PID))
    wire.send(b"X\0\0\0\4").until_closed()
    assert pid in database.servers(role)
    return pid


def test_drop_database_with_idle_servers_succeeds_at_once(shared):
    name = shared.new_database()
    used(shared, name)
    shared.cluster.sql(f"drop database {name}")
    wait_until(lambda: not shared.servers(), "its servers are gone")


def test_rename_database_with_idle_servers_succeeds_at_once(shared):
    name = shared.new_database()
    used(shared, name)
    shared.cluster.sql(f"alter database {name} rename to {name}_new")
    shared.databases.append(f"{name}_new")
    assert shared.wire(dbname=f"{name}_new").value("select current_database()") == f"{name}_new"
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        shared.connect(dbname=name)


def test_a_database_with_idle_servers_is_a_template(shared):
    name = shared.new_database()
    used(shared, name)
    copy = shared.new_database(template=name)
    assert shared.wire(dbname=copy).value("select current_database()") == copy


def test_move_to_another_tablespace_default_succeeds(shared):
    name = shared.new_database()
    used(shared, name)
    shared.cluster.sql(f"alter database {name} set tablespace pg_default")
    assert shared.wire(dbname=name).value("select 1") == "1"


@pytest.mark.parametrize("statement", [
    "drop database {0}", "alter database {0} rename to {0}_x", "create database {0}_y template {0}",
])
def test_with_clients_postgresql_refuses_as_ever(shared, statement):
    name = shared.new_database()
    wire = shared.wire(dbname=name)
    wire.value("select 1")
    with pytest.raises(psycopg.errors.ObjectInUse):
        shared.cluster.sql(statement.format(name))
    assert wire.value("select current_database()") == name


def test_drop_database_with_force_ends_clients_too(shared):
    name = shared.new_database()
    wire = shared.wire(dbname=name)
    wire.query("begin")
    shared.cluster.sql(f"drop database {name} with (force)")
    wire.until_closed()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        shared.connect(dbname=name)


def test_a_new_database_of_an_old_name_is_another_one(shared):
    name = shared.new_database()
    wire = shared.wire(dbname=name)
    wire.query("create table old_thing(x int)")
    wire.send(b"X\0\0\0\4").until_closed()
    shared.cluster.sql(f"alter database {name} rename to {name}_old")
    shared.databases.append(f"{name}_old")
    shared.cluster.sql(f"create database {name}")
    new = shared.wire(dbname=name)
    assert new.value("select to_regclass('old_thing') is null") == "t"
    oid = shared.cluster.value("select oid::text from pg_database where datname = %s", name)
    assert new.value("select oid from pg_database where datname = current_database()") == oid


def namesake(database, role, statements):
    """Leaves an idle server of the role, runs the statements, logs in under the same name."""
    name, password = role.name, role.password
    old = used(database, "app", role)
    for statement in statements:
        database.cluster.sql(statement.format(name=name, password=password))
    wire = database.raw().login(name, password, "app")
    assert int(wire.value(PID)) != old
    assert wire.value("select session_user") == name
    oid = database.cluster.value("select oid::text from pg_roles where rolname = %s", name)
    assert wire.value("select oid from pg_roles where rolname = session_user") == oid
    return wire


def test_a_re_created_role_never_gets_its_namesakes_servers(shared):
    role = shared.new_role()
    shared.cluster.sql(f"drop owned by {role.name} cascade", dbname="app")
    namesake(shared, role, ["drop role {name}", "create role {name} login password '{password}'"])


def test_a_role_that_takes_a_free_name_never_gets_the_old_ones_servers(shared):
    role = shared.new_role()
    namesake(shared, role, [
        "alter role {name} rename to {name}_old", "create role {name} login password '{password}'"])
    name = role.name
    shared.end_backends(type(role)(f"{name}_old", ""))
    shared.cluster.sql(f"drop owned by {name}_old cascade", dbname="app")
    shared.cluster.sql(f"drop role {name}_old")


def test_roles_that_swap_names_do_not_swap_servers(shared):
    first, second = shared.new_role(), shared.new_role()
    first_pid, second_pid = used(shared, "app", first), used(shared, "app", second)
    for statement in (
        f"alter role {first.name} rename to swapped", f"alter role {second.name} rename to {first.name}",
        f"alter role swapped rename to {second.name}",
    ):
        shared.cluster.sql(statement)
    wire = shared.raw().login(first.name, second.password, "app")
    assert wire.value("select session_user") == first.name
    assert int(wire.value(PID)) != first_pid
    other = shared.raw().login(second.name, first.password, "app")
    assert other.value("select session_user") == second.name
    assert int(other.value(PID)) != second_pid


def test_a_dropped_role_keeps_nobody_in(shared):
    role = shared.new_role()
    used(shared, "app", role)
    shared.cluster.sql(f"drop owned by {role.name} cascade", dbname="app")
    shared.cluster.sql(f"drop role {role.name}")
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        shared.connect(role)


def test_a_database_made_after_the_start_is_served(shared):
    assert shared.wire(dbname=shared.new_database()).value("select 1") == "1"


def test_template1_stays_usable(shared):
    """CREATE DATABASE works although somebody used template1 through the pool."""
    used(shared, "template1")
    shared.new_database()
