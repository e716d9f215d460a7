"""
Nearly a thousand clients that each do their worst of a kind: the worker's memory stays within the bound
of docs/CONFIG.md ("Memory"), and a neighbour is served.
"""

import contextlib
import re
import struct

import pytest

from database_host import DatabaseHost
from scram import scram_secret
from test_descriptors import connection
from test_hashing import endless_secret
from waiting import wait_until
from wire import Wire, message, query, startup, text

CLIENTS = 980   # max_client_conn is 1000
KB, MB = 1 << 10, 1 << 20
POOL = 10

pytestmark = pytest.mark.deadline(180)


def own_memory(pooler):
    """Resident bytes of the process that pools, without shared memory and files."""
    pid = pooler.worker() if pooler.name == "database" else pooler.process.pid
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * KB


def bound(pooler, connections, servers):
    """The formula of docs/CONFIG.md, with one engine thread."""
    return 64 * MB + connections * 256 * KB + servers * 256 * KB


def clients(pooler):
    """How many clients the worker in the database says it has."""
    activity = pooler.cluster.value("select query from pg_stat_activity where pid = %s", pooler.worker())
    return int(re.search(r"(\d+) clients", activity)[1])


class Crowd:
    """Clients that misbehave, and a neighbour of another pool who has to be served meanwhile."""

    def __init__(self, pooler):
        self.pooler = pooler
        self.wires = []
        self.role = quick_role(pooler)
        neighbour = pooler.new_role()
        pooler.configure(pool_mode="transaction", default_pool_size=POOL,
                         client_login_timeout=0, log_connections=0, log_disconnections=0)
        self.neighbour = pooler.wire(neighbour)
        self.check()

    def come(self, count=CLIENTS, **options):
        """Connections on which nothing was sent."""
        for _ in range(count):
            self.wires.append(connection(self.pooler, "tcp", **options))
        return self.wires[-count:]

    def enter(self, count=CLIENTS, role=None, **options):
        """Clients that are logged in."""
        role = role or self.role
        for wire in self.come(count, **options):
            wire.login(role.name, role.password, self.pooler.database)
        return self.wires

    def check(self):
        assert self.neighbour.value("select 1") == "1"

    def settle(self):
        """The most memory until the worker has taken what was sent: it does not change any more."""
        seen = [own_memory(self.pooler)]

        def still():
            self.check()
            seen.append(own_memory(self.pooler))
            return len(seen) > 20 and max(seen[-10:]) - min(seen[-10:]) < 64 * KB

        wait_until(still, "the worker's memory is steady", 60)
        return max(seen)


def quick_role(pooler):
    """A role whose logins cost a client little."""
    role = pooler.new_role()
    secret = scram_secret(role.password, iterations=1)
    pooler.cluster.sql("update pg_authid set rolpassword = %s where rolname = %s", secret, role.name)
    if not pooler.agents:
        pooler.secrets[role.name] = secret
    return role


@pytest.fixture
def crowd(pooler):
    crowd = Crowd(pooler)
    yield crowd
    for wire in crowd.wires:
        wire.close()
    # what they sent may still have to be done; the next test needs their places
    if pooler.agents:
        wait_until(lambda: clients(pooler) < 10, "the clients are gone", 60)


def stays_bound(crowd, servers=POOL):
    used = crowd.settle()
    most = bound(crowd.pooler, len(crowd.wires), servers)
    assert used < most, f"{used / MB:.0f} MB of {most / MB:.0f} MB"
    for _ in range(20):
        crowd.check()
    return used


def send_all(wires, data):
    """Sends as much as each takes without waiting."""
    for wire in wires:
        wire.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            wire.socket.send(data)


def test_half_a_startup_packet(crowd):
    packet = startup("x", "y", application_name="z" * 9900)
    send_all(crowd.come(), packet[:-1])
    stays_bound(crowd)


def test_startup_packets_of_many_settings(crowd):
    """They wait for a server that never comes, or are refused."""
    role, database = crowd.role.name, crowd.pooler.database
    holders = crowd.enter(POOL)
    for wire in holders:
        wire.query("begin")
    many = {f"a.{number}": "" for number in range(1400)} if crowd.pooler.agents else {}
    switches = "-" + "F" * 9000
    for number, wire in enumerate(crowd.come(CLIENTS - POOL)):
        extra = {"options": switches} if number % 2 else many
        wire.send(startup(role, database, **extra))
    stays_bound(crowd)


def test_a_password_message_half_sent(crowd):
    pooler = crowd.pooler
    with clear_text_passwords(pooler):
        for wire in crowd.come():
            wire.startup(crowd.role.name, pooler.database)
            assert wire.frame().body == b"\0\0\0\3"
        send_all(crowd.wires, b"p" + struct.pack("!I", 65_000) + b"x" * 64_000)
        stays_bound(crowd)


def test_long_passwords_that_are_hashed_without_end(crowd):
    pooler = crowd.pooler
    eve = pooler.new_role()
    pooler.cluster.sql("update pg_authid set rolpassword = %s where rolname = %s", endless_secret(), eve.name)
    if not pooler.agents:
        pooler.secrets[eve.name] = endless_secret()
    with clear_text_passwords(pooler):
        password = message("p", text("y" * 65_000))
        for wire in crowd.come():
            wire.startup(eve.name, pooler.database)
            assert wire.frame().body == b"\0\0\0\3"
        for wire in crowd.wires:
            wire.send(password)
        stays_bound(crowd)


@contextlib.contextmanager
def clear_text_passwords(pooler):
    """Logins ask for passwords in clear text."""
    if pooler.agents:
        with pooler.cluster.rules("host all all 127.0.0.1/32 password\n"):
            pooler.reload()
            yield
    else:
        pooler.configure(auth_type="plain")
        yield


def test_a_sasl_message_half_sent(crowd):
    for wire in crowd.come():
        wire.startup(crowd.role.name, crowd.pooler.database)
    for wire in crowd.wires:
        wire.frame()
    send_all(crowd.wires, b"p" + struct.pack("!I", 65_000) + b"SCRAM-SHA-256\0" + b"x" * 64_000)
    stays_bound(crowd)


def test_a_huge_query_whose_rest_never_comes_while_the_pool_is_full(crowd):
    wires = crowd.enter()
    for wire in wires[:POOL]:
        wire.query("begin")
    send_all(wires[POOL:], b"Q" + struct.pack("!I", 500 * MB) + b"select '" + b"x" * (1 * MB))
    stays_bound(crowd)
    assert wires[0].value("select 2") == "2"


def test_slow_readers_of_a_large_result(crowd):
    wires = crowd.enter(receive_buffer=4096)
    for wire in wires:
        wire.send(query("select repeat('x', 1000) from generate_series(1, 10000)"))
    stays_bound(crowd)


def test_clients_that_read_nothing_ask_on(crowd):
    """Their answers wait in the worker, their questions in the kernel."""
    wires = crowd.enter(receive_buffer=4096)
    send_all(wires, query("select repeat('x', 60000)") * 20_000)
    stays_bound(crowd)


def test_a_copy_that_stalls(crowd):
    crowd.pooler.cluster.sql(
        f"create table {crowd.role.name}.copied(t text); "
        f"alter table {crowd.role.name}.copied owner to {crowd.role.name}", dbname=crowd.pooler.database)
    wires = crowd.enter()
    for wire in wires:
        wire.send(query(f"copy {crowd.role.name}.copied from stdin"))
    started = set()

    def all_started():
        started.update(wire for wire in wires if wire not in started and answers(wire))
        return len(started) == POOL

    wait_until(all_started, "each server has a COPY")
    send_all(wires, b"d" + struct.pack("!I", 500 * MB) + b"y" * (1 * MB))
    stays_bound(crowd)


def answers(wire):
    """Whether something has come."""
    wire.socket.setblocking(False)
    try:
        return bool(wire.socket.recv(100))
    except BlockingIOError:
        return False


def test_many_distinct_parameter_sets(crowd):
    for number, wire in enumerate(crowd.come()):
        if crowd.pooler.agents:
            extra = {"my.setting": f"{number}" + "w" * 7000}
        else:
            extra = {"application_name": f"{number}" + "w" * 9000}
        wire.login(crowd.role.name, crowd.role.password, crowd.pooler.database, **extra)
    stays_bound(crowd)


def test_what_is_remembered_of_parameters_is_bounded(fresh_cluster):
    """Clients come and go, each with parameters that no other has, in several pools."""
    host = DatabaseHost(fresh_cluster(pool_mode="transaction", default_pool_size=2))
    roles = [quick_role(host) for _ in range(12)]
    host.wire(roles[0]).value("select 1")
    used = own_memory(host)
    for number in range(500):
        for role in roles:
            with Wire(host.address()) as wire:
                wire.login(role.name, role.password, host.database, **{"my.setting": f"{number}" + "v" * 7000})
    grown = own_memory(host) - used
    assert grown < 32 * MB, f"{grown / MB:.0f} MB"
    host.clean()
