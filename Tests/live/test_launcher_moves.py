"""pgpool-launch: a reload that moves a database takes the servers in use along; pools that end leave nothing."""

import re
import threading

import pytest

from cluster import Cluster
from fake_server import FakeServer
from programs import Traffic
from waiting import DEADLINE, wait_until
from wire import TERMINATE, Refused, error_of, kinds, query, send_cancel, wait_for_bytes

PLACE = "select current_setting('port') || ' ' || current_database() || ' ' || current_user"


@pytest.fixture
def other(launcher, environment, template):
    """A second cluster, with the launcher's role and another one in it."""
    made = Cluster(environment, template).start()
    launcher.configure(pool_mode="transaction", server_login_retry="0.1")
    role = launcher.role()
    made.sql(f"create role {role.name} login password '{role.password}'")
    launcher.database_lines["moving"] = "dbname=app"
    yield made
    made.remove()


def client(launcher):
    role = launcher.role()
    return launcher.raw().login(role.name, role.password, "moving")


def move(launcher, line):
    """Changes the entry of the database; returns when the launcher has taken that up."""
    launcher.database_lines["moving"] = line
    launcher.reload()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("what", ["port", "dbname"])
def test_a_server_in_use_is_closed_when_its_client_gives_it_back(launcher, other, what, threads):
    launcher.configure(threads=threads)
    old = [client(launcher) for _ in range(4)]
    for wire in old:
        wire.query("begin")
        before = wire.value(PLACE)
    move(launcher, f"port={other.port} dbname=postgres" if what == "port" else "dbname=postgres")
    port = other.port if what == "port" else launcher.cluster.port
    after = f"{port} postgres {launcher.role().name}"
    assert all(client(launcher).value(PLACE) == after for _ in range(4))
    for wire in old:        # a transaction ends where it has begun
        assert wire.value(PLACE) == before
        wire.query("commit")
        assert [wire.value(PLACE) for _ in range(3)] == [after] * 3
    if what == "port":
        launcher.wait_servers(0)


def test_an_idle_server_is_closed_at_once(launcher, other):
    client(launcher).value("select 1")
    launcher.wait_servers(1)
    move(launcher, f"port={other.port} dbname=postgres")
    launcher.wait_servers(0)


def test_a_server_that_runs_what_a_client_has_left_behind_is_closed(launcher, other):
    holder, left = client(launcher), client(launcher)
    table = f"{launcher.role().name}.gate"
    holder.query(f"create table {table} (n int)")
    holder.query(f"begin; lock table {table}")
    left.send(query(f"select * from {table}"), TERMINATE)
    wait_until(lambda: launcher.cluster.value(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock'") == 1, "it waits")
    move(launcher, f"port={other.port} dbname=postgres")
    holder.query("rollback")
    launcher.wait_servers(0)
    assert client(launcher).value(PLACE).startswith(str(other.port))


def test_another_user_takes_over_with_new_clients_only(launcher, other):
    old, second = client(launcher), launcher.new_role()
    old.query("begin")
    before = old.value(PLACE)
    move(launcher, f"dbname=app user={second.name} password='{second.password}'")
    assert client(launcher).value("select current_user") == second.name
    assert old.value(PLACE) == before
    old.query("commit")
    launcher.wait_servers(0)
    # it was let in for another user
    error = error_of(old.send(query(PLACE)).until_closed())
    assert error["C"] == "08006" and "configuration changed" in error["M"]


def test_the_entry_for_all_names_takes_over(launcher, other):
    role, name = launcher.role(), launcher.new_database()
    launcher.database_lines[name] = "dbname=app"
    old = launcher.raw().login(role.name, role.password, name)
    old.query("begin")
    assert old.value("select current_database()") == "app"
    del launcher.database_lines[name]
    launcher.database_lines["*"] = "pool_size=1"
    launcher.reload()
    old.query("commit")
    new = launcher.raw().login(role.name, role.password, name)
    pids = {wire.value("select pg_backend_pid()") for wire in (old, new, old)}
    assert len(pids) == 1 and old.value("select current_database()") == name


def test_old_and_new_clients_have_one_pool(launcher, other):
    old = client(launcher)
    old.value("select 1")
    move(launcher, f"port={other.port} dbname=postgres pool_size=1")
    new = client(launcher)
    pid = new.value("select pg_backend_pid()")
    new.query("begin")
    old.send(query("select pg_backend_pid()"))
    assert not wait_for_bytes(old, 0.3)
    new.query("commit")
    assert [frame.values() for frame in old.until_ready() if frame.kind == "D"] == [[pid]]


def test_a_server_that_is_being_opened_elsewhere_is_not_waited_for(launcher, other, environment):
    def stalls(peer):
        peer.startup()
        peer.until_closed()

    port, role = environment.new_port(), launcher.role()
    launcher.configure(server_connect_timeout=600, query_wait_timeout=600)
    launcher.database_lines["moving"] = f"port={port} dbname=x"
    with FakeServer(port, stalls) as fake:
        wire = launcher.raw()
        login = threading.Thread(target=wire.login, args=(role.name, role.password, "moving"), daemon=True)
        login.start()
        wait_until(lambda: fake.peers, "a server is being opened")
        move(launcher, f"port={other.port} dbname=postgres")
        login.join(DEADLINE)
        assert wire.value(PLACE).startswith(str(other.port))


def test_a_failure_is_of_the_old_place(launcher, other, environment):
    """The new place is tried at once, however long the old one has been failing."""
    launcher.configure(server_login_retry=600, query_wait_timeout=600)
    old = client(launcher)
    for _ in range(12):     # each failure doubles the wait for the next try
        move(launcher, f"port={environment.new_port()} dbname=postgres")
        with pytest.raises(Refused):
            client(launcher)
    old.send(query(PLACE))
    move(launcher, f"port={other.port} dbname=postgres")
    assert kinds(old.until_ready()) == "TDCZ"


def test_a_cancel_goes_where_its_server_was_opened(launcher, other):
    wire = client(launcher).send(query("select pg_sleep(600)"))
    launcher.wait_servers(1, state="active")
    move(launcher, f"port={other.port} dbname=postgres")
    assert client(launcher).value(PLACE).startswith(str(other.port))
    send_cancel(launcher.address(), wire.key)
    assert error_of(wire.until_ready())["C"] == "57014"
    assert wire.value(PLACE).startswith(str(other.port))


def test_moves_under_load(launcher, other):
    """Each answer after a moment is from where the database is; no client sees an error."""
    launcher.configure(threads=3, default_pool_size=3)
    role = launcher.role()
    launcher.start()
    traffic = Traffic(launcher, role, 6, dbname="moving")
    for count in range(6):
        goal, left = (other, launcher.cluster) if count % 2 == 0 else (launcher.cluster, other)
        before = traffic.answers
        move(launcher, f"port={goal.port} dbname={'postgres' if goal is other else 'app'}")
        wait_until(lambda: traffic.answers > before + 100, "answers")
        wait_until(lambda: not left.backends(role.name), "the old servers are closed")
        assert goal.backends(role.name)
    assert not traffic.stop().failures


# pools


def pools_left(launcher, mark):
    lines = launcher.log.lines("unused pools were forgotten", mark)
    return [int(re.search(r"(\d+) are left", line)[1]) for line in lines]


@pytest.mark.parametrize("threads", [1, 2])
def test_logins_that_fail_leave_no_pools(launcher, threads):
    launcher.configure(pool_mode="transaction", threads=threads)
    role, mark = launcher.role(), 0
    assert launcher.wire(role).value("select 1") == "1"
    for number in range(300):
        with pytest.raises(Refused, match="does not exist"):
            launcher.raw().login(role.name, role.password, f"nosuch{number}")
    wait_until(lambda: pools_left(launcher, mark)[-1:] == [1], "one pool is left")
    # their places are used again
    for number in range(20):
        name = launcher.new_database() if number == 0 else name
        wire = launcher.raw().login(role.name, role.password, name)
        assert wire.value("select current_database()") == name


@pytest.mark.parametrize("threads", [1, 2])
def test_pools_that_are_not_used_are_freed(launcher, threads):
    launcher.configure(pool_mode="transaction", server_idle_timeout=0.5, autodb_idle_timeout=1, threads=threads)
    role = launcher.role()
    kept = launcher.wire(role)

    def is_alone(mark):
        wait_until(lambda: pools_left(launcher, mark)[-1:] == [1], "only the pool of `kept` is left")

    for _ in range(3):
        names = [launcher.new_database() for _ in range(4)]
        mark = launcher.log_mark()
        for name in names:
            with launcher.raw().login(role.name, role.password, name) as wire:
                assert wire.value("select current_database()") == name
        is_alone(mark)
        mark = launcher.log_mark()
        for name in names:
            launcher.cluster.sql(f"drop database {name}")
            # a pool that is remembered would say what its servers said once
            with pytest.raises(Refused, match="does not exist"):
                launcher.raw().login(role.name, role.password, name)
        is_alone(mark)
        assert kept.value("select 1") == "1"
