"""The worker in the database: it ends, traps and starts again without harm to other sessions."""

import os
import signal
import socket
import time

import psycopg
import pytest

from constants import TRAP
from database_host import DatabaseHost
from programs import Traffic
from waiting import wait_until
from wire import error_of, query, send_cancel


def no_crash(cluster):
    assert not cluster.log.lines("reinitializing|terminating any other active server processes")


@pytest.fixture
def direct(database):
    """Sessions that do not go through Carpool: one idle, one in a transaction; both must live on."""
    idle = psycopg.connect(**database.cluster.direct("app"), autocommit=True)
    busy = psycopg.connect(**database.cluster.direct("app"))
    pids = [session.execute("select pg_backend_pid()").fetchone() for session in (idle, busy)]
    yield
    assert [session.execute("select pg_backend_pid()").fetchone() for session in (idle, busy)] == pids
    no_crash(database.cluster)
    idle.close()
    busy.close()


def test_the_worker_is_listed(database):
    assert database.worker()
    assert database.cluster.value(
        "select count(*) from pg_stat_activity where backend_type = 'carpool worker'") == 1


def test_a_terminated_worker_comes_back(database, direct):
    database.configure(pool_mode="transaction")
    old = database.worker()
    idle, busy = database.wire(), database.wire()
    busy.query("begin")
    assert database.cluster.value("select pg_terminate_backend(%s)", old)
    for wire in (idle, busy):
        assert error_of(wire.until_closed())["C"] == "57P01"
    database.wait_new_worker(old)
    database.serves()


def test_a_terminated_worker_under_load_comes_back(database):
    database.configure(pool_mode="transaction", default_pool_size=4)
    role = database.new_role()
    traffic = Traffic(database, role, 16, reconnect=True)
    for _ in range(3):
        before = traffic.answers
        wait_until(lambda: traffic.answers > before + 100, "answers")
        old = database.worker()
        database.cluster.value("select pg_terminate_backend(%s)", old)
        database.wait_new_worker(old)
    database.serves()
    before = traffic.answers
    wait_until(lambda: traffic.answers > before + 100, "answers again")
    traffic.stop()
    no_crash(database.cluster)
    wait_until(lambda: len(database.servers(role)) <= 4, "no server is left over")


def test_a_trap_under_load_restarts_the_worker_alone(fresh_cluster):
    host = DatabaseHost(fresh_cluster(pool_mode="transaction", default_pool_size=4, test_faults="on"))
    role = host.new_role()
    direct = psycopg.connect(**host.cluster.direct("app"), autocommit=True)
    pid = direct.execute("select pg_backend_pid()").fetchone()
    traffic = Traffic(host, role, 16, reconnect=True)
    for _ in range(3):
        before = traffic.answers
        wait_until(lambda: traffic.answers > before + 100, "answers")
        old = host.worker()
        send_cancel(host.address(), TRAP)
        host.wait_new_worker(old)
        host.serves()
    before = traffic.answers
    wait_until(lambda: traffic.answers > before + 100, "answers again")
    traffic.stop()
    assert direct.execute("select pg_backend_pid()").fetchone() == pid
    no_crash(host.cluster)
    assert len(host.cluster.log.lines("trap")) >= 3
    wait_until(lambda: len(host.servers(role)) <= 4, "no server is left over")


def test_a_trap_with_several_threads_restarts_the_worker(fresh_cluster):
    host = DatabaseHost(fresh_cluster(pool_mode="transaction", test_faults="on", threads=4))
    old = host.worker()
    send_cancel(host.address(), TRAP)
    host.wait_new_worker(old)
    host.serves()
    no_crash(host.cluster)


def test_the_trapping_key_does_nothing_by_default(database):
    old = database.worker()
    send_cancel(database.address(), TRAP)
    assert database.wire().value("select 1") == "1"
    assert database.worker() == old


def test_a_killed_worker_is_a_crash_as_of_any_process_and_serves_after_it(fresh_cluster):
    host = DatabaseHost(fresh_cluster(pool_mode="transaction"))
    role = host.new_role()
    wire = host.wire(role)
    wire.query("begin")
    os.kill(host.worker(), signal.SIGKILL)
    wire.until_closed()
    host.cluster.log.wait("reinitializing")
    host.cluster.forget_connections()
    host.cluster.wait_ready()
    host.serves()


def test_a_port_in_use_is_logged_and_taken_when_free(fresh_cluster, environment):
    cluster = fresh_cluster()
    host = DatabaseHost(cluster)
    host.new_role()
    host.serves()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        cluster.stop()
        other.bind(("127.0.0.1", host.port))
        other.listen()
        mark = cluster.log.mark()
        cluster.start()
        cluster.log.wait("carpool worker .*in use", mark)
        assert cluster.value("select 1") == 1
    host.serves()


def test_settings_that_need_a_restart_wait_for_it(database):
    worker = database.worker()
    database.configure(threads=3, listen_port=database.port + 1)
    assert database.wire().value("select 1") == "1"
    assert database.worker() == worker
    pending = {name for name, in database.cluster.sql(
        "select name from pg_settings where pending_restart and name like 'carpool.%%'")}
    assert pending == {"carpool.threads", "carpool.listen_port"}


def test_setting_contexts(database):
    contexts = dict(database.cluster.sql(
        "select name, context from pg_settings where name like 'carpool.%%'"))
    for name in ("listen_addr", "listen_port", "unix_socket_dir", "threads"):
        assert contexts[f"carpool.{name}"] == "postmaster", name
    for name in ("max_client_conn", "default_pool_size", "query_wait_timeout", "server_idle_timeout",
                 "client_login_timeout", "ignore_startup_parameters", "server_reset_query",
                 "log_connections", "log_disconnections", "server_connect_timeout"):
        assert contexts[f"carpool.{name}"] == "sighup", name
    for name in ("pool_mode", "pool_size", "min_pool_size", "max_db_connections", "max_user_connections",
                 "server_lifetime", "client_idle_timeout", "idle_transaction_timeout"):
        assert contexts[f"carpool.{name}"] == "superuser", name
    for name in ("auth_file", "auth_type", "pidfile", "logfile", "user"):
        assert f"carpool.{name}" not in contexts, name


def test_bad_values_are_refused_where_they_are_set(database):
    for name, value in (("pool_mode", "sometimes"), ("listen_port", "70000"), ("max_client_conn", "-1"),
                        ("query_wait_timeout", "soon")):
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            database.cluster.sql(f"alter system set carpool.{name} = '{value}'")


def test_units_of_time_are_taken(database):
    database.cluster.sql("alter role current_user set carpool.client_idle_timeout = '5min'")
    database.cluster.sql("alter role current_user reset carpool.client_idle_timeout")
    database.configure(pool_mode="transaction", query_wait_timeout="700ms", default_pool_size=1)
    holder, waiting = database.wire(), database.wire()
    holder.query("begin")
    waiting.send(query("select 1"))
    assert "query_wait_timeout" in error_of(waiting.until_closed())["M"]


def test_log_connections_and_log_disconnections(database):
    database.configure(log_connections="on", log_disconnections="on")
    role = database.new_role()
    mark = database.log_mark()
    database.wire(role).send(b"X\0\0\0\4").until_closed()
    wait_until(lambda: len([x for x in database.log_lines(mark) if role.name in x]) >= 2, "two lines")
    database.configure(log_connections="off", log_disconnections="off")
    mark = database.log_mark()
    database.wire(role).send(b"X\0\0\0\4").until_closed()
    assert database.wire(role).value("select 1") == "1"
    assert not [line for line in database.log_lines(mark) if role.name in line]


def test_a_quiet_worker_uses_no_processor_time(database):
    """Hundreds of idle clients cost no wake-ups worth speaking of."""
    database.configure(pool_mode="transaction")
    for _ in range(50):
        database.wire()
    pid = database.worker()

    def ticks():
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before, end = ticks(), time.monotonic() + 2
    wait_until(lambda: time.monotonic() > end, "two seconds")
    assert ticks() - before <= 4
