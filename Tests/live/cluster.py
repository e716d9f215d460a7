"""A PostgreSQL cluster for tests: made from one initdb, started as a child of the tests."""

import contextlib
import os
import shutil
import signal
import subprocess

import psycopg

from environment import own
from waiting import Log, wait_until

BASE_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": 150,
    "superuser_reserved_connections": 5,
    "shared_buffers": "32MB",
    "fsync": "off",
    "log_line_prefix": "%m [%p] %b ",
    "log_statement_stats": "off",
    "timezone": "UTC",
    "password_encryption": "scram-sha-256",
}

# postgres comes in by trust: the tests' own direct connections.
BASE_RULES = """
local all postgres trust
host all postgres 127.0.0.1/32 trust
local replication postgres trust
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""

# Debian's: the owner by peer, all others with a password over TCP. The first line is for the
# tests themselves, whose user isn't the server's. Where the server's user is not the owner's
# namesake, pg_ident.conf says that it is the owner.
DEBIAN_RULES = ("local postgres postgres trust\nlocal all postgres peer{map}\nlocal all all peer\n"
                "host all all 127.0.0.1/32 scram-sha-256\n")


def debian_rules(server_user):
    """Debian's lines of pg_hba.conf, for a server that runs as this user."""
    return DEBIAN_RULES.format(map="" if server_user == "postgres" else " map=owner")


def quote(value):
    """A value as postgresql.conf takes it."""
    return "'" + str(value).replace("'", "''") + "'"


class Cluster:
    """One cluster. start() returns when it answers; superuser connections are direct."""

    def __init__(self, environment, template=None, settings=None):
        self.environment = environment
        self.folder = environment.new_folder("cluster")
        self.data = self.folder / "data"
        self.socket_folder = environment.new_socket_folder()
        self.port = environment.new_port()
        self.log = Log(self.folder / "log")
        self.process = None
        self.wrapper = []       # what starts the server, as prlimit does
        self.connections = {}
        if template is None:
            self._initdb()
        else:
            self._run("cp", "-r", "--reflink=auto", str(template.data), str(self.data))
            (self.data / "postmaster.opts").unlink(missing_ok=True)
        self.write_settings(settings or {})
        self.write_rules(BASE_RULES)
        # for rules with `peer map=owner`
        self.write_ident(f"owner {environment.server_user} postgres\n")

    def _run(self, *command):
        result = subprocess.run(
            [*self.environment.server_run, *command], capture_output=True, text=True, cwd="/"
        )
        assert result.returncode == 0, result.stdout + result.stderr

    def _initdb(self):
        self._run(
            self.environment.program("initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust",
            "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions",
        )

    def write_settings(self, settings):
        """Replaces postgresql.conf: base settings, then these."""
        merged = {
            **BASE_SETTINGS, "port": self.port, "unix_socket_directories": self.socket_folder, **settings
        }
        self._write("postgresql.conf", "".join(f"{k} = {quote(v)}\n" for k, v in merged.items()))

    def write_rules(self, text):
        """Replaces pg_hba.conf; takes effect with reload()."""
        self._write("pg_hba.conf", text)

    def write_ident(self, text):
        """Replaces pg_ident.conf; takes effect with reload()."""
        self._write("pg_ident.conf", text)

    def _write(self, name, text):
        path = self.data / name
        path.write_text(text)
        own(path, self.environment.server_user)

    # life

    def start(self, wait=True):
        output = open(self.log.path, "ab")
        self.process = subprocess.Popen(
            self.environment.as_server(*self.wrapper, self.environment.program("postgres"), "-D", str(self.data)),
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", start_new_session=True,
            env={**os.environ, "LC_ALL": "C"},
        )
        output.close()
        if wait:
            self.wait_ready()
        return self

    def answers(self):
        assert self.process.poll() is None, "the server ended:\n" + self.log.text()[-3000:]
        try:
            psycopg.connect(**self.direct("postgres"), connect_timeout=5).close()
            return True
        except psycopg.OperationalError:
            return False

    def wait_ready(self):
        wait_until(self.answers, "the server answers", 60)

    def stop(self, mode="fast", deadline=30):
        """Sends the signal of the mode and waits for the end. Returns the exit status."""
        self.forget_connections()
        if self.process is None:
            return 0
        numbers = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
        if self.process.poll() is None:
            self.process.send_signal(numbers[mode])
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(10)
            raise AssertionError(f"{mode} shutdown took over {deadline} s:\n" + self.log.text()[-3000:])

    def restart(self):
        self.stop()
        self.start()

    def remove(self):
        """Stops it and removes its files."""
        if self.process is not None and self.process.poll() is None:
            self.stop("immediate")
        self.forget_connections()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.socket_folder, ignore_errors=True)

    def forget_connections(self):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

    # direct connections

    def direct(self, dbname, user="postgres"):
        return {
            "host": str(self.socket_folder), "port": self.port, "user": user, "dbname": dbname,
            "application_name": "direct",
        }

    def superuser(self, dbname="postgres"):
        """A direct autocommit connection, kept for the next time."""
        connection = self.connections.get(dbname)
        if connection is None or connection.closed or connection.broken:
            connection = psycopg.connect(**self.direct(dbname), autocommit=True, prepare_threshold=None)
            self.connections[dbname] = connection
        return connection

    def sql(self, statement, *values, dbname="postgres"):
        """Rows of a statement run directly as superuser; [] where it gives none."""
        cursor = self.superuser(dbname).execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []

    def value(self, statement, *values, dbname="postgres"):
        rows = self.sql(statement, *values, dbname=dbname)
        return rows[0][0] if rows else None

    def loaded(self):
        """When the postmaster last read its files; told by a new connection."""
        with psycopg.connect(**self.direct("postgres")) as connection:
            return connection.execute("select pg_conf_load_time()").fetchone()[0]

    def reload(self):
        """Returns when the postmaster has read its files again."""
        before = self.loaded()
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.loaded() != before, "the reload of the postmaster")

    @contextlib.contextmanager
    def rules(self, text):
        """These lines before the others of pg_hba.conf, for a while."""
        self.write_rules(text + BASE_RULES)
        self.reload()
        yield
        self.write_rules(BASE_RULES)
        self.reload()

    def backends(self, user, state=None):
        """Process ids of a role's ordinary backends that are not the tests' own."""
        rows = self.sql(
            "select pid, state from pg_stat_activity where usename = %s "
            "and backend_type = 'client backend' and application_name <> 'direct' order by backend_start",
            user,
        )
        return [pid for pid, seen in rows if state is None or seen == state]
