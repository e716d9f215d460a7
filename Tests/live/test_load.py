"""Many clients: no error, no server too many."""

import threading
import time

import psycopg
import pytest

from programs import Traffic, pgbench
from waiting import wait_until
from wire import Wire

pytestmark = pytest.mark.deadline(150)


class ServerCount:
    """Watches how many backends a role has, until stop()."""

    def __init__(self, pooler, role):
        self.most, self.running = 0, True
        self.pooler, self.role = pooler, role
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        with psycopg.connect(**self.pooler.cluster.direct("postgres"), autocommit=True) as connection:
            while self.running:
                count = connection.execute(
                    "select count(*) from pg_stat_activity where usename = %s and pid <> pg_backend_pid()",
                    [self.role.name],
                ).fetchone()[0]
                self.most = max(self.most, count)
                time.sleep(0.05)

    def stop(self):
        self.running = False
        self.thread.join()
        return self.most


@pytest.fixture
def bench_role(pooler):
    pooler.configure(pool_mode="transaction", default_pool_size=8)
    role = pooler.new_role()
    bench = pgbench(pooler, role, "-i", "-s", 4, "--quiet")
    assert bench.status == 0, bench.output
    return role


def test_pgbench_with_8_servers_for_64_clients(pooler, transport, bench_role):
    count, seconds = ServerCount(pooler, bench_role), 10 if transport == "tcp" else 4
    for protocol in ("simple", "extended"):
        bench = pgbench(pooler, bench_role, "-c", 64, "-j", 2, "-T", seconds, "-M", protocol, "-n",
                        transport=transport).clean()
        assert bench.transactions > 500
    assert 1 <= count.stop() <= 8
    assert pooler.cluster.value(
        f"select sum(abalance) from {bench_role.name}.pgbench_accounts", dbname="app"
    ) == pooler.cluster.value(f"select sum(delta) from {bench_role.name}.pgbench_history", dbname="app")


def test_pgbench_with_a_login_for_each_transaction(pooler, bench_role):
    bench = pgbench(pooler, bench_role, "-S", "-C", "-c", 8, "-j", 2, "-T", 3, "-n").clean()
    assert bench.transactions > 50


def test_pgbench_in_session_mode(pooler, transport):
    pooler.configure(pool_mode="session", default_pool_size=8)
    role = pooler.new_role()
    assert pgbench(pooler, role, "-i", "-s", 1, "--quiet", transport=transport).status == 0
    bench = pgbench(pooler, role, "-c", 8, "-j", 2, "-T", 3, "-M", "prepared", "-n", transport=transport)
    assert bench.clean().transactions > 100


def test_500_clients_200_at_a_time_50_queries_each(pooler):
    role = pooler.new_role()
    pooler.configure(pool_mode="transaction", default_pool_size=8, max_client_conn=1000)
    address, gate, failures, done = pooler.address(), threading.Semaphore(200), [], []

    def client(number):
        with gate:
            try:
                with Wire(address, timeout=60) as wire:
                    wire.login(role.name, role.password, pooler.database)
                    for query in range(50):
                        assert wire.value(f"select {number} * 1000 + {query}") == str(number * 1000 + query)
                done.append(number)
            except Exception as error:
                failures.append(repr(error))

    count = ServerCount(pooler, role)
    threads = [threading.Thread(target=client, args=(number,)) for number in range(500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(done) == 500
    assert count.stop() <= 8


def test_a_ramp_from_10_to_500_clients(pooler):
    """Each step logs more clients in; all of them, old and new, get their answers."""
    role = pooler.new_role()
    pooler.configure(pool_mode="transaction", default_pool_size=8, max_client_conn=1000)
    wires = []
    for target in (10, 50, 100, 200, 350, 500):
        while len(wires) < target:
            wires.append(pooler.wire(role))
        for _ in range(2):
            for wire in wires:
                wire.send(b"Q\0\0\0\x0dselect 1\0")
            for wire in wires:
                assert [frame.kind for frame in wire.until_ready()] == ["T", "D", "C", "Z"]
    assert len(pooler.servers(role)) <= 8


def test_several_engine_threads(pooler, transport):
    pooler.configure(restart=True, threads=4, pool_mode="transaction", default_pool_size=5)
    role = pooler.new_role()
    assert pgbench(pooler, role, "-i", "-s", 1, "--quiet", transport=transport).status == 0
    count = ServerCount(pooler, role)
    for protocol in ("simple", "extended"):
        pgbench(pooler, role, "-c", 40, "-j", 2, "-T", 4, "-M", protocol, "-n", transport=transport).clean()
    assert count.stop() <= 5
    traffic = Traffic(pooler, role, 30, transport=transport)
    wait_until(lambda: traffic.answers > 1000 or traffic.failures, "answers")
    assert not traffic.stop().failures


def test_logins_of_many_roles_at_once(pooler):
    roles = [pooler.new_role() for _ in range(20)]
    pooler.configure(pool_mode="transaction", default_pool_size=2)
    traffics = [Traffic(pooler, role, 3, "select current_user") for role in roles]
    wait_until(lambda: all(t.answers > 20 or t.failures for t in traffics), "answers for all", 60)
    for traffic in traffics:
        assert not traffic.stop().failures


def test_connections_that_say_nothing_cost_nobody_anything(pooler):
    role = pooler.new_role()
    pooler.configure(pool_mode="transaction", max_client_conn=1000)
    silent = [pooler.raw() for _ in range(300)]
    wire = pooler.wire(role)
    for _ in range(100):
        assert wire.value("select 1") == "1"
    for other in silent:
        other.close()
    assert pooler.wire(role).value("select 1") == "1"
