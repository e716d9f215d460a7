"""A Carpool under test: what both hosts have in common. See database_host and launcher_host."""

import contextlib
import itertools

import psycopg

from waiting import wait_until
from wire import Closed, Refused, Wire

names = itertools.count(1)


class Role:
    """A role made for one test. It owns a schema of its own name."""

    def __init__(self, name, password):
        self.name = name
        self.password = password


class Pooler:
    """
    Carpool in front of a cluster. Subclasses start it and write its settings; every test
    gets new roles and so new pools.
    """

    name = "?"
    agents = False      # its servers have agents: sessions follow their clients
    database = "app"

    def __init__(self, cluster):
        self.cluster = cluster
        self.port = None
        self.socket_folder = None
        self.roles = []
        self.databases = []
        self.probes = itertools.count(1)
        self.open = []
        self.started = cluster.log.mark() if cluster else 0

    # to be filled in by hosts

    def start(self):
        """Makes it serve, if it does not yet."""

    def configure(self, restart=False, **settings):
        """Changes settings for this test; returns when they hold. restart: they need one."""
        raise NotImplementedError

    def configure_role(self, role, **settings):
        """Settings of one role, from its next login on."""
        raise NotImplementedError

    def configure_database(self, database, **settings):
        raise NotImplementedError

    def log_lines(self, since):
        """The pooler's own log lines."""
        raise NotImplementedError

    def log_mark(self):
        raise NotImplementedError

    def log_tail(self):
        """The last lines that this test's log holds, for people."""
        return self.cluster.log.text(self.started)[-4000:]

    def role_added(self, role):
        """Lets a new role log in."""

    def role_secret_changed(self, role):
        """role.password has changed on the server."""

    # addresses and connections

    def address(self, transport="tcp"):
        self.start()
        host = "127.0.0.1" if transport == "tcp" else str(self.socket_folder)
        return {"host": host, "port": self.port}

    def arguments(self, role, transport="tcp", dbname=None, **extra):
        """For psycopg.connect and libpq's programs."""
        return {
            **self.address(transport), "user": role.name, "password": role.password,
            "dbname": dbname or self.database, **extra,
        }

    def asyncpg_arguments(self, transport="tcp"):
        """For asyncpg.connect, as the test's role."""
        arguments = self.arguments(self.role(), transport)
        arguments["database"] = arguments.pop("dbname")
        return {**arguments, "timeout": 20, "ssl": None if transport == "tcp" else False}

    def connect(self, role=None, transport="tcp", dbname=None, **extra):
        """A psycopg connection, closed at the end of the test; autocommit, nothing prepared."""
        arguments = {"autocommit": True, "prepare_threshold": None, **extra}
        connection = psycopg.connect(**self.arguments(role or self.role(), transport, dbname, **arguments))
        self.open.append(connection)
        return connection

    def wire(self, role=None, transport="tcp", dbname=None, **parameters):
        """A logged-in raw connection, closed at the end of the test."""
        role = role or self.role()
        wire = self.raw(transport)
        return wire.login(role.name, role.password, dbname or self.database, **parameters)

    def raw(self, transport="tcp", **options):
        """A connection on which nothing has been sent."""
        wire = Wire(self.address(transport), **options)
        self.open.append(wire)
        return wire

    # roles, databases

    def new_role(self, password=None, options=""):
        """A role that may log in everywhere; dropped after the test."""
        name = f"role{next(names)}_{self.name}"
        role = Role(name, f"{name} secret" if password is None else password)
        self.cluster.sql(f"create role {name} login password '{role.password}' {options}")
        self.cluster.sql(f"create schema {name} authorization {name}", dbname=self.database)
        self.roles.append(role)
        self.role_added(role)
        return role

    def role(self):
        """This test's first role."""
        return self.roles[0] if self.roles else self.new_role()

    def new_database(self, template=None):
        """A database of its own; dropped after the test."""
        name = f"db{next(names)}_{self.name}"
        self.cluster.sql(f"create database {name}" + (f" template {template}" if template else ""))
        self.databases.append(name)
        return name

    def servers(self, role=None, state=None):
        """Process ids of the pool's backends, as PostgreSQL lists them."""
        return self.cluster.backends((role or self.role()).name, state)

    def wait_servers(self, count, role=None, state=None):
        """Waits until the role has that many backends; returns their process ids."""
        def seen():
            pids = self.servers(role, state)
            return (pids,) if len(pids) == count else None

        return wait_until(seen, f"{count} backends of the pool, {state or 'any state'}")[0]

    def wait_ended(self, pid):
        """Waits until a backend has ended."""
        wait_until(lambda: not self.cluster.sql("select 1 from pg_stat_activity where pid = %s", int(pid)),
                   f"backend {pid} has ended")

    def wait_idle(self, role=None):
        """Waits until no backend of the role runs anything or is in a transaction."""
        wait_until(
            lambda: len(self.servers(role, "idle")) == len(self.servers(role)), "all backends idle"
        )

    # waiting for reloads

    def settle(self):
        """A setting that makes the next settled() true: (name, value)."""
        self.probe = f"carpool_probe_{next(self.probes)}"
        return self.probe

    def settled(self):
        """Waits until the pooler takes the startup parameter that settle() named."""
        def taken():
            try:
                wire = Wire({"host": "127.0.0.1", "port": self.port})
            except ConnectionRefusedError:  # a worker that starts again
                return False
            with wire:
                try:
                    frame = wire.startup("probe", "probe", **{self.probe: "1"}).frame()
                except Closed:
                    return False
                return frame.kind != "E" or "unsupported startup" not in frame.fields().get("M", "")

        wait_until(taken, "the reload")

    def serves(self):
        """Waits until a login and a query succeed, as after a restart of something."""
        def works():
            with contextlib.suppress(OSError, Closed, Refused, psycopg.Error):
                role = self.role()
                with Wire(self.address()) as wire:
                    wire.login(role.name, role.password, self.database)
                    return wire.value("select 1") == "1"

        wait_until(works, "the pooler serves", 30)

    # the end of a test

    def clean(self):
        """Closes what the test opened and drops its databases and roles."""
        for connection in self.open:
            with contextlib.suppress(Exception):
                connection.close()
        self.open = []
        for name in self.databases:
            self.cluster.sql(f"drop database if exists {name} with (force)")
        for role in self.roles:
            self.end_backends(role)
            if self.cluster.value("select 1 from pg_roles where rolname = %s", role.name):
                self.cluster.sql(f"drop owned by {role.name} cascade", dbname=self.database)
                self.cluster.sql(f"drop owned by {role.name} cascade")
                self.cluster.sql(f"drop role {role.name}")
        self.databases, self.roles = [], []

    def end_backends(self, role):
        def gone():
            return not self.cluster.sql(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", role.name
            )

        wait_until(gone, f"no backend of {role.name}")
