"""LISTEN without a backend: one backend of the database listens for all its clients."""

import contextlib
import os
import random
import signal
import threading

import psycopg
import pytest

from database_host import DatabaseHost
from waiting import wait_until
from wire import error_of, message, query, wait_for_bytes

HUB = "select pid from pg_stat_activity where application_name = 'carpool hub' and datname = '{}'"


def payloads(wire, count):
    """Payloads of notifications, waited for while the client is idle."""
    return [notification(wire.frame()) for _ in range(count)]


def notification(frame):
    assert frame.kind == "A", frame
    return frame.body[4:-1].split(b"\0")[1].decode()


def heard(frames):
    return [notification(frame) for frame in frames if frame.kind == "A"]


def hub(host, dbname=None):
    return host.cluster.value(HUB.format(dbname or host.database))


def keeps_no_server(host, role):
    """Waits until nobody of a role keeps a server: the hub may have to be opened first."""
    pins = f"select count(*) from carpool.pins() where role = '{role.name}'::regrole"
    wait_until(lambda: host.cluster.value(pins) == 0, "nobody keeps a server")


@pytest.fixture
def sender(rotating):
    """A direct session that notifies."""
    with psycopg.connect(**rotating.cluster.direct(rotating.database), autocommit=True) as connection:
        yield connection


@pytest.fixture
def single(rotating):
    """A role whose pool has one server."""
    role = rotating.new_role()
    rotating.configure_role(role, pool_size=1)
    rotating.cluster.sql("create extension if not exists pg_carpool")
    yield role
    rotating.cluster.sql("drop extension pg_carpool")


def test_who_listens_keeps_no_server(rotating, single, sender):
    listeners = [rotating.wire(single) for _ in range(5)]
    for number, listener in enumerate(listeners):
        listener.query(f"listen own_{number}")
        listener.query("listen news")
    other = rotating.wire(single)
    assert other.value("select 1") == "1"
    sender.execute("notify news, 'first'")
    assert [payloads(listener, 1) for listener in listeners] == [["first"]] * 5
    for number, listener in enumerate(listeners):
        sender.execute(f"notify own_{number}, '{number}'")
        assert payloads(listener, 1) == [str(number)]
        assert listener.rows("select pg_listening_channels() order by 1") == [["news"], [f"own_{number}"]]
    keeps_no_server(rotating, single)
    assert len(rotating.servers(single)) <= 2, "the pool's server, and the hub"


def test_a_notification_in_a_transaction_waits_for_its_end(rotating, single, sender):
    listener = rotating.wire(single)
    listener.query("listen news")
    assert heard(listener.query("begin")) == []
    sender.execute("notify news, 'meanwhile'")
    assert heard(listener.query("select 1")) == []
    frames = listener.query("commit")
    assert [frame.kind for frame in frames] == ["C", "A", "Z"]
    assert heard(frames) == ["meanwhile"]


def test_what_was_committed_before_comes_with_the_next_answer(rotating, single, sender):
    listener = rotating.wire(single)
    listener.query("listen news")
    keeps_no_server(rotating, single)
    for number in range(200):
        own = number % 3 == 0
        if own:
            assert heard(listener.query(f"notify news, '{number}'")) == [str(number)]
        else:
            sender.execute(f"notify news, '{number}'")
            listener.query("select 1") if number % 2 else payloads(listener, 1)


def test_one_that_has_unlistened_hears_nothing_more(rotating, single, sender):
    listener = rotating.wire(single)
    listener.query("listen a; listen b")
    for number in range(50):
        sender.execute("notify a; notify b, 'heard'")
        frames = listener.query("unlisten a")
        assert set(heard(frames)) <= {"", "heard"}
        sender.execute("notify a, 'unheard'")
        assert "unheard" not in heard(listener.query("select 1"))
        listener.query("listen a")
    listener.query("unlisten *")
    sender.execute("notify a, 'unheard'; notify b, 'unheard'")
    assert heard(listener.query("select 1")) == []
    assert listener.rows("select pg_listening_channels()") == []


@pytest.mark.parametrize("threads", [1, 2])
def test_what_was_committed_before_unlisten_is_heard(fresh_cluster, threads):
    host = DatabaseHost(fresh_cluster(pool_mode="transaction", threads=threads, default_pool_size=2))
    role = host.new_role()
    listener, pooled = host.wire(role), host.connect(role)
    with psycopg.connect(**host.cluster.direct(host.database), autocommit=True) as direct:
        for leave in ("unlisten z", "unlisten *", "discard all", "begin; unlisten z; commit"):
            for number in range(40):
                listener.query("listen y; listen z")
                (pooled if number % 4 else direct).execute(f"notify z, '{leave} {number}'")
                assert heard(listener.query(leave)) == [f"{leave} {number}"]
    host.clean()


@contextlib.contextmanager
def stopped(host):
    """The hub reads nothing meanwhile."""
    pid = int(hub(host))
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)


# Queries that a client sends in one go, and what it hears of its own; by all it hears what came before.
LEAVING = {
    "unlisten": (["unlisten z"], []),
    "all": (["unlisten *", "notify z, 'own'"], []),
    "discard": (["discard all", "notify z, 'own'"], []),
    "in a transaction": (["begin; unlisten z; commit", "notify z, 'own'"], []),
    "rolled back": (["begin; unlisten z; rollback", "notify z, 'own'"], ["own"]),
    "notify before": (["notify z, 'own'", "unlisten z"], ["own"]),
    "notify behind": (["unlisten z", "notify z, 'own'"], []),
    "notify in the transaction": (["begin; notify z, 'own'; unlisten z; commit"], []),
    "notify in the query": (["begin; unlisten z; commit; notify z, 'own'"], []),
    "notify another": (["begin; notify y, 'own'; unlisten z; commit"], ["own"]),
    "again": (["unlisten z", "notify z, 'not'", "listen z", "notify z, 'own'"], ["own"]),
    "again at once": (["unlisten z", "listen z", "notify z, 'own'"], ["own"]),
    "again in the transaction": (["unlisten z; listen z", "notify z, 'own'"], ["own"]),
    "all, then another": (["unlisten *", "listen x", "notify z, 'not'; notify x, 'own'"], ["own"]),
}


@pytest.mark.parametrize("name", LEAVING)
def test_a_late_hub_knows_when_a_channel_was_left(rotating, single, sender, name):
    queries, own = LEAVING[name]
    listener = rotating.wire(single)
    listener.query("listen y; listen z")
    keeps_no_server(rotating, single)
    queries = [f"{text} -- {single.name}" for text in queries]
    done = "select count(*) from pg_stat_activity where state = 'idle' and query = %s"
    with stopped(rotating):
        sender.execute("notify z, 'before'")
        listener.send(*map(query, queries))
        wait_until(lambda: rotating.cluster.value(done, queries[-1]) == 1, "all is done")
    assert sum((heard(listener.until_ready()) for _ in queries), []) == ["before", *own]
    sender.execute("notify y, 'end'; notify x, 'end'")
    rest = [] if name in ("all", "discard") else ["end"]
    assert heard(listener.query("select 1")) == rest


def test_a_late_hub_knows_since_when_a_client_listens(rotating, single, sender):
    first, second = rotating.wire(single), rotating.wire(single)
    first.query("listen z")
    keeps_no_server(rotating, single)
    done = "select count(*) from pg_stat_activity where state = 'idle' and query = 'listen z -- second'"
    with stopped(rotating):
        sender.execute("notify z, 'before'")
        second.send(query("listen z -- second"))
        wait_until(lambda: rotating.cluster.value(done) == 1, "it listens")
    assert heard(second.until_ready()) == []
    keeps_no_server(rotating, single)
    sender.execute("notify z, 'after'")
    assert payloads(first, 2) == ["before", "after"]
    assert payloads(second, 1) == ["after"]
    assert heard(second.query("select 1")) == []


def test_one_that_has_unlistened_ends_with_the_hub_that_has_not_read_its_last(rotating, single, sender):
    listener, other = rotating.wire(single), rotating.wire(single)
    listener.query("listen z")
    keeps_no_server(rotating, single)
    with stopped(rotating) as pid:
        sender.execute("notify z")
        listener.send(query("unlisten z"))
        assert listener.frame().kind == "C"
        sender.execute("select pg_terminate_backend(%s)", [pid])
    assert error_of(listener.until_closed())["C"] == "57P01"
    assert other.value("select 1") == "1"


def test_a_direct_listener_hears_the_clients_process_id(rotating, single, sender):
    sender.execute("listen news")
    client = rotating.connect(single)
    client.execute("notify news, 'x'")
    notice = next(sender.notifies(timeout=20, stop_after=1))
    assert notice.pid == client.info.backend_pid
    with client.transaction():
        client.execute("listen news")
        client.execute("notify news, 'y'")
        client.execute("create table gone_again (a int)")
        client.execute("drop table gone_again")
    own = next(client.notifies(timeout=20, stop_after=1))
    assert (own.pid, own.payload) == (client.info.backend_pid, "y")
    notice = next(sender.notifies(timeout=20, stop_after=1))
    assert notice.pid == client.info.backend_pid


def test_a_transaction_that_fails_at_its_commit_notifies_nobody(rotating, single, sender):
    sender.execute("listen news")
    client = rotating.wire(single)
    client.query("create table t (a int unique deferrable initially deferred)")
    frames = client.query("begin; insert into t values (1), (1); notify news, 'never'; commit")
    assert error_of(frames)["C"] == "23505"
    client.query("notify news, 'after it'")
    assert next(sender.notifies(timeout=20, stop_after=1)).payload == "after it"


def test_names_and_payloads_are_in_the_clients_encoding(rotating, single, sender):
    listener = rotating.wire(single, client_encoding="LATIN1")
    listener.send(message("Q", 'listen "grün"\0'.encode("latin-1"))).until_ready()
    sender.execute("""notify "grün", 'größer'""")
    assert listener.frame().body[4:] == "grün\0größer\0".encode("latin-1")
    listener.query("set client_encoding to 'UTF8'")
    sender.execute("""notify "grün", 'größer'""")
    assert listener.frame().body[4:] == "grün\0größer\0".encode()
    listener.query("set client_encoding to 'LATIN1'")
    keeps_no_server(rotating, single)
    sender.execute("""notify "grün", '☺'""")
    assert error_of(listener.until_closed())["C"] == "22P05"


def test_large_and_many_notifications_come_whole(rotating, single, sender):
    listener = rotating.wire(single)
    listener.query("listen news")
    keeps_no_server(rotating, single)
    sent = [f"{number:05} " + "x" * (number * 37 % 7900) for number in range(2000)]
    listener.query("begin")
    sender.execute("select pg_notify('news', payload) from unnest(%s::text[]) payload", [sent[:1000]])
    assert heard(listener.query("commit")) == sent[:1000]
    sender.execute("select pg_notify('news', payload) from unnest(%s::text[]) payload", [sent[1000:]])
    assert payloads(listener, 1000) == sent[1000:]


def test_too_many_notifications_in_a_transaction_end_the_client(rotating, single, sender):
    listener, other = rotating.wire(single), rotating.wire(rotating.new_role())
    for client in (listener, other):
        client.query("listen news")
    keeps_no_server(rotating, single)
    listener.query("begin")
    for _ in range(10):
        sender.execute("select pg_notify('news', n || repeat('x', 7000)) from generate_series(1, 1000) n")
        assert payloads(other, 1000)[-1].startswith("1000x")
    assert error_of(listener.until_closed())["C"] == "53400"
    assert other.value("select 1") == "1"


def test_the_end_of_the_hub_ends_who_listens_and_no_one_else(rotating, single, sender):
    listener, other = rotating.wire(single), rotating.wire(single)
    listener.query("listen news")
    keeps_no_server(rotating, single)
    sender.execute("select pg_terminate_backend(%s)", [int(hub(rotating))])
    assert error_of(listener.until_closed())["C"] == "57P01"
    assert other.value("select 1") == "1"
    other.query("listen news")
    sender.execute("notify news, 'again'")
    assert payloads(other, 1) == ["again"]
    keeps_no_server(rotating, single)


def test_a_role_cannot_end_the_hub_that_it_opened(rotating, single, sender):
    listener = rotating.wire(single)
    listener.query("listen news")
    keeps_no_server(rotating, single)
    pid = hub(rotating)
    user = "select usename from pg_stat_activity where pid = %s"
    assert rotating.cluster.value(user, pid) == "postgres"
    for function in ("pg_terminate_backend", "pg_cancel_backend"):
        assert error_of(listener.query(f"select {function}({pid})"))["C"] == "42501"
    sender.execute("notify news, 'still heard'")
    assert payloads(listener, 1) == ["still heard"]
    assert hub(rotating) == pid


def test_an_owner_drops_a_database_by_force_in_which_its_clients_listen(rotating, single):
    dbname = rotating.new_database()
    rotating.cluster.sql(f"alter database {dbname} owner to {single.name}")
    listener = rotating.wire(single, dbname=dbname)
    listener.query("listen news")
    wait_until(lambda: hub(rotating, dbname), "the hub")
    answer = rotating.wire(single).query(f"drop database {dbname} with (force)")
    assert [frame.kind for frame in answer] == ["C", "Z"]
    assert error_of(listener.until_closed())["C"] == "57P01"


def cpu_time(pid):
    """Nanoseconds that a process has run."""
    with open(f"/proc/{pid}/schedstat") as file:
        return int(file.read().split()[0])


def test_the_channels_of_one_client_cost_no_other_one_anything(rotating, single, sender):
    idle, other = rotating.wire(single), rotating.wire(rotating.new_role())
    other.query("listen news")
    keeps_no_server(rotating, single)
    pid = int(hub(rotating))

    def cost():
        """What the hub does for some statements of the other client, when it has done all else."""
        for _ in range(3):
            other.query("select 1")
        before = cpu_time(pid)
        for _ in range(20):
            other.query("listen more")
            other.query("unlisten more")
            other.query("select 1")
        return cpu_time(pid) - before

    few = cost()
    idle.query("do $$begin for i in 1..10000 loop execute 'listen c' || i; end loop; end$$")
    keeps_no_server(rotating, single)
    assert cost() < 5 * few
    sender.execute("notify c1, 'first'; notify c10000, 'last'")
    assert payloads(idle, 2) == ["first", "last"]


def test_changes_of_many_channels_are_followed(rotating, single, sender):
    listener, neighbour = rotating.wire(single), rotating.wire(rotating.new_role())
    chance = random.Random(12)
    channels = [f"c{number}" for number in range(60)]
    listens = set()
    neighbour.query("listen c0; listen c1")
    for turn in range(60):
        steps = []
        for channel in chance.sample(channels, chance.randrange(1, 12)):
            again = channel in listens and chance.random() < 0.3
            steps.append(f"unlisten {channel}" if channel in listens else f"listen {channel}")
            if again:
                steps.append(f"listen {channel}")
            else:
                listens ^= {channel}
        if turn % 20 == 19:
            steps, listens = ["unlisten *"], set()
        assert heard(listener.query("; ".join(steps))) == []
        sender.execute("select pg_notify(c, c || %s) from unnest(%s::text[]) c", [f" {turn}", channels])
        wanted = {f"{channel} {turn}" for channel in listens}
        assert sorted(payloads(listener, len(wanted))) == sorted(wanted)
        assert heard(listener.query("select 1")) == []
        assert sorted(payloads(neighbour, 2)) == [f"c0 {turn}", f"c1 {turn}"]


@pytest.mark.parametrize("threads", [1, 2])
def test_where_too_much_waits_for_all_the_one_with_most_is_closed(fresh_cluster, threads):
    host = DatabaseHost(fresh_cluster(
        pool_mode="transaction", threads=threads, max_notification_memory=8 * threads))
    role = host.new_role()
    flooded, modest, other, _ = [host.wire(role) for _ in range(4)]
    for client in (flooded, modest, other):
        client.query("listen flood" if client is flooded else "select 1")
        client.query("listen common")
    host.cluster.sql("create extension if not exists pg_carpool")
    keeps_no_server(host, role)
    for client in (flooded, modest, other):
        client.query("begin")
    flood = "select pg_notify('{}', n || repeat('x', 7000)) from generate_series(1, 200) n"
    for channel in ("common", *["flood"] * 6):
        host.cluster.sql(flood.format(channel), dbname=host.database)
    error = error_of(flooded.until_closed())
    assert (error["C"], error["M"]) == ("53400", "too many notifications wait for all sessions")
    for client in (modest, other):
        assert len(heard(client.query("commit"))) == 200
    host.clean()


def test_without_room_for_a_hub_who_listens_keeps_its_server(rotating, sender):
    role = rotating.new_role()
    rotating.configure_role(role, max_user_connections=2)
    dbname = rotating.new_database()
    with psycopg.connect(**rotating.cluster.direct(dbname), autocommit=True) as neighbour:
        first, second = rotating.wire(role, dbname=dbname), rotating.wire(role, dbname=dbname)
        first.query("begin")
        second.query("listen news")
        assert hub(rotating, dbname) is None
        neighbour.execute("notify news, 'kept'")
        assert payloads(second, 1) == ["kept"]
        first.query("rollback")


def test_a_database_can_be_dropped_when_nobody_listens_any_more(rotating):
    dbname = rotating.new_database()
    role = rotating.new_role()
    listener = rotating.wire(role, dbname=dbname)
    listener.query("listen news")
    wait_until(lambda: hub(rotating, dbname), "the hub")
    with pytest.raises(psycopg.errors.ObjectInUse):
        rotating.cluster.sql(f"drop database {dbname}")
    mark = rotating.log_mark()
    listener.close()
    wait_until(lambda: any("unexpected eof" in line for line in rotating.log_lines(mark)), "its end")
    rotating.cluster.sql(f"drop database {dbname}")


class Listener(threading.Thread):
    """Listens to some of the channels, now and then to others, and hears every number of each once."""

    def __init__(self, host, role, seed, over):
        super().__init__(daemon=True)
        self.wire = host.wire(role)
        self.random, self.over = random.Random(seed), over
        self.failure = None
        self.last = {}      # by channel it listens to: the last number heard; None: none yet
        self.count = 0

    def run(self):
        try:
            while not self.over.is_set():
                self.act(self.random.choice("abcd"))
            self.hear(self.wire.query("select 1"))
        except BaseException as failure:
            self.failure = failure

    def act(self, channel):
        what = self.random.random()
        if what < 0.2 and channel not in self.last:
            self.last[channel] = None
            self.hear(self.wire.query(f"listen {channel}"))
        elif what < 0.3 and channel in self.last:
            self.hear(self.wire.query(f"unlisten {channel}"))
            del self.last[channel]
        elif what < 0.6:
            self.hear(self.wire.query("begin"))
            assert heard(self.wire.query("select 1")) == []
            self.hear(self.wire.query("commit"))
        elif wait_for_bytes(self.wire, 0.01):
            self.hear([self.wire.frame()])

    def hear(self, frames):
        for frame in frames:
            if frame.kind != "A":
                continue
            channel, number = (text.decode() for text in frame.body[4:-1].split(b"\0"))
            assert channel in self.last, f"{number} on {channel}, to which it does not listen"
            last = self.last[channel]
            assert last is None or int(number) == last + 1, f"{number} after {last} on {channel}"
            self.last[channel] = int(number)
            self.count += 1


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.deadline(120)
def test_nothing_is_missed_or_heard_twice(fresh_cluster, threads):
    host = DatabaseHost(fresh_cluster(
        pool_mode="transaction", threads=threads, default_pool_size=3, test_rotate_servers="on"))
    roles = [host.new_role() for _ in range(2)]
    over = threading.Event()
    listeners = [Listener(host, roles[seed % 2], seed, over) for seed in range(12)]
    senders = [host.connect(roles[0]), host.cluster.superuser(host.database)]
    for listener in listeners:
        listener.start()
    numbers = dict.fromkeys("abcd", 0)
    chance = random.Random(threads)
    for turn in range(3000):
        with senders[turn % 2].transaction(force_rollback=turn % 17 == 0):
            for channel in chance.sample("abcd", 2):
                number = numbers[channel] + 1
                senders[turn % 2].execute(f"notify {channel}, '{number}'")
                if turn % 17 != 0:
                    numbers[channel] = number
    over.set()
    for listener in listeners:
        listener.join(30)
        assert not listener.is_alive()
        if listener.failure:
            raise listener.failure
    assert min(listener.count for listener in listeners) > 100
    host.clean()


def test_a_session_mode_client_listens_by_itself(rotating, single, sender):
    listener = rotating.wire(single)
    listener.query("listen news")
    keeps_no_server(rotating, single)
    role = rotating.new_role()
    rotating.configure_role(role, pool_mode="session")
    own = rotating.wire(role)
    own.query("listen news")
    sender.execute("notify news, 'both'")
    assert payloads(own, 1) == payloads(listener, 1) == ["both"]
    own.query("begin")
    sender.execute("notify news, 'later'")
    assert heard(own.query("commit")) == ["later"]
    own.query("unlisten *")
    sender.execute("notify news, 'one'")
    assert heard(own.query("select 1")) == []
    own.close()


def test_a_listener_that_left_leaves_nothing(rotating, single, sender):
    for _ in range(20):
        listener = rotating.wire(single)
        listener.query("listen news")
        listener.close()
    other = rotating.wire(single)
    for _ in range(5):
        sender.execute("notify news, 'for nobody'")
        assert heard(other.query("select 1")) == []
        assert other.rows("select pg_listening_channels()") == []
