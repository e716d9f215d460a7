"""Limits on clients and servers."""

import pytest

from constants import PID
from database_host import DatabaseHost
from waiting import wait_until
from wire import Refused, error_of, kinds, query


def refusal(pooler, role, transport="tcp"):
    with pytest.raises(Refused) as refused:
        pooler.raw(transport).login(role.name, role.password, pooler.database)
    return refused.value.fields


def test_max_client_conn_refuses_who_comes_too_many(pooler, transport):
    role = pooler.new_role()
    pooler.configure(max_client_conn=3, pool_mode="transaction")
    inside = [pooler.wire(role, transport) for _ in range(3)]
    error = refusal(pooler, role, transport)
    assert error["C"] == "53300" and error["M"] == "no more connections allowed (max_client_conn)"
    inside.pop().close()
    assert inside[0].value("select 1") == "1"

    def room():
        try:
            return pooler.wire(role, transport)
        except Refused:
            return None

    assert wait_until(room, "room for one more").value("select 1") == "1"
    for wire in inside:
        assert wire.value("select 1") == "1"


def test_who_left_a_statement_that_does_not_end_takes_no_ones_place(fresh_cluster):
    host = DatabaseHost(fresh_cluster(pool_mode="transaction", max_client_conn=2))
    role = host.role()
    leaving, staying = host.wire(role), host.wire(role)
    leaving.send(query(
        "do $$ begin for i in 1..40 loop begin perform pg_sleep(0.5); exception when query_canceled then null; "
        "end; end loop; end $$"))
    wait_until(lambda: host.servers(role, "active"), "the statement runs")
    mark = host.log_mark()
    leaving.close()
    wait_until(lambda: any("closing because" in line for line in host.log_lines(mark)), "the client has left")
    coming = host.wire(role)
    assert coming.value("select 1") == staying.value("select 1") == "1"
    assert len(host.servers(role, "active")) == 1


def test_query_wait_timeout_tells_who_waits_too_long(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=1, query_wait_timeout="0.5")
    holder, waiting = pooler.wire(transport=transport), pooler.wire(transport=transport)
    holder.query("begin")
    waiting.send(query("select 1"))
    assert "query_wait_timeout" in error_of(waiting.until_closed())["M"]
    assert holder.value("select 1") == "1"
    assert holder.query("commit")[-1].body == b"I"


def at_most(limit, count):
    """A process that has been told to end does so in its own time: until then it is counted, too."""
    wait_until(lambda: count() <= limit, f"not more than {limit} servers")


def all_at_once(wires):
    """Has clients ask at the same time, and all of them answered."""
    for wire in wires:
        wire.send(query("select pg_sleep(0.02)"))
    for wire in wires:
        assert kinds(wire.until_ready()) == "TDCZ"


def test_max_db_connections_bounds_all_pools_of_a_database(pooler):
    name = pooler.new_database()
    roles = [pooler.new_role() for _ in range(3)]
    pooler.configure(pool_mode="transaction", default_pool_size=10)
    pooler.configure_database(name, max_db_connections=2)
    wires = [pooler.wire(role, dbname=name) for role in roles for _ in range(2)]
    for _ in range(3):
        all_at_once(wires)
        at_most(2, lambda: sum(len(pooler.servers(role)) for role in roles))


def test_max_db_connections_as_a_global_setting(pooler):
    name = pooler.new_database()
    pooler.configure(pool_mode="transaction", default_pool_size=10, max_db_connections=2)
    wires = [pooler.wire(dbname=name) for _ in range(5)]
    all_at_once(wires)
    at_most(2, lambda: len(pooler.servers()))


@pytest.mark.parametrize("scope", ["global", "role"])
def test_max_user_connections_bounds_all_pools_of_a_user(pooler, scope):
    names = [pooler.new_database() for _ in range(3)]
    role = pooler.new_role()
    pooler.configure(pool_mode="transaction", default_pool_size=10,
                     max_user_connections=2 if scope == "global" else 0)
    if scope == "role":
        pooler.configure_role(role, max_user_connections=2)
    wires = [pooler.wire(role, dbname=name) for name in names for _ in range(2)]
    for _ in range(3):
        all_at_once(wires)
        at_most(2, lambda: len(pooler.servers(role)))


def test_min_pool_size_keeps_servers_ready(pooler):
    role = pooler.new_role()
    pooler.configure(pool_mode="transaction", default_pool_size=10, min_pool_size=4)
    wire = pooler.wire(role)
    wire.value("select 1")
    pids = pooler.wait_servers(4, role)
    pooler.cluster.sql("select pg_terminate_backend(%s, 5000)", pids[0])
    pooler.wait_servers(4, role)
    assert wire.value("select 1") == "1"


def test_a_larger_pool_holds_at_once(pooler):
    role = pooler.new_role()
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    first, second = pooler.wire(role), pooler.wire(role)
    first.query("begin")
    second.send(query(PID))
    pooler.configure(pool_mode="transaction", default_pool_size=2)
    assert kinds(second.until_ready()) == "TDCZ"
    first.query("commit")


def test_waiting_clients_are_served_in_their_order(pooler):
    role = pooler.new_role()
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    holder = pooler.wire(role)
    holder.query("create table arrivals(n serial, who int)")
    holder.query("begin")
    waiting = [pooler.wire(role) for _ in range(8)]
    for number, wire in enumerate(waiting):
        wire.send(query(f"insert into arrivals(who) values ({number})"))
        # one login and query after it: the pooler has read the insert before
        pooler.wire(role).close()
    holder.query("commit")
    for wire in waiting:
        assert kinds(wire.until_ready()) == "CZ"
    assert holder.rows("select who from arrivals order by n") == [[str(n)] for n in range(8)]


@pytest.mark.parametrize("threads", [1, 2])
def test_idle_servers_of_other_pools_make_room(fresh_cluster, threads):
    """PostgreSQL has no slot left; most have servers of pools that don't need them now."""
    cluster = fresh_cluster(pool_mode="transaction", threads=threads)
    cluster.sql("alter system set max_connections = 15")  # 5 of them for superusers
    cluster.restart()
    host = DatabaseHost(cluster)
    host.serves()
    roles = [host.new_role() for _ in range(30)]
    clients = [host.wire(role) for role in roles]
    for _ in range(2):
        for client in clients:
            assert client.value("select 1") == "1"
    busy = [host.wire(roles[0]) for _ in range(4)]
    for client in busy:
        client.query("begin")
    assert clients[-1].value("select 1") == "1"
    for client in busy:
        assert client.value("select 2") == "2"


def test_the_limit_of_the_server_itself_makes_clients_wait_or_tells_them(pooler):
    """max_connections of PostgreSQL is reached: its words come through, the pool lives on."""
    role = pooler.new_role()
    pooler.configure(pool_mode="transaction", default_pool_size=400, query_wait_timeout="5")
    holders = []
    try:
        errors = []
        for _ in range(170):
            try:
                wire = pooler.wire(role)
                holders.append(wire)
                frames = wire.send(query("begin")).frames_until("Z", "E")
                errors += [frame.fields() for frame in frames if frame.kind == "E"]
            except Refused as refused:
                errors.append(refused.fields)
            if errors:
                break
        assert errors and errors[0]["C"] in ("53300", "57014", "08006", "08P01", "57P03"), errors[:1]
        assert holders[0].value("select 1") == "1"
    finally:
        for wire in holders:
            wire.close()
    pooler.serves()
