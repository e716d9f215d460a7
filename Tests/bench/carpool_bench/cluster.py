"""Scratch clusters, equal but for the preloaded library."""

import shutil
import signal

from .processes import Daemon, kinds_of_sockets

ROLE = "bench"
DATABASE = "bench"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": 200,
    "shared_buffers": "256MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "log_checkpoints": "off",
}

BACKENDS = f"select pid from pg_stat_activity where usename = '{ROLE}' and backend_type = 'client backend'"


class Cluster:
    """One PostgreSQL server on its own data folder."""

    def __init__(self, environment, name, port):
        self.environment = environment
        self.name = name
        self.port = port
        self.data = environment.folder / name
        self.daemon = None

    def create(self, scale, extra=None):
        """initdb, then the role, the database and the tables of the measures."""
        run = self.environment.run_as_server
        run(self.environment.bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust",
            "--no-sync", "--encoding=UTF8", "--locale=C")
        self.configure(extra or {})
        self.start()
        self.sql("postgres", "postgres", f"create role {ROLE} login")
        self.sql("postgres", "postgres", f"create database {DATABASE} owner {ROLE}")
        run(self.environment.bin / "pgbench", "-i", "-q", "-s", scale, "-h", self.environment.sockets,
            "-p", self.port, "-U", ROLE, DATABASE)
        self.sql(ROLE, DATABASE, "create unlogged table sink (line text)")
        self.sql("postgres", DATABASE, "vacuum analyze")

    def copy_of(self, other, extra):
        """Becomes a copy of a stopped cluster, with extra settings."""
        shutil.copytree(other.data, self.data)
        for path in [self.data, *self.data.rglob("*")]:
            shutil.chown(path, self.environment.server_user)
        self.configure(extra)

    def configure(self, extra):
        settings = SETTINGS | {"port": self.port, "unix_socket_directories": self.environment.sockets} | extra
        text = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
        (self.data / "postgresql.auto.conf").write_text(text)
        (self.data / "postgresql.auto.conf").chmod(0o644)

    def start(self):
        program = self.environment.bin / "postgres"
        self.daemon = Daemon(
            f"PostgreSQL ({self.name})", [*self.environment.as_server, program, "-D", self.data],
            self.environment.folder / f"{self.name}.log")
        self.daemon.wait_until(self.answers)

    def answers(self):
        pidfile = self.data / "postmaster.pid"
        lines = pidfile.read_text().split() if pidfile.exists() else []
        return bool(lines) and lines[-1] == "ready"

    def stop(self):
        if self.daemon is not None:
            self.daemon.stop(signal.SIGINT)
            self.daemon = None

    def sql(self, role, database, statement):
        """Runs one statement straight on the server; returns the rows as text."""
        return self.environment.run_as_server(
            self.environment.bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.environment.sockets,
            "-p", self.port, "-U", role, "-d", database, "-c", statement).strip()

    def backends(self):
        """
        The backends of the measures' role: kind of socket by pid. As the kernel has it: what
        pg_stat_activity says is about the client, where Carpool is in between.
        """
        pids = map(int, self.sql("postgres", "postgres", BACKENDS).split())
        return {pid: " and ".join(sorted(kinds_of_sockets(pid))) for pid in pids}
