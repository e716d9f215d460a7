"""Where the library is not preloaded, hot standbys, single-user mode."""

import subprocess

import psycopg
import pytest

from cluster import Cluster
from database_host import DatabaseHost, database_settings
from launcher_host import LauncherHost
from waiting import wait_until
from wire import Wire, error_of


def test_create_extension_works_when_preloaded(database):
    name = database.new_database()
    database.cluster.sql("create extension pg_carpool", dbname=name)
    assert database.cluster.value(
        "select extversion from pg_extension where extname = 'pg_carpool'", dbname=name)
    database.cluster.sql("drop extension pg_carpool", dbname=name)
    database.cluster.superuser(name).close()


def test_create_extension_refuses_with_a_hint_when_not_preloaded(plain_cluster):
    with pytest.raises(psycopg.Error) as refused:
        plain_cluster.sql("create extension pg_carpool")
    assert "shared_preload_libraries" in refused.value.diag.message_primary + (
        refused.value.diag.message_hint or "")
    assert refused.value.diag.message_hint
    assert not plain_cluster.sql("select 1 from pg_extension where extname = 'pg_carpool'")


def test_load_refuses_when_not_preloaded(plain_cluster):
    with pytest.raises(psycopg.Error) as refused:
        plain_cluster.sql("load 'pg_carpool'")
    assert "shared_preload_libraries" in str(refused.value)
    assert plain_cluster.value("select 1") == 1


@pytest.fixture
def standby(fresh_cluster, environment):
    """A primary and its streaming standby, both with Carpool."""
    primary = fresh_cluster(pool_mode="transaction")
    copy = Cluster.__new__(Cluster)
    copy.environment = environment
    copy.folder = environment.new_folder("standby")
    copy.data = copy.folder / "data"
    copy.socket_folder = environment.new_socket_folder()
    copy.port, copy.pooler_port = environment.new_port(), environment.new_port()
    copy.log = type(primary.log)(copy.folder / "log")
    copy.process, copy.connections, copy.wrapper = None, {}, []
    copy._run(environment.program("pg_basebackup"), "-h", str(primary.socket_folder), "-p",
              str(primary.port), "-U", "postgres", "-D", str(copy.data), "-R", "-X", "stream", "-c", "fast")
    copy.write_settings(
        database_settings(environment, copy.socket_folder, copy.pooler_port, pool_mode="transaction"))
    copy.start()
    yield DatabaseHost(primary), DatabaseHost(copy)
    copy.remove()


def test_a_hot_standby_serves_reads_and_lives_through_promotion(standby):
    primary, standby = standby
    role = primary.new_role()
    writer = primary.wire(role)
    writer.query("create table news(x int)")
    writer.query("insert into news values (1)")
    standby.roles.append(role)
    standby.serves()
    reader = standby.wire(role)
    wait_until(lambda: reader.query("table news")[1].kind == "D", "the row is replicated")
    assert reader.value("select pg_is_in_recovery()") == "t"
    assert error_of(reader.query("insert into news values (2)"))["C"] == "25006"
    worker = standby.worker()
    assert standby.cluster.value("select pg_promote(true, 30)")
    assert reader.value("select pg_is_in_recovery()") == "f"
    assert reader.query("insert into news values (2)")[-1].body == b"I"
    assert standby.worker() == worker
    assert standby.wire(role).value("select count(*) from news") == "2"


def test_clients_listen_and_know_the_primary_after_a_promotion(standby):
    primary, standby = standby
    role = primary.new_role()
    standby.roles.append(role)
    standby.serves()
    early, idle = standby.wire(role), standby.wire(role)
    assert early.parameters["in_hot_standby"] == idle.parameters["in_hot_standby"] == "on"
    early.query("select 1")
    assert standby.cluster.value("select pg_promote(true, 30)")
    for number in range(3):
        early.query(f"listen news{number}")
        standby.cluster.sql(f"notify news{number}, 'heard'", dbname=standby.database)
        assert early.frame().body[4:] == f"news{number}\0heard\0".encode()
    hub = "select count(*) from pg_stat_activity where application_name = 'carpool hub'"
    wait_until(lambda: standby.cluster.value(hub) == 1, "the hub")
    for word in (b"in_hot_standby\0off\0", None):
        assert [frame.body for frame in idle.query("select 1") if frame.kind == "S"] == [word] * (word is not None)
    wait_until(lambda: standby.wire(role).parameters["in_hot_standby"] == "off", "new logins are told")


@pytest.mark.parametrize("threads", [1, 2])
def test_the_launcher_tells_all_clients_of_a_promotion(standby, environment, threads):
    primary, standby = standby
    role = primary.new_role()
    standby.roles.append(role)
    standby.serves()
    launcher = LauncherHost(standby.cluster, environment)
    launcher.role_added(role)
    launcher.configure(pool_mode="transaction", default_pool_size=4, threads=threads)
    launcher.start()
    clients = [launcher.wire(role) for _ in range(6)]
    assert {client.parameters["in_hot_standby"] for client in clients} == {"on"}
    clients[1].query("begin")
    assert standby.cluster.value("select pg_promote(true, 30)")
    told = b"in_hot_standby\0off\0"
    assert [frame.body for frame in clients[0].query("select 1") if frame.kind == "S"] == [told]
    for client in clients[2:]:
        assert client.frame() == ("S", told)
    assert launcher.wire(role).parameters["in_hot_standby"] == "off"
    assert told in [frame.body for frame in clients[1].query("commit") if frame.kind == "S"]
    launcher.clean()


@pytest.fixture
def launcher_before(environment):
    """Makes a launcher in front of a cluster that this role can log in to."""
    made = []

    def make(cluster, role, **settings):
        launcher = LauncherHost(cluster, environment)
        launcher.secrets[role.name] = role.password
        launcher.configure(**settings)
        wait_until(lambda: cluster.value("select 1 from pg_roles where rolname = %s", role.name), "the role")
        wait_until(lambda: cluster.value("select 1 from pg_database where datname = 'app'"), "the database")
        made.append(launcher)
        return launcher

    yield make
    for launcher in made:
        launcher.clean()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_new_logins_at_the_launcher_know_the_primary_after_a_promotion(standby, launcher_before, mode, threads):
    """Also where nobody asks the server anything, as libpq does not before it is content."""
    primary, standby = standby
    role = primary.new_role()
    launcher = launcher_before(standby.cluster, role, pool_mode=mode, threads=threads)

    def told():
        with launcher.raw() as wire:
            return wire.login(role.name, role.password, "app").parameters["in_hot_standby"]

    assert [told() for _ in range(4)] == ["on"] * 4
    assert standby.cluster.value("select pg_promote(true, 30)")
    wait_until(lambda: told() == "off", "a login is told")
    assert [told() for _ in range(4)] == ["off"] * 4


def test_a_standby_that_ends_and_starts_again_serves(standby):
    primary, standby = standby
    standby.roles.append(primary.new_role())
    standby.serves()
    standby.cluster.restart()
    standby.serves()


def single_user(cluster, *options, script="select 1;\n"):
    return subprocess.run(
        [*cluster.environment.server_run, cluster.environment.program("postgres"), "--single", "-D",
         str(cluster.data), *options, "postgres"],
        input=script, text=True, capture_output=True, timeout=60, cwd="/",
    )


def test_single_user_mode_has_no_worker_and_no_error(fresh_cluster):
    cluster = fresh_cluster()
    cluster.stop()
    result = single_user(cluster, script="select 40 + 2 as answer;\nshow carpool.listen_port;\n")
    assert result.returncode == 0, result.stderr
    assert '"42"' in result.stdout and str(cluster.pooler_port) in result.stdout
    assert "ERROR" not in result.stderr and "FATAL" not in result.stderr
    cluster.start()
    host = DatabaseHost(cluster)
    host.new_role()
    host.serves()


def test_binary_upgrade_mode_has_no_worker(fresh_cluster):
    cluster = fresh_cluster()
    cluster.stop()
    mark = cluster.log.mark()
    cluster.process = subprocess.Popen(
        cluster.environment.as_server(
            cluster.environment.program("postgres"), "-D", str(cluster.data), "-b"),
        stdin=subprocess.DEVNULL, stdout=open(cluster.log.path, "ab"), stderr=subprocess.STDOUT, cwd="/",
    )
    cluster.wait_ready()
    assert not cluster.sql("select 1 from pg_stat_activity where backend_type = 'carpool worker'")
    assert not cluster.log.lines("carpool.*(ERROR|FATAL)", mark)
    cluster.stop()


def test_without_addresses_and_socket_there_is_no_listener_and_no_error(fresh_cluster):
    cluster = fresh_cluster(listen_addr="", unix_socket_dir="")
    assert cluster.value("select 1") == 1
    assert not cluster.log.lines("carpool.*(ERROR|FATAL|PANIC)")
    cluster.stop()


def test_several_addresses(fresh_cluster):
    host = DatabaseHost(fresh_cluster(listen_addr="127.0.0.1,127.0.0.2"))
    role = host.new_role()
    host.serves()
    for address in ("127.0.0.1", "127.0.0.2"):
        with Wire({"host": address, "port": host.port}) as wire:
            assert wire.startup(role.name, "app").frame().kind in "RE", "somebody answers there"


def test_initdb_and_pg_ctl_checks_work_with_the_library_named(fresh_cluster):
    """postgres -C reads a setting of ours without starting anything."""
    cluster = fresh_cluster()
    cluster.stop()
    result = subprocess.run(
        [*cluster.environment.server_run, cluster.environment.program("postgres"), "-C",
         "carpool.listen_port", "-D", str(cluster.data)],
        text=True, capture_output=True, timeout=30, cwd="/",
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(cluster.pooler_port)
