"""Server logins as the cluster's owner, by peer: the backend becomes the pool's role for good."""

import contextlib

import psycopg
import pytest

from versions import UNAUTHENTICATED
from waiting import wait_until
from wire import kinds, query

WHO = ("select current_user, session_user, usename, current_setting('is_superuser'), "
       f"{UNAUTHENTICATED} from pg_stat_activity where pid = pg_backend_pid()")

WAYS_BACK = [
    "reset session authorization",
    "reset role",
    "set session authorization default",
    "set role none",
    "discard all",
    "reset all",
    "select set_config('session_authorization', 'default', false)",
    "select set_config('role', 'none', false)",
    "begin; set local role none; commit",
    "set session authorization postgres",
    "set role postgres",
    "select set_config('session_authorization', 'postgres', false)",
    "select set_config('role', 'postgres', false)",
    "alter role current_user superuser",
    "set is_superuser = on",
    "create function f() returns text language sql security definer as 'select current_user'; select f()",
    "do $$ begin set session authorization postgres; exception when others then "
    "reset session authorization; end $$",
]


def through_the_owner(database, mark):
    """The log tells that a server logged in as the owner."""
    return [line for line in database.cluster.log.text(mark).splitlines()
            if "connection authenticated" in line and 'method=peer' in line]


@pytest.fixture
def role(database, debian):
    database.cluster.sql("alter system set log_connections = on")
    database.configure(pool_mode="transaction", default_pool_size=2)
    yield database.role()
    database.cluster.sql("alter system reset log_connections")


def test_no_password_is_needed(database, role):
    mark = database.log_mark()
    wire = database.wire(role)
    assert wire.rows(WHO) == [[role.name, role.name, role.name, "off", "t"]]
    assert through_the_owner(database, mark)


@pytest.mark.parametrize("way", WAYS_BACK)
def test_no_way_leads_back(database, role, way):
    wire = database.wire(role)
    wire.query(way)
    wire.query("rollback")
    assert wire.rows(WHO) == [[role.name, role.name, role.name, "off", "t"]]
    assert wire.value("select rolsuper from pg_roles where rolname = current_user") == "f"


def test_settings_of_the_role_hold(database, role):
    database.cluster.sql(f"alter role {role.name} set work_mem = '33MB'")
    wire = database.wire(role)
    assert wire.rows("select setting, source, reset_val from pg_settings where name = 'work_mem'") == [
        ["33792", "user", "33792"]]


def test_a_role_with_settings_for_a_backends_start_logs_in_itself(database, role):
    database.cluster.sql(f"alter role {role.name} set session_preload_libraries = 'plpgsql'")
    mark = database.log_mark()
    wire = database.wire(role)
    assert wire.value("select current_user") == role.name
    assert "cannot become another role" in database.cluster.log.text(mark)


def test_a_backend_that_stays_the_owner_serves_nobody(database, role):
    database.configure(pool_mode="transaction", default_pool_size=2, test_stays_owner="on")
    wire = database.wire(role)
    assert wire.rows(WHO)[0][:4] == [role.name, role.name, role.name, "off"]
    assert "did not become" in database.cluster.log.text(0)


def test_the_limit_of_the_role_holds(database, role):
    database.cluster.sql(f"alter role {role.name} connection limit 1")
    first, second = database.wire(role), database.wire(role)
    assert first.value("select 1") == second.value("select 1") == "1"
    database.wait_servers(1, role)


def test_slots_that_are_reserved_for_superusers_stay_free(database, role):
    """The owner could have them, the role that its backend becomes can't."""
    cluster = database.cluster
    wire = database.wire(role)
    database.end_backends(role)
    mark = database.log_mark()
    owner = cluster.direct("postgres")
    with contextlib.ExitStack() as stack:
        with pytest.raises(psycopg.OperationalError, match="reserved"):
            for _ in range(200):
                stack.enter_context(psycopg.connect(
                    **{**owner, "host": "127.0.0.1", "user": role.name, "password": role.password}))
        wire.send(query("select 1"))
        wait_until(lambda: "reserved for superusers and special roles" in cluster.log.text(mark),
                   "the server login is refused")
        for _ in range(4):
            stack.enter_context(psycopg.connect(**owner))
        assert database.servers(role) == []
    assert kinds(wire.until_ready()) == "TDCZ"


def test_a_role_that_is_set_at_the_login_is_set(database, role):
    database.cluster.sql(f"grant pg_monitor to {role.name}")
    database.cluster.sql(f"alter role {role.name} set role = 'pg_monitor'")
    wire = database.wire(role)
    for _ in range(2):
        assert wire.rows("select current_user, session_user") == [["pg_monitor", role.name]]
        wire.query("reset role")
    wire.query("set role none")
    assert wire.value("select current_user") == role.name
