"""Servers that several pools want: shares of a limit, outages, and long queues."""

import collections
import contextlib
import re
import resource
import select
import threading
import time

import pytest

from database_host import DatabaseHost
from fake_server import WELCOME, FakeServer, error, row
from waiting import wait_until
from wire import Closed, Refused, Wire, kinds, query, startup

SLOT = "remaining connection slots|too many clients"


class Crowd:
    """Clients of some roles that ask all the time, in threads; `done` counts their answers."""

    def __init__(self, host, roles, each, dbname=None):
        host.start()
        self.done = collections.Counter()
        self.errors = []
        self.ended = threading.Event()
        wires = [(role, dbname) for role in roles for _ in range(each)]
        self.threads = [threading.Thread(target=self.ask, args=(host, *wire), daemon=True) for wire in wires]

    def ask(self, host, role, dbname):
        try:
            with host.raw() as wire:
                wire.login(role.name, role.password, dbname or host.database)
                while not self.ended.is_set():
                    wire.value("select 1")
                    self.done[role.name] += 1
        except (Closed, Refused, OSError) as problem:
            self.errors.append(problem)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def limited(pooler, scope, limit, threads):
    """Roles, a database for them, and a limit on what their pools have together."""
    pooler.configure(pool_mode="transaction", default_pool_size=10, **(
        {"threads": threads, "restart": True} if threads > 1 else {}))
    name = pooler.new_database()
    if scope == "database":
        pooler.configure_database(name, max_db_connections=limit)
    else:
        pooler.configure(max_db_connections=limit)
    return [pooler.new_role() for _ in range(4)], name


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("limit", [1, 3, 6])
def test_pools_that_never_rest_share_max_db_connections(pooler, limit, threads):
    """All get on, none has to wait for the others to stop, and servers last for many queries."""
    roles, name = limited(pooler, "database", limit, threads)
    mark, start = pooler.log_mark(), time.monotonic()
    with Crowd(pooler, roles, 3, name) as crowd:
        for _ in range(3):
            before = dict(crowd.done)
            wait_until(
                lambda: crowd.errors
                or all(crowd.done[role.name] > before.get(role.name, 0) + 20 for role in roles),
                "all pools get on")
            # a process that has been told to end does so in its own time
            wait_until(lambda: sum(len(pooler.servers(role)) for role in roles) <= limit, "not more servers than the limit")
    assert not crowd.errors
    opened = sum("new connection to server" in line for line in pooler.log_lines(mark))
    # A pool keeps a server for a tenth of a second at least, which on a busy machine is a few queries.
    slices = (time.monotonic() - start) / 0.1 + 1
    assert opened * 10 < sum(crowd.done.values()) or opened <= limit * slices, "servers are closed after a few queries"


def test_a_pool_that_comes_late_gets_its_half(pooler):
    roles, name = limited(pooler, "database", 4, 1)
    with Crowd(pooler, roles[:1], 8, name) as first:
        pooler.wait_servers(4, roles[0])
        with Crowd(pooler, roles[1:2], 8, name) as second:
            wait_until(lambda: [len(pooler.servers(role)) for role in roles[:2]] == [2, 2], "equal shares")
            assert first.done and not first.errors
        assert not second.errors
        pooler.wait_servers(4, roles[0])
    assert not first.errors


def test_databases_share_max_user_connections(pooler):
    role = pooler.new_role()
    names = [pooler.new_database() for _ in range(3)]
    pooler.configure(pool_mode="transaction", default_pool_size=10, max_user_connections=2)
    with contextlib.ExitStack() as stack:
        crowds = [stack.enter_context(Crowd(pooler, [role], 3, name)) for name in names]
        for _ in range(3):
            before = [crowd.done[role.name] for crowd in crowds]
            wait_until(
                lambda: any(crowd.errors for crowd in crowds)
                or all(crowd.done[role.name] > was + 20 for crowd, was in zip(crowds, before)),
                "all pools get on")
    assert not any(crowd.errors for crowd in crowds)


@pytest.mark.parametrize("threads", [1, 3])
def test_idle_servers_beyond_a_lowered_limit_give_way(pooler, threads):
    roles, name = limited(pooler, "database", 3, threads)
    wires = [pooler.wire(role, dbname=name) for role in roles[:3]]
    for wire in wires:
        wire.query("begin")
    for wire in wires:
        wire.query("commit")
    pooler.configure(max_db_connections=1)
    pooler.configure_database(name, max_db_connections=1)
    for role in roles[1:] + roles[:1]:
        assert pooler.wire(role, dbname=name).value("select 1") == "1"
    wait_until(lambda: sum(len(pooler.servers(role)) for role in roles) <= 1, "not more servers than the limit")


def test_a_transaction_is_not_cut_short_for_another_pool(pooler):
    roles, name = limited(pooler, "database", 1, 1)
    holder, waiting = pooler.wire(roles[0], dbname=name), pooler.wire(roles[0], dbname=name)
    assert waiting.value("select 1") == "1"
    holder.query("begin")
    other = pooler.raw().startup(roles[1].name, name)  # logs in only to the point where it waits
    waiting.send(query("select 2"))
    for _ in range(300):
        assert holder.value("select 3") == "3"
    holder.query("commit")
    assert kinds(waiting.until_ready()) == "TDCZ"
    other.close()


# outages


class Outage:
    """A server that is starting up until `over`; tells how many log in to it at a time."""

    def __init__(self):
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.inside = self.tries = self.refused = 0
        self.most = collections.Counter()

    def __call__(self, peer):
        with self.lock:
            self.tries += 1
            self.inside += 1
            self.most[self.tries] = self.inside
        peer.startup()
        if not self.over.is_set():
            with self.lock:
                self.refused += 1
                self.inside -= 1
            peer.send(error("SFATAL", "VFATAL", "C57P03", "Mthe database system is starting up"))
            peer.until_closed()
            return
        peer.send(WELCOME)
        while True:
            kind, _ = peer.frame()
            if kind == "X":
                return
            if kind == "Q":
                peer.send(row("served"))


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize("threads", [1, 3])
def test_an_outage_is_counted_once_for_all_that_wait(launcher, environment, count, threads):
    """However many wait: one tries at a time, and they are served soon after it is over."""
    outage = Outage()
    port = environment.new_port()
    launcher.configure(pool_mode="transaction", auth_type="any", threads=threads, query_wait_timeout=50)
    launcher.database_lines["down"] = f"port={port} dbname=x"
    with FakeServer(port, outage):
        wires = [launcher.raw() for _ in range(count)]
        began = time.monotonic()
        for wire in wires:
            wire.socket.sendall(startup("someone", "down"))
        wait_until(lambda: outage.refused >= count, "all have tried")
        first = outage.tries
        wait_until(lambda: outage.tries >= first + 8, "they try again")
        outage.over.set()
        over = time.monotonic()
        refused = outage.refused
        for wire in wires:
            wire.until_ready()
            assert wire.value("select 1") == "served"
        assert time.monotonic() - over < (over - began) / 2 + 0.5
        assert outage.refused <= refused + 1
        assert max(n for number, n in outage.most.items() if first < number <= refused) <= 2


@pytest.mark.parametrize(
    "host, place, why",
    [
        ("127.0.0.1", "127.0.0.1:{}", "Connection refused"),
        ("/no/folder", "/no/folder/.s.PGSQL.{}", "No such file or directory"),
    ],
    ids=["tcp", "unix"],
)
def test_a_client_hears_where_and_why_no_server_can_be_reached(launcher, environment, host, place, why):
    port = environment.new_port()
    launcher.configure(pool_mode="transaction", auth_type="any")
    launcher.database_lines["down"] = f"host={host} port={port} dbname=x"
    role = launcher.role()
    with pytest.raises(Refused) as refused:
        launcher.raw().login(role.name, role.password, "down")
    assert refused.value.fields["C"] == "08006"
    assert refused.value.fields["D"] == f"{place.format(port)}: {why}"


def test_another_server_is_not_hurt_by_an_outage(launcher, environment):
    launcher.configure(pool_mode="transaction", auth_type="any")
    launcher.database_lines["down"] = f"port={environment.new_port()} dbname=x"
    role = launcher.role()
    for _ in range(5):
        with pytest.raises(Refused) as refused:
            launcher.raw().login(role.name, role.password, "down")
        assert refused.value.fields["C"] == "08006"
        assert launcher.wire(role).value("select 1") == "1"


@pytest.fixture
def small(fresh_cluster):
    """A cluster with few connections, and direct sessions that take all that are left."""
    cluster = fresh_cluster(pool_mode="transaction", default_pool_size=20, query_wait_timeout="50s")
    cluster.sql("alter system set max_connections = 30")
    cluster.restart()
    host = DatabaseHost(cluster)
    host.serves()
    host.end_backends(host.role())
    taken = []

    def fill(role):
        with contextlib.suppress(Refused):
            while True:
                wire = Wire({"host": "127.0.0.1", "port": cluster.port})
                taken.append(wire.login(role.name, role.password, "postgres"))
        return taken

    yield host, fill
    for wire in taken:
        wire.close()
    host.clean()


@pytest.mark.parametrize("count", [1, 20])
def test_clients_wait_for_a_server_that_is_full_only_as_long_as_it_is(small, count):
    host, fill = small
    direct, role = host.new_role(), host.new_role()
    began = time.monotonic()
    taken = fill(direct)
    mark = host.cluster.log.mark()
    threads = [threading.Thread(target=wire.login, args=(role.name, role.password, host.database))
               for wire in [host.raw() for _ in range(count)]]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(host.cluster.log.lines(SLOT, mark)) >= count + 4, "they try again")
    for wire in taken:
        wire.close()
    over = time.monotonic()
    for thread in threads:
        thread.join()
    assert time.monotonic() - over < (over - began) + 1


@pytest.mark.parametrize("how", ["idle", "gone", "busy"])
def test_a_full_server_has_room_as_soon_as_another_pool_can_spare_a_server(small, how):
    host, fill = small
    direct, holding, role = host.new_role(), host.new_role(), host.new_role()
    holders = [host.wire(holding) for _ in range(2)]
    for holder in holders:
        holder.query("begin")
    fill(direct)
    mark = host.cluster.log.mark()
    wire = host.raw()
    login = threading.Thread(target=wire.login, args=(role.name, role.password, host.database))
    login.start()
    wait_until(lambda: len(host.cluster.log.lines(SLOT, mark)) >= 6, "it tries again")
    mark = host.cluster.log.mark()
    if how == "gone":
        holders[0].close()
    elif how == "idle":
        holders[0].query("commit")
    else:
        # that client goes on, and others of its pool wait for its server
        for holder in holders:
            holder.query("commit")
            holder.send(query("select pg_sleep(0.01)"), *(query("select 1") for _ in range(50)))
    login.join()
    assert wire.value("select 1") == "1"
    assert len(host.cluster.log.lines(SLOT, mark)) <= 3


# long queues


@pytest.fixture
def many_files():
    """Room for thousands of sockets in this process and what it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 12_000:
        pytest.fail(f"the limit of open files is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def ready(wires):
    """Reads what has come for each until all have ReadyForQuery, or something else has gone wrong."""
    left = {wire.socket.fileno(): wire for wire in wires}
    poll = select.poll()
    for number in left:
        poll.register(number, select.POLLIN)
    while left:
        for number, _ in poll.poll(20_000):
            frames = left[number].until_ready()
            assert not any(frame.kind == "E" for frame in frames), frames
            poll.unregister(number)
            del left[number]


def attempts(host, mark):
    """Login attempts since the mark, with lines that the log had no room for."""
    lines = host.log_lines(mark)
    dropped = re.findall(r"carpool dropped (\d+) log lines", "\n".join(lines))
    return sum("login attempt" in line for line in lines) + sum(map(int, dropped))


@pytest.mark.deadline(500)
def test_thousands_of_logins_that_wait_need_no_stack(launcher, environment, many_files):
    """One server tells all of them what they wait for; its thread has 512 kB of stack."""
    count = 3000
    opened, answer = threading.Event(), threading.Event()

    def script(peer):
        peer.startup()
        opened.set()
        answer.wait(500)
        peer.send(WELCOME)
        peer.until_closed()

    port = environment.new_port()
    launcher.configure(pool_mode="transaction", default_pool_size=1, auth_type="any", max_client_conn=count + 10,
        query_wait_timeout=500, server_connect_timeout=500, client_login_timeout=500)
    launcher.database_lines["slow"] = f"port={port} dbname=x"
    command = launcher.command()
    launcher.command = lambda: ["prlimit", "--stack=524288", *command]
    with FakeServer(port, script):
        mark = launcher.log_mark()
        wires = [launcher.raw() for _ in range(count)]
        for wire in wires:
            wire.socket.sendall(startup("someone", "slow"))
        assert opened.wait(60)
        wait_until(lambda: attempts(launcher, mark) >= count, "all wait", 300)
        answer.set()
        ready(wires)
    assert launcher.running()


@pytest.mark.deadline(500)
def test_thousands_of_logins_wait_for_one_backend(fresh_cluster, many_files):
    count = 2000
    host = DatabaseHost(fresh_cluster(
        pool_mode="transaction", max_client_conn=count + 10, max_db_connections=1, query_wait_timeout="500s", client_login_timeout="500s"))
    role = host.new_role()
    with host.cluster.rules(f"host all {role.name} 127.0.0.1/32 trust\n"):
        holder = host.wire(host.new_role())
        holder.query("begin")
        mark = host.log_mark()
        wires = [host.raw() for _ in range(count)]
        for wire in wires:
            wire.socket.sendall(startup(role.name, host.database))
        wait_until(lambda: attempts(host, mark) >= count, "all wait", 300)
        holder.query("commit")
        ready(wires)
        assert wires[-1].value("select 1") == "1"
        host.clean()


@pytest.mark.parametrize("limit", ["max_db_connections", "max_user_connections"])
def test_a_server_that_is_idle_on_another_thread_is_found(pooler, limit):
    """The pool has room for more, but its database or user has not."""
    pooler.configure(pool_mode="transaction", default_pool_size=10, threads=3, restart=True)
    pooler.configure(**{limit: 1})
    wires = [pooler.wire() for _ in range(6)]
    for _ in range(5):
        for wire in wires:
            assert wire.value("select 1") == "1"
