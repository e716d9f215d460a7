"""What a backend takes on at its login for as long as it lives is never what a later login would not get."""

import threading

import pytest

from conftest import lent, make_database_cluster
from constants import PID
from database_host import DatabaseHost
from wire import message

WHO = "select session_user, current_user, current_setting('session_authorization')"
LOADED = "select count(*) from pg_settings where name = 'plpgsql.variable_conflict'"
TERMINATE = message("X")


@pytest.fixture(scope="module")
def crowded_cluster(environment, template):
    cluster = make_database_cluster(environment, template, pool_mode="transaction", threads=2)
    yield cluster
    cluster.remove()


@pytest.fixture
def crowded(crowded_cluster):
    """Carpool in the database, with two engine threads."""
    yield from lent(DatabaseHost(crowded_cluster))


@pytest.fixture
def owner(database, debian):
    """Server logins are the cluster's owner's."""
    return database


@pytest.fixture(params=["direct", "database", "owner", "crowded", "rotating"])
def host(request):
    if request.param == "direct":
        return request.getfixturevalue("places")[0]
    host = request.getfixturevalue(request.param)
    host.configure(pool_mode="transaction", default_pool_size=3)
    return host


@pytest.fixture
def single(database):
    """A pool of one server."""
    database.configure(pool_mode="transaction", default_pool_size=1)
    return database


def leave(wire):
    wire.send(TERMINATE).until_closed()


def alter(host, role, change):
    host.cluster.sql(f"alter role {role.name} {change}")


def is_superuser(wire):
    """Whether the session counts as a superuser's login: the catalog doesn't matter there."""
    errors = [frame.fields()["C"] for frame in wire.query("set session authorization postgres") if frame.kind == "E"]
    wire.query("reset session authorization")
    assert errors in ([], ["42501"])
    return not errors


def told(wire):
    return wire.parameters["is_superuser"]


def opened(host, role, count):
    """So many clients, each of which has a server of its own just now; their process ids."""
    wires = [host.wire(role) for _ in range(count)]
    for wire in wires:
        wire.query("begin")
    pids = [wire.value(PID) for wire in wires]
    assert len(set(pids)) == count
    return wires, pids


# superusers

@pytest.mark.parametrize("stays", ["leaves", "stays"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_superuser_no_more_and_again(host, count, stays):
    role = host.new_role(options="superuser")
    wires, _ = opened(host, role, count)
    for wire in wires:
        wire.query("commit")
        if stays == "leaves":
            leave(wire)
    for change, flag in [("nosuperuser", "off"), ("superuser", "on"), ("nosuperuser", "off")]:
        alter(host, role, change)
        late, _ = opened(host, role, count)
        for wire in late:
            assert told(wire) == flag
            assert is_superuser(wire) == (flag == "on")
            wire.query("rollback")
            assert is_superuser(wire) == (flag == "on")
            leave(wire)


def test_a_new_login_while_all_backends_are_in_transactions(host):
    role = host.new_role(options="superuser")
    wires, pids = opened(host, role, 2)
    alter(host, role, "nosuperuser")
    late = [host.wire(role) for _ in range(3)]
    assert [told(wire) for wire in late] == ["off"] * 3
    assert not any(is_superuser(wire) for wire in late)
    for wire in wires:
        assert wire.value(PID) in pids
        wire.query("commit")
    if host.name != "direct":
        for pid in pids:
            host.wait_ended(pid)
    for wire in late:
        assert not is_superuser(wire)
    for wire in wires:
        assert wire.value("select session_user") == role.name


def test_a_login_that_waits_for_the_last_backend(single):
    role = single.new_role(options="superuser")
    (old,), (pid,) = opened(single, role, 1)
    alter(single, role, "nosuperuser")
    late = single.raw()
    thread = threading.Thread(target=late.login, args=(role.name, role.password, single.database))
    thread.start()
    old.query("commit")
    single.wait_ended(pid)
    thread.join()
    assert told(late) == "off" and not is_superuser(late)
    assert old.value(PID) != pid


def test_clients_of_both_threads(crowded):
    crowded.configure(default_pool_size=1)
    role = crowded.new_role(options="superuser")
    wires = [crowded.wire(role) for _ in range(4)]
    assert len({wire.value(PID) for wire in wires}) == 1
    alter(crowded, role, "nosuperuser")
    for _ in range(4):
        wires.append(crowded.wire(role))
        assert told(wires[-1]) == "off"
        for wire in wires[4:]:
            assert not is_superuser(wire)
        assert {wire.value("select session_user") for wire in wires} == {role.name}


def test_a_change_in_the_moment_of_a_server_login(single):
    """The server's login takes on a superuser's rights, which the role had just for that moment."""
    role = single.new_role()
    single.cluster.sql("alter system set log_connections = on")
    single.cluster.sql("alter system set pre_auth_delay = 1")
    single.cluster.sql("alter system set post_auth_delay = 1")
    try:
        single.reload()
        mark = single.log_mark()
        late = single.raw()
        thread = threading.Thread(target=late.login, args=(role.name, role.password, single.database))
        thread.start()
        single.cluster.log.wait(f"login attempt: .*user={role.name}", mark)
        alter(single, role, "superuser")
        single.cluster.log.wait(f"connection authorized: user={role.name}", mark)
        alter(single, role, "nosuperuser")
        thread.join()
        assert told(late) == "off" and not is_superuser(late)
    finally:
        single.changed = True


@pytest.mark.parametrize("change", ["nosuperuser", "superuser", "rename to {name}_new"])
def test_a_backend_is_replaced_without_a_new_login(single, change):
    role = single.new_role(options="superuser" if change == "nosuperuser" else "")
    wire = single.wire(role)
    pid = wire.value(PID)
    alter(single, role, change.format(name=role.name))
    assert wire.value(PID) == pid           # it hears of it now
    single.wait_ended(pid)
    assert wire.value(PID) != pid
    if "rename" in change:
        role.name += "_new"
    assert wire.value("select session_user") == role.name


def test_in_a_transaction_it_is_replaced_at_the_end(single):
    role = single.new_role(options="superuser")
    wire = single.wire(role)
    wire.query("begin; set local work_mem = '1MB'")
    pid = wire.value(PID)
    alter(single, role, "nosuperuser")
    for _ in range(3):
        assert wire.value(f"{PID} from pg_tables limit 1") == pid
    wire.query("commit")
    single.wait_ended(pid)
    assert wire.value(PID) != pid


def test_in_session_mode_it_stays_with_its_client(database):
    database.configure(pool_mode="session", default_pool_size=2)
    role = database.new_role(options="superuser")
    old = database.wire(role)
    pid = old.value(PID)
    alter(database, role, "nosuperuser")
    late = database.wire(role)
    assert told(late) == "off" and not is_superuser(late)
    assert old.value(PID) == pid and is_superuser(old)
    leave(old)
    database.wait_ended(pid)


def test_a_pin_keeps_its_backend(single):
    role = single.new_role(options="superuser")
    wire = single.wire(role)
    wire.query("select pg_advisory_lock(1)")
    pid = wire.value(PID)
    alter(single, role, "nosuperuser")
    assert [wire.value(PID) for _ in range(3)] == [pid] * 3
    wire.query("select pg_advisory_unlock(1)")
    single.wait_ended(pid)
    assert wire.value(PID) != pid


# what changes nothing

@pytest.mark.parametrize("change", [
    "password '{password}'", "set work_mem = '5MB'", "connection limit 7", "valid until 'infinity'", "bypassrls",
])
def test_what_a_backend_does_not_keep_replaces_nothing(single, change):
    role = single.role()
    old = single.wire(role)
    pid = old.value(PID)
    alter(single, role, change.format(password=role.password))
    assert old.value(PID) == pid
    assert single.wire(role).value(PID) == pid
    assert old.value(PID) == pid


@pytest.mark.parametrize("change", [
    "nosuperuser", "rename to {name}_x", "set session_preload_libraries = 'plpgsql'",
])
def test_what_is_rolled_back_replaces_nothing(single, change):
    role = single.new_role(options="superuser")
    old = single.wire(role)
    pid = old.value(PID)
    with single.cluster.superuser().transaction(force_rollback=True):
        alter(single, role, change.format(name=role.name))
        assert single.wire(role).value(PID) == pid
    assert old.value(PID) == pid
    late = single.wire(role)
    assert late.value(PID) == pid and is_superuser(late)


def test_other_roles_keep_their_backends(single):
    roles = [single.new_role(options="superuser"), single.new_role()]
    wires = [single.wire(role) for role in roles]
    pids = [wire.value(PID) for wire in wires]
    alter(single, roles[0], "nosuperuser")
    assert not is_superuser(single.wire(roles[0]))
    assert wires[1].value(PID) == single.wire(roles[1]).value(PID) == pids[1]


# names

@pytest.mark.parametrize("stays", ["leaves", "stays"])
def test_a_renamed_role(host, stays):
    role, password = host.new_role(), "of both"
    old_name, name = role.name, role.name + "_new"
    alter(host, role, f"password '{password}'")
    wires = [host.wire(type(role)(old_name, password)) for _ in range(2)]
    for wire in wires:
        assert wire.rows(WHO) == [[old_name] * 3]
        if stays == "leaves":
            leave(wire)
    alter(host, role, f"rename to {name}")
    role.name = name
    other = host.new_role(password)
    host.cluster.sql(f"alter role {other.name} rename to {old_name}")
    other.name = old_name
    for each in (name, old_name):
        host.cluster.sql(f"alter role {each} password '{password}'")
    for _ in range(2):
        for each in (role, other):
            wire = host.wire(type(role)(each.name, password))
            assert wire.parameters["session_authorization"] == each.name
            assert wire.rows(WHO) == [[each.name] * 3]
            wire.query(f"set session authorization {each.name}")
            assert wire.rows(WHO) == [[each.name] * 3]
            wire.query("reset session authorization")
            wire.query("set my.x = 1")
            assert wire.rows(WHO) == [[each.name] * 3]
    if stays == "stays":
        assert {wire.value("select session_user") for wire in wires} == {name}


# libraries

SCOPES = ["alter role {role}", "alter database {database}", "alter role {role} in database {database}",
          "alter role all", "alter system"]


@pytest.fixture(params=SCOPES)
def preload(request, host):
    """Sets session_preload_libraries, or resets it (None); role and database have been made for it."""
    role, database = host.new_role(), host.new_database()
    scope = request.param.format(role=role.name, database=database)

    def change(library):
        end = f"set session_preload_libraries = '{library}'" if library else "reset session_preload_libraries"
        host.cluster.sql(f"{scope} {end}")
        if scope == "alter system":
            host.reload()

    yield change, role, database
    change(None)


@pytest.mark.parametrize("stays", ["leaves", "stays"])
def test_libraries_are_those_of_a_new_login(host, preload, stays):
    change, role, database = preload
    old = host.wire(role, dbname=database)
    assert old.value(LOADED) == "0"
    if stays == "leaves":
        leave(old)
    for library, loaded in [("plpgsql", "1"), (None, "0"), ("plpgsql", "1")]:
        change(library)
        late = host.wire(role, dbname=database)
        assert [late.value(LOADED) for _ in range(4)] == [loaded] * 4
        leave(late)
    if stays == "stays":
        assert old.value("select session_user") == role.name


# pools of several roles

@pytest.fixture
def shared(owner):
    owner.configure(pool_mode="transaction", default_pool_size=1, share_roles="on")
    return owner


def test_a_renamed_role_in_a_shared_pool(shared):
    first, second = shared.new_role(), shared.new_role()
    a, b = shared.wire(first), shared.wire(second)
    assert a.value(PID) == b.value(PID)
    # the backend goes by this name now
    assert a.rows(WHO) == [[first.name] * 3]
    password = first.password
    shared.cluster.sql(f"alter role {first.name} rename to {first.name}_new")
    first.name += "_new"
    shared.cluster.sql(f"alter role {first.name} password '{password}'")
    late = shared.wire(first)
    assert late.parameters["session_authorization"] == first.name
    for _ in range(2):
        assert late.rows(WHO) == [[first.name] * 3]
        assert a.value("select session_user") == first.name
        assert b.rows(WHO) == [[second.name] * 3]


def test_libraries_of_the_database_in_a_shared_pool(shared):
    name = shared.new_database()
    first, second = shared.new_role(), shared.new_role()
    a = shared.wire(first, dbname=name)
    assert a.value(LOADED) == "0"
    shared.cluster.sql(f"alter database {name} set session_preload_libraries = 'plpgsql'")
    # it has never logged in before
    b = shared.wire(second, dbname=name)
    assert b.value(LOADED) == "1"
    assert a.value("select session_user") == first.name


def test_a_role_that_needs_no_backends_of_its_own_any_more(shared):
    role, other = shared.new_role(), shared.new_role()
    pid = shared.wire(other).value(PID)
    alter(shared, role, "superuser")
    wire = shared.wire(role)
    assert is_superuser(wire) and wire.value(PID) != pid
    leave(wire)
    alter(shared, role, "nosuperuser")
    late = shared.wire(role)
    assert told(late) == "off" and not is_superuser(late)
    assert late.rows(WHO) == [[role.name] * 3]
