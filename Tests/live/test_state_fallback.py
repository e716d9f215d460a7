"""What rests on private parts of PostgreSQL, and does not work: who needs it keeps a server, and all is said."""

from typing import NamedTuple

import pytest

from constants import PID
from database_host import DatabaseHost
from wire import SYNC, bind, execute, kinds, parse


def by_protocol(wire, *messages):
    """The values of the one row, or of none, that comes back."""
    wire.send(b"".join(messages), SYNC)
    return [frame.values() for frame in wire.until_ready() if frame.kind == "D"]


class Mechanism(NamedTuple):
    """begin and end of a kind of state, and what shows it to its client and to another one."""

    begin: str
    end: str
    look: str
    own: str | None
    others: str | None
    reason: str | None  # of the pin; None: there is none, and all goes on as before
    startup: dict = {}


MECHANISMS = {
    "settings": Mechanism("set work_mem = '7MB'", "reset work_mem", "show work_mem", "7MB", "4MB", "setting"),
    "login settings": Mechanism(
        "select 1", "select 1", "show work_mem", "9MB", "4MB", "setting", {"work_mem": "9MB"}),
    "statements": Mechanism(
        "prepare p as select 1", "deallocate p", "select count(*) from pg_prepared_statements", "1", "0",
        "statement"),
    "sequences": Mechanism(
        "create sequence if not exists s; select nextval('s')", "discard sequences", "select currval('s')", "1", None,
        "sequence"),
    "changes of settings": Mechanism(
        "set work_mem = '7MB'", "reset work_mem", "show work_mem", "7MB", "4MB", None),
    "listen and notify": Mechanism(
        "listen news", "unlisten news", "select count(*) from pg_listening_channels()", "1", "0", "listen"),
}


@pytest.fixture
def broken(fresh_cluster):
    """Carpool with a mechanism that does not work; servers rotate."""
    def make(name):
        cluster = fresh_cluster(
            pool_mode="transaction", default_pool_size=4, test_rotate_servers="on", test_breaks=name)
        cluster.sql("create extension pg_carpool")
        return DatabaseHost(cluster)
    return make


def failures(host):
    return [row[0] for row in host.cluster.sql(
        "select mechanism from carpool.self_test() where not works and why <> ''")]


def servers(wire, look, own, other):
    """Those that a client has for some transactions, in each of which it sees its own state."""
    seen = set()
    for _ in range(4):
        seen.add(wire.value(PID))
        other.value("select 1")
        assert wire.value(look) == own
        seen.add(wire.value(PID))
        other.value("select 1")
    return seen


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_kind_that_does_not_work_pins(broken, name):
    host = broken(name)
    does = MECHANISMS[name]
    mark = host.cluster.log.mark()
    role = host.role()
    host.cluster.sql(f"grant create on schema public to {role.name}", dbname=host.database)
    other, first = host.wire(role), host.wire(role, **does.startup)
    first.query(does.begin)
    used = servers(first, does.look, does.own, other)
    reasons = {reason for row in host.cluster.sql("select reasons from carpool.pins()") for reason in row[0]}
    if does.reason is None:
        assert len(used) > 1 and reasons == set()
    else:
        assert len(used) == 1, "the client has lost its server"
        assert reasons == {does.reason}
    if does.others is None:
        assert "E" in kinds(other.query(does.look))
    else:
        assert other.value(does.look) == does.others
    first.query(does.end)
    if not does.startup:
        assert len({first.value(PID) for _ in range(4) if other.value("select 1")}) > 1, "the pin has not ended"
    assert failures(host) == [name]
    if does.reason is not None:
        assert "carpool.self_test()" in host.cluster.log.text(mark)


def test_an_unnamed_statement_that_is_not_found_pins(broken):
    host = broken("unnamed statement")
    role = host.role()
    mark = host.cluster.log.mark()
    other, first = host.wire(role), host.wire(role)
    by_protocol(first, parse("select pg_backend_pid(), 7", ""))
    seen = []
    for _ in range(4):
        seen += by_protocol(first, bind(), execute())
        other.value("select 1")
    assert len(seen) == 4 and len({tuple(row) for row in seen}) == 1
    assert failures(host) == ["unnamed statement"]
    assert "self-test of unnamed statements failed: carpool.test_breaks says so" in host.cluster.log.text(mark)


UNSEEN = {
    "advisory locks are not seen": "advisory lock",
    "held cursors are not seen": "held cursor",
    "temporary objects are not seen": "temporary object",
    "setseed() is not seen": "setseed",
    "another library hides functions": "language",
}


@pytest.mark.parametrize("name", UNSEEN)
def test_where_something_cannot_be_seen_each_client_has_a_server_of_its_own(broken, name):
    host = broken(name)
    role = host.role()
    mark = host.cluster.log.mark()
    clients = [host.wire(role) for _ in range(3)]
    pids = [{client.value(PID) for _ in range(3)} for client in clients]
    assert [len(seen) for seen in pids] == [1, 1, 1] and len(set.union(*pids)) == 3
    assert {tuple(row[0]) for row in host.cluster.sql("select reasons from carpool.pins()")} == {(UNSEEN[name],)}
    clients[0].close()
    host.wait_ended(*pids[0])
    assert clients[1].value(PID) in pids[1]
    assert failures(host) == ["pins"]
    assert "carpool.self_test()" in host.cluster.log.text(mark)
