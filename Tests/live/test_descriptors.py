"""Few descriptors, or many connections that say nothing: servers have room, and clients hear why."""

import contextlib

import pytest

from database_host import DatabaseHost
from waiting import wait_until
from wire import Closed, Refused, cancel_packet, error_of, kinds, query

LIMIT = 160


@pytest.fixture(params=["database", "launcher"])
def narrow(request):
    """A pooler in a process that may have few descriptors."""
    if request.param == "launcher":
        host = request.getfixturevalue("launcher")
        command = host.command()
        host.command = lambda: ["prlimit", f"--nofile={LIMIT}:{LIMIT}", *command]
        host.configure(pool_mode="transaction", default_pool_size=10)
        host.start()
        return host
    cluster = request.getfixturevalue("fresh_cluster")(pool_mode="transaction", default_pool_size=10)
    host = DatabaseHost(cluster)
    cluster.wrapper = ["prlimit", f"--nofile={LIMIT}:{LIMIT}"]
    cluster.restart()
    host.wait_listens()
    host.serves()
    return host


def refusal(wire):
    """The fields of the error that a connection gets."""
    with contextlib.suppress(OSError):  # it may be told and closed before it has said anything
        wire.startup("anyone", "anywhere")
    return error_of(wire.until_closed())


def connection(pooler, transport, **options):
    """A connection that says nothing; a full backlog of a Unix socket makes it wait."""
    def connect():
        with contextlib.suppress(BlockingIOError):
            return pooler.raw(transport, **options)

    return wait_until(connect, "room in the backlog")


def enters(pooler, role, transport="tcp"):
    """A client that logs in as soon as there is room."""
    def enter():
        with contextlib.suppress(Refused, Closed):
            return pooler.wire(role, transport)

    return wait_until(enter, "room for another client")


def test_clients_leave_descriptors_to_servers(narrow):
    role = narrow.new_role()
    assert any(f"limit of open files is {LIMIT}" in line for line in narrow.log_lines(0))
    inside = [narrow.wire(role) for _ in range(8)]
    silent = [narrow.raw() for _ in range(LIMIT)]
    error = refusal(narrow.raw())
    assert error["C"] == "53300" and "limit of open files" in error["M"], error
    assert "LimitNOFILE" in error["H"]
    # each needs a server of its own
    for wire in inside:
        assert kinds(wire.query("begin")) == "CZ"
    assert len(narrow.servers(role)) == 8
    for wire in silent:
        wire.close()
    for wire in inside:
        wire.query("commit")

    assert enters(narrow, role).value("select 1") == "1"


def test_as_many_clients_as_there_is_room_for_log_in(narrow):
    role = narrow.new_role()
    inside = []
    with pytest.raises(Refused) as refused:
        for _ in range(LIMIT):
            inside.append(narrow.wire(role))
    assert refused.value.fields["C"] == "53300"
    assert "limit of open files" in refused.value.fields["M"]
    assert len(inside) > LIMIT / 4
    for wire in inside:
        assert wire.value("select 1") == "1"


def test_connections_that_say_nothing_are_bounded_and_leave_room_for_cancels(pooler, transport):
    """max_client_conn counts them, as PgBouncer does, until client_login_timeout ends them."""
    role = pooler.new_role()
    pooler.configure(pool_mode="transaction", max_client_conn=20)
    inside = pooler.wire(role, transport)
    inside.send(query("select pg_sleep(50)"))
    pooler.wait_servers(1, role, "active")
    silent = [pooler.raw(transport) for _ in range(40)]
    error = refusal(pooler.raw(transport))
    assert error["C"] == "53300" and "max_client_conn" in error["M"]
    with pooler.raw(transport) as canceller:
        canceller.send(cancel_packet(inside.key))
        with pytest.raises(Closed):
            canceller.byte_count(1)
    assert error_of(inside.until_ready())["C"] == "57014"
    # more than there may be beyond max_client_conn
    silent += [connection(pooler, transport) for _ in range(200)]
    assert error_of(silent[-1].until_closed())["C"] == "53300"
    assert inside.value("select 1") == "1"
    pooler.configure(client_login_timeout="0.2")
    for wire in silent[:40]:
        wire.until_closed()
    assert enters(pooler, role, transport).value("select 1") == "1"
