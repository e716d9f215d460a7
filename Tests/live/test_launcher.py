"""pgpool-launch as a process: signals, traps, ports."""

import fcntl
import os
import re
import signal
import socket
import subprocess

import pytest

from cluster import Cluster
from constants import TRAP
from launcher_host import LauncherHost
from programs import Traffic
from waiting import wait_until
from wire import Closed, Refused, Wire, error_of, query, send_cancel


def stops_listening(launcher):
    def refused():
        try:
            with Wire({"host": "127.0.0.1", "port": launcher.port}, timeout=1) as wire:
                wire.startup("x", "y").frame()
        except TimeoutError:
            return False
        except (OSError, Closed):
            return True

    wait_until(refused, "nobody listens any more")


@pytest.fixture
def shared(launcher):
    launcher.configure(pool_mode="transaction", default_pool_size=2)
    return launcher


def test_sigterm_waits_until_the_clients_leave(shared):
    idle, busy = shared.wire(), shared.wire()
    busy.query("begin")
    shared.process.send_signal(signal.SIGTERM)
    stops_listening(shared)
    assert idle.value("select 1") == "1"
    assert busy.query("commit")[-1].body == b"I"
    assert busy.value("select 2") == "2"
    idle.close()
    assert shared.process.poll() is None
    busy.close()
    assert shared.process.wait(10) == 0


def test_sigterm_twice_ends_it_now(shared):
    wire = shared.wire()
    wire.query("begin")
    shared.process.send_signal(signal.SIGTERM)
    stops_listening(shared)
    shared.process.send_signal(signal.SIGTERM)
    assert error_of(wire.until_closed())["C"] == "57P01"
    assert shared.process.wait(10) == 0


def test_sigterm_without_clients_ends_it_at_once(shared):
    shared.wire().send(b"X\0\0\0\4").until_closed()
    assert shared.stop(signal.SIGTERM) == 0


def test_sigint_lets_transactions_end(shared):
    idle, busy, waiting = shared.wire(), shared.wire(), shared.wire()
    idle.value("select 1")
    busy.query("begin")
    busy.query("create table last_work(x int)")
    waiting.send(query("select 'late' from pg_sleep(0.5)"))
    shared.wait_servers(1, state="active")
    shared.process.send_signal(signal.SIGINT)
    assert error_of(idle.until_closed())["C"] == "57P01"
    frames = waiting.until_closed()
    assert [frame.values() for frame in frames if frame.kind == "D"] == [["late"]]
    assert busy.query("insert into last_work values (1)")[-1].body == b"T"
    busy.send(query("commit"))
    frames = busy.until_closed()
    assert error_of(frames)["C"] == "57P01" and [f.body for f in frames if f.kind == "Z"] == [b"I"]
    assert shared.process.wait(10) == 0
    assert shared.cluster.value(
        f"select count(*) from {shared.role().name}.last_work", dbname="app") == 1


def test_sigquit_ends_it_now(shared):
    wire = shared.wire()
    wire.query("begin")
    assert shared.stop(signal.SIGQUIT) is not None
    wire.until_closed()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_servers_and_files_are_gone_after_the_end(shared, number):
    role = shared.role()
    shared.configure(pidfile=shared.folder / "pid")
    shared.wire(role).send(query("select 1")).until_ready()
    assert int((shared.folder / "pid").read_text()) == shared.process.pid
    for wire in shared.open:
        wire.close()
    shared.stop(number)
    shared.wait_servers(0, role)
    assert not os.path.exists(f"{shared.socket_folder}/.s.PGSQL.{shared.port}")
    assert not (shared.folder / "pid").exists()


def test_sighup_reloads_and_keeps_everybody(shared):
    inside = shared.wire()
    inside.query("begin")
    pid = inside.value("select pg_backend_pid()")
    process = shared.process.pid
    shared.configure(max_client_conn=1)
    with pytest.raises(Refused, match="max_client_conn"):
        shared.wire()
    shared.settings["max_client_conn"] = 100
    shared.write_files()
    shared.process.send_signal(signal.SIGHUP)

    def room():
        try:
            return shared.wire().value("select 1") == "1"
        except Refused:
            return False

    wait_until(room, "the larger limit holds")
    assert inside.value("select pg_backend_pid()") == pid and shared.process.pid == process


def test_a_faulty_file_keeps_the_old_settings_and_is_logged(shared):
    role = shared.role()
    inside = shared.wire(role)
    mark = shared.log_mark()
    shared.write("pool.ini", "[pgbouncer]\nno_such_setting = 1\n")
    shared.process.send_signal(signal.SIGHUP)
    line = shared.log.wait("no_such_setting", mark)
    assert "pool.ini:2" in line
    assert inside.value("select 1") == "1" and shared.wire(role).value("select 1") == "1"


def test_a_changed_database_line_moves_new_servers(shared, environment, template):
    other = Cluster(environment, template).start()
    try:
        role = shared.role()
        other.sql(f"create role {role.name} login password '{role.password}'")
        shared.database_lines["moving"] = "dbname=app"
        wire = shared.raw().login(role.name, role.password, "moving")
        assert wire.value("select current_setting('port')") == str(shared.cluster.port)
        shared.database_lines["moving"] = f"port={other.port} dbname=postgres"
        shared.reload()
        new = shared.raw().login(role.name, role.password, "moving")
        assert new.value("select current_setting('port')") == str(other.port)
        assert wait_until(
            lambda: wire.value("select current_setting('port')") == str(other.port), "old clients move too")
    finally:
        other.remove()


def test_a_trap_is_survived(shared):
    shared.variables["CARPOOL_TEST_FAULTS"] = "1"
    shared.configure(default_pool_size=4)
    role = shared.role()
    shared.start()
    traffic = Traffic(shared, role, 8, reconnect=True)
    for count in range(1, 4):
        before = traffic.answers
        wait_until(lambda: traffic.answers > before + 50, "answers")
        send_cancel(shared.address(), TRAP)
        wait_until(lambda: len(shared.log.lines("trap")) >= count, "the trap is logged")
        shared.serves()
    before = traffic.answers
    wait_until(lambda: traffic.answers > before + 50, "answers again")
    traffic.stop()
    wait_until(lambda: len(shared.servers(role)) <= 4, "no server is left over")
    assert shared.stop(signal.SIGTERM) == 0


def test_the_trapping_key_does_nothing_by_default(shared):
    wire = shared.wire()
    send_cancel(shared.address(), TRAP)
    assert wire.value("select 1") == "1"
    assert not shared.log.lines("trap")


def test_a_port_in_use_is_an_error_that_names_it(launcher):
    launcher.role()
    launcher.write_files()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", launcher.port))
        other.listen()
        launcher.launch(launcher.command())
        assert launcher.process.wait(10) != 0
    assert launcher.log.lines(f"{launcher.port}.*in use|in use.*{launcher.port}")
    launcher.process = None


def test_a_socket_file_left_behind_is_taken_over(shared):
    role = shared.role()
    shared.start()
    shared.process.kill()
    shared.process.wait()
    assert os.path.exists(f"{shared.socket_folder}/.s.PGSQL.{shared.port}")
    shared.process = None
    shared.start()
    assert shared.wire(role, "unix").value("select 1") == "1"


def test_a_socket_of_a_running_launcher_is_not_taken_over(shared, environment):
    role = shared.role()
    shared.start()
    second = LauncherHost(shared.cluster, environment)
    second.secrets, second.port, second.socket_folder = shared.secrets, shared.port, shared.socket_folder
    second.settings = {"listen_addr": ""}
    second.write_files()
    second.launch(second.command())
    assert second.process.wait(10) != 0
    second.process = None
    assert shared.wire(role, "unix").value("select 1") == "1"


def test_a_server_is_reached_over_its_unix_socket(shared):
    role = shared.role()
    shared.server = f"host={shared.cluster.socket_folder} port={shared.cluster.port}"
    wire = shared.wire(role)
    assert wire.value("select inet_server_addr() is null") == "t"


def test_a_log_that_takes_nothing_stops_nobody(launcher):
    """Standard error is a pipe that is not read: lines wait, then are dropped and counted."""
    role = launcher.new_role()
    launcher.configure(pool_mode="transaction")
    launcher.write_files()
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    launcher.process = subprocess.Popen(
        launcher.environment.as_server(*launcher.command()), stdin=subprocess.DEVNULL, stdout=writing,
        stderr=writing, cwd="/", start_new_session=True)
    os.close(writing)
    wait_until(launcher.listens, "the launcher listens")
    for number in range(1500):
        with launcher.raw() as wire:
            assert wire.startup("x", "y", refused=str(number)).frame().fields()["C"] == "0A000"
    wire = launcher.wire(role)
    assert wire.value("select 1") == "1"
    with open(reading, "rb") as log:
        text = b""
        while b"dropped" not in text:
            part = os.read(log.fileno(), 65536)
            assert part, text[-1000:]
            text += part
        dropped = int(re.search(rb"WARNING dropped (\d+) log lines", text)[1])
        told = text.count(b"unsupported startup parameter")
        assert told < 1000 and told + dropped >= 1500, (told, dropped)
        assert wire.value("select 2") == "2"
        launcher.stop()
