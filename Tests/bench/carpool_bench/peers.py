"""What is compared: a plain connection, PgBouncer, and Carpool's two hosts."""

import signal

from .cluster import DATABASE, ROLE
from .failure import Failure
from .processes import Daemon, accepts, child_called

POOL_SIZE = 8
MAX_CLIENTS = 6000
WORKER_NAME = "carpool worker"

INI = """\
[databases]
* = host={server_host} port={server_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir = {sockets}
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = {max_clients}
log_connections = 0
log_disconnections = 0
"""


class Peer:
    """Something clients log in to. name is its key, title its heading."""

    pooler = True   # has a process of its own to look at
    ours = True     # has targets to meet

    def __init__(self, environment, cluster, port):
        self.environment = environment
        self.cluster = cluster
        self.port = port
        self.daemon = None
        self.server_side = None     # how its servers are connected, once seen

    def pid(self):
        """The process whose CPU time and memory count."""
        if self.daemon is None:
            raise Failure(f"{self.title} is not running")
        self.daemon.check()
        return self.daemon.pid

    def start(self):
        raise NotImplementedError

    def stop(self):
        if self.daemon is not None:
            self.daemon.stop(signal.SIGTERM)
            self.daemon = None


class Plain(Peer):
    """A plain connection to the server, for scale."""

    name, title = "plain", "plain"
    pooler = ours = False

    def __init__(self, environment, cluster):
        super().__init__(environment, cluster, cluster.port)

    def pid(self):
        return None

    def start(self):
        pass


class IniPeer(Peer):
    """A pooler of its own process that reads an ini file; the same one for all of them."""

    def __init__(self, environment, cluster, port, server_side):
        super().__init__(environment, cluster, port)
        self.server_host = environment.sockets if server_side == "unix" else "127.0.0.1"

    def program(self):
        raise NotImplementedError

    def write_ini(self):
        folder = self.environment.folder
        users = folder / "users.txt"
        users.write_text(f'"{ROLE}" ""\n')
        ini = folder / f"{self.name}.ini"
        ini.write_text(INI.format(
            server_host=self.server_host, server_port=self.cluster.port, port=self.port,
            sockets=self.environment.sockets, users=users, pool_size=POOL_SIZE, max_clients=MAX_CLIENTS))
        return ini

    def start(self, wrapper=()):
        """wrapper: words before the program, as `valgrind …`."""
        command = [*self.environment.as_server, *wrapper, self.program(), self.write_ini()]
        self.daemon = Daemon(self.title, command, self.environment.folder / f"{self.name}.log")
        self.daemon.wait_until(lambda: accepts(self.port))


class PgBouncer(IniPeer):
    """The peer that ours are measured against."""

    name, title = "pgbouncer", "PgBouncer"
    ours = False

    def program(self):
        return self.environment.pgbouncer


class Launcher(IniPeer):
    """Carpool as a process of its own."""

    name, title = "launcher", "pgpool-launch"

    def program(self):
        return self.environment.launcher


class Database(Peer):
    """Carpool inside its own cluster."""

    name, title = "database", "in the database"

    def settings(self):
        """What its cluster has beyond the plain one."""
        return {
            "shared_preload_libraries": "pg_carpool",
            "carpool.listen_addr": "127.0.0.1",
            "carpool.listen_port": self.port,
            "carpool.unix_socket_dir": self.environment.sockets,
            "carpool.pool_mode": "transaction",
            "carpool.default_pool_size": POOL_SIZE,
            "carpool.max_client_conn": MAX_CLIENTS,
            "carpool.log_connections": "off",
            "carpool.log_disconnections": "off",
        }

    def pid(self):
        if self.cluster.daemon is None:
            raise Failure(f"{self.title}: the server is not running")
        self.cluster.daemon.check()
        pid = child_called(self.cluster.daemon.pid, WORKER_NAME)
        if pid is None:
            raise Failure(f"{self.title}: there is no one process '{WORKER_NAME}'")
        return pid

    def start(self):
        self.cluster.start()
        self.cluster.daemon.wait_until(lambda: accepts(self.port))

    def stop(self):
        self.cluster.stop()


ALL = ("plain", "pgbouncer", "launcher", "database")


def login_words(peer, over_unix):
    """Host, port, user and database for the clients of a peer."""
    host = peer.environment.sockets if over_unix else "127.0.0.1"
    return [str(host), str(peer.port), ROLE, DATABASE]
