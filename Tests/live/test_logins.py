"""Logins that both hosts do alike."""

import psycopg
import pytest

from constants import WRONG
from waiting import wait_until
from wire import Refused, Wire


def transcript(pooler, user, password, database, transport="tcp"):
    """The login's frames up to the error: their kinds with the authentication code, and the error."""
    with Wire(pooler.address(transport)) as wire:
        with pytest.raises(Refused) as refused:
            wire.login(user, password, database)
        steps = [
            (frame.kind, frame.body[:4] if frame.kind == "R" else b"") for frame in wire.history
        ]
        return steps, refused.value.fields


def test_a_client_with_the_right_password_gets_in(pooler, transport):
    role = pooler.new_role()
    connection = pooler.connect(role, transport)
    assert connection.execute("select current_user, current_database()").fetchone() == (
        role.name, pooler.database
    )


def test_the_login_sends_what_drivers_need(pooler, transport):
    wire = pooler.wire(transport=transport)
    assert {"server_version", "client_encoding", "DateStyle", "TimeZone", "integer_datetimes",
            "standard_conforming_strings", "server_encoding", "is_superuser"} <= set(wire.parameters)
    assert len(wire.key) == 8
    assert wire.parameters["is_superuser"] == "off"


@pytest.mark.parametrize(
    "password", ["p", "with 'quotes\" and \\", "päßwörd", "x" * 900],
    ids=["short", "quotes", "umlauts", "long"],
)
def test_unusual_passwords_work(pooler, transport, password):
    role = pooler.new_role(password="initial")
    role.password = password
    pooler.cluster.sql(
        "do $$ begin execute format('alter role %I password %L', "
        f"'{role.name}', convert_from(decode('{password.encode().hex()}', 'hex'), 'UTF8')); end $$"
    )
    if '"' in password and pooler.name != "database":
        role.password = password.replace('"', '""')
        pooler.role_secret_changed(role)
        role.password = password
    else:
        pooler.role_secret_changed(role)
    assert pooler.connect(role, transport).execute("select 1").fetchone() == (1,)


def test_a_wrong_password_is_refused_with_28P01(pooler, transport):
    role = pooler.new_role()
    _, error = transcript(pooler, role.name, WRONG, pooler.database, transport)
    assert error["C"] == "28P01"
    assert error["S"] == "FATAL"
    assert "password authentication failed" in error["M"]


def test_an_empty_password_is_refused(pooler):
    role = pooler.new_role()
    _, error = transcript(pooler, role.name, "", pooler.database)
    assert error["C"] == "28P01"


def test_an_unknown_user_looks_like_a_wrong_password(pooler, transport):
    role = pooler.new_role()
    known_steps, known = transcript(pooler, role.name, WRONG, pooler.database, transport)
    steps, error = transcript(pooler, "nobody_at_all", WRONG, pooler.database, transport)
    assert steps == known_steps
    assert error["C"] == known["C"]
    assert error["M"].replace("nobody_at_all", role.name) == known["M"]


def test_an_unknown_database_looks_like_a_wrong_password_to_who_has_none(pooler, transport):
    role = pooler.new_role()
    known = transcript(pooler, role.name, WRONG, pooler.database, transport)
    assert transcript(pooler, role.name, WRONG, "no_such_database", transport) == known


def test_an_unknown_database_is_named_to_who_has_the_password(pooler, transport):
    role = pooler.new_role()
    with pytest.raises(psycopg.OperationalError, match='database "no_such_database" does not exist'):
        pooler.connect(role, transport, dbname="no_such_database").execute("select 1")


def test_the_salt_of_an_unknown_user_stays_the_same(pooler):
    """A new one each time would tell that there is no such user."""
    def salt():
        with Wire(pooler.address()) as wire:
            with pytest.raises(Refused):
                wire.login("nobody_at_all", WRONG, pooler.database)
            first = [f for f in wire.history if f.kind == "R" and f.body[3] == 11][0]
            return [part for part in first.body[4:].split(b",") if part.startswith((b"s=", b"i="))]

    pooler.role()
    assert salt() == salt()


def test_the_database_name_defaults_to_the_user(pooler):
    role = pooler.new_role()
    pooler.cluster.sql(f"create database {role.name}")
    pooler.databases.append(role.name)
    wire = pooler.raw().login(role.name, role.password, None)
    assert wire.value("select current_database()") == role.name


def test_a_changed_password_holds_from_the_next_login(pooler):
    role = pooler.new_role()
    before = pooler.connect(role)
    old, role.password = role.password, "another one"
    pooler.cluster.sql(f"alter role {role.name} password 'another one'")
    pooler.role_secret_changed(role)
    _, error = transcript(pooler, role.name, old, pooler.database)
    assert error["C"] == "28P01"
    assert pooler.connect(role).execute("select 1").fetchone() == (1,)
    assert before.execute("select 1").fetchone() == (1,), "who is in stays in"


def test_a_changed_password_opens_new_servers_too(pooler):
    pooler.configure(pool_mode="session", default_pool_size=5)
    role = pooler.new_role()
    first = pooler.connect(role)
    first.execute("select 1")
    role.password = "another one"
    pooler.cluster.sql(f"alter role {role.name} password 'another one'")
    pooler.role_secret_changed(role)
    second = pooler.connect(role)
    second.execute("select 1")
    pooler.wait_servers(2, role)


def test_a_role_that_may_not_log_in_is_refused(pooler):
    role = pooler.new_role()
    pooler.cluster.sql(f"alter role {role.name} nologin")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in|authentication failed"):
        pooler.connect(role).execute("select 1")


def test_connection_limit_bounds_servers_and_clients_wait(pooler, transport):
    """The launcher's max_user_connections does for it what the role's own limit does in the database."""
    role = pooler.new_role(options="connection limit 2")
    pooler.configure(pool_mode="transaction", default_pool_size=10)
    if pooler.name != "database":
        pooler.configure_role(role, max_user_connections=2)
    clients = [pooler.connect(role, transport) for _ in range(6)]
    holders = clients[:2]
    for client in holders:
        client.execute("begin")
        client.execute("select 1")
    waiting = pooler.wire(role, transport).send(b"Q\0\0\0\x0dselect 1\0")
    assert len(pooler.servers(role)) == 2
    holders[0].execute("commit")
    assert [frame.values() for frame in waiting.until_ready() if frame.kind == "D"] == [["1"]]
    holders[1].execute("commit")
    for client in clients:
        client.execute("select 1")
    assert len(pooler.servers(role)) == 2


def test_many_clients_log_in_at_once(pooler, transport):
    role = pooler.new_role()
    pooler.configure(pool_mode="transaction", default_pool_size=2)
    wires = [pooler.raw(transport) for _ in range(50)]
    for wire in wires:
        wire.startup(role.name, pooler.database)
    for wire in wires:
        assert wire.frame().kind == "R"
    assert pooler.wire(role, transport).value("select 1") == "1"
    wait_until(lambda: len(pooler.servers(role)) <= 2, "at most two servers")
