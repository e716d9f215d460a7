"""pgpool-launch's options, environment and file: what wins, and how mistakes are named."""

import os
import pwd
import subprocess

import pytest

from waiting import wait_until
from wire import Refused


def run(launcher, *arguments, **variables):
    return subprocess.run(
        [launcher.environment.launcher, *map(str, arguments)], text=True, capture_output=True, timeout=30,
        env={**os.environ, **variables}, cwd="/",
    )


def serve(launcher, *arguments, **variables):
    """Starts with these arguments instead of the file."""
    launcher.write_files()
    launcher.variables.update(variables)
    launcher.launch([launcher.environment.launcher, *map(str, arguments)])
    wait_until(lambda: launcher.listens() is not None, "it listens")


def test_server_and_listen_are_enough(launcher):
    role = launcher.role()
    serve(
        launcher, "--server", f"127.0.0.1:{launcher.cluster.port}", "--listen", f"127.0.0.1:{launcher.port}",
        "--auth-file", launcher.folder / "users.txt", "--auth-type", "scram-sha-256",
        "--pool-mode", "transaction", "--default-pool-size", 1,
        "--unix-socket-dir", launcher.socket_folder,
    )
    first, second = launcher.wire(role), launcher.wire(role, "unix")
    assert first.value("select pg_backend_pid()") == second.value("select pg_backend_pid()")


def test_options_win_over_environment_over_file(launcher):
    launcher.configure(default_pool_size=3, max_client_conn=33, query_wait_timeout=3)
    launcher.write_files()
    result = run(launcher, "--check", launcher.folder / "pool.ini", "--default-pool-size", "1",
                 CARPOOL_DEFAULT_POOL_SIZE="2", CARPOOL_MAX_CLIENT_CONN="22")
    assert result.returncode == 0, result.stdout + result.stderr
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}

    def shows(name, value, source):
        line = lines[name]
        assert value in line and source in line, line

    shows("default_pool_size", "1", "--default-pool-size")
    shows("max_client_conn", "22", "CARPOOL_MAX_CLIENT_CONN")
    shows("query_wait_timeout", "3", "pool.ini")
    shows("server_idle_timeout", "600", "default")


def test_check_starts_nothing(launcher):
    launcher.write_files()
    assert run(launcher, "--check", launcher.folder / "pool.ini").returncode == 0
    assert not os.path.exists(f"{launcher.socket_folder}/.s.PGSQL.{launcher.port}")


@pytest.mark.parametrize("text, names", [
    ("[pgbouncer]\nlisten_port = 7000\nno_such_setting = 1\n", ["pool.ini:3", "no_such_setting"]),
    ("[pgbouncer]\n\nlisten_port = 700000\n", ["pool.ini:3", "listen_port"]),
    ("[pgbouncer]\npool_mode = sometimes\n", ["pool.ini:2", "pool_mode", "transaction"]),
    ("[pgbouncer]\nquery_wait_timeout = soon\n", ["pool.ini:2", "query_wait_timeout"]),
    ("[databases]\nx = hots=1\n", ["pool.ini:2", "hots"]),
    ("[users]\nx = pool_mode=maybe\n", ["pool.ini:2", "pool_mode"]),
    ("[nonsense]\nx = 1\n", ["pool.ini:1", "nonsense"]),
    ("listen_port = 1\n", ["pool.ini:1"]),
    ("[pgbouncer]\nlisten_port\n", ["pool.ini:2"]),
    ("%include missing.ini\n", ["pool.ini:1", "missing.ini"]),
], ids=["unknown", "range", "choice", "time", "database", "user", "section", "no section", "no value",
        "include"])
def test_mistakes_are_named_with_file_and_line(launcher, text, names):
    launcher.write("pool.ini", text)
    for arguments in (["--check"], []):
        result = run(launcher, *arguments, launcher.folder / "pool.ini")
        assert result.returncode != 0
        for name in names:
            assert name in result.stderr + result.stdout, result.stderr + result.stdout


def test_a_missing_file_is_named(launcher):
    result = run(launcher, "/no/such/file.ini")
    assert result.returncode != 0 and "/no/such/file.ini" in result.stderr


def test_an_unknown_option_is_named(launcher):
    result = run(launcher, "--no-such-option")
    assert result.returncode != 0 and "no-such-option" in result.stderr


def test_help_tells_all_settings(launcher):
    result = run(launcher, "--help")
    assert result.returncode == 0
    for word in ("--server", "--listen", "--pool-mode", "--default-pool-size", "--check", "--auth-file",
                 "--query-wait-timeout", "--max-client-conn", "--user", "--version"):
        assert word in result.stdout, word
    assert "test-faults" not in result.stdout


def test_version_tells_it(launcher):
    result = run(launcher, "--version")
    assert result.returncode == 0 and any(char.isdigit() for char in result.stdout)


def test_the_files_dialect_is_pgbouncers(launcher):
    """Comments, quotes, %include, * and forced values."""
    role = launcher.role()
    launcher.write_files()
    launcher.write("more.ini", "default_pool_size = 1 \n")
    launcher.write("pool.ini", f"""
;; a comment
# another one
[databases]
quoted = host='127.0.0.1' port={launcher.cluster.port} dbname='app' pool_mode=transaction
; forced values of one database
* = host=127.0.0.1 port={launcher.cluster.port}

[users]
{role.name} = max_user_connections=5

[pgbouncer]
listen_addr=127.0.0.1
listen_port   =   {launcher.port}
unix_socket_dir = {launcher.socket_folder}
auth_type = scram-sha-256
auth_file = {launcher.folder}/users.txt
%include {launcher.folder}/more.ini
""")
    launcher.launch(launcher.command())
    wait_until(launcher.listens, "it listens")
    wires = [launcher.raw().login(role.name, role.password, "quoted") for _ in range(2)]
    assert len({wire.value("select pg_backend_pid() || current_database()") for wire in wires}) == 1
    assert launcher.wire(role, dbname="postgres").value("select current_database()") == "postgres"


def test_a_database_that_is_not_listed_is_refused_without_a_star(launcher):
    role = launcher.role()
    launcher.write_files()
    text = (launcher.folder / "pool.ini").read_text().replace("* =", "app =")
    launcher.write("pool.ini", text)
    launcher.launch(launcher.command())
    wait_until(launcher.listens, "it listens")
    assert launcher.wire(role, dbname="app").value("select 1") == "1"
    with pytest.raises(Refused) as refused:
        launcher.wire(role, dbname="other")
    assert refused.value.fields["C"] in ("3D000", "08P01")


def test_it_runs_as_another_user_when_started_as_root(launcher):
    """Where the tests run as root; else it takes its own user's name."""
    role = launcher.role()
    name = launcher.environment.server_user if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    launcher.configure(user=name)
    launcher.write_files()
    launcher.launch(launcher.command(), as_server=False)
    wait_until(launcher.listens, "it listens")
    assert launcher.wire(role).value("select 1") == "1"
    uid = pwd.getpwnam(name).pw_uid
    status = open(f"/proc/{launcher.process.pid}/status").read()
    assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in status


def test_root_without_a_user_is_refused(launcher):
    """Root in front of a server is a mistake; other users need no setting."""
    launcher.role()
    launcher.write_files()
    if os.geteuid() == 0:
        result = run(launcher, launcher.folder / "pool.ini")
        assert result.returncode != 0 and "root" in result.stderr and "user" in result.stderr
    else:
        launcher.start()
        assert launcher.running()


def test_a_logfile_takes_the_log(launcher):
    role = launcher.role()
    launcher.configure(logfile=launcher.folder / "own.log")
    launcher.start()
    launcher.wire(role).value("select 1")
    wait_until(lambda: role.name in (launcher.folder / "own.log").read_text(), "the login is in the file")
