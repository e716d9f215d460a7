"""
What applications and their frameworks do with a session, several at a time, each directly and
through Carpool in transaction mode: Django, SQLAlchemy, psycopg, job queues, tenants.
"""

import threading

import psycopg
import pytest
import sqlalchemy
from sqlalchemy import event, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from waiting import wait_until

CLIENTS = 3


@pytest.fixture
def clients(place):
    """psycopg connections of one role, as a framework leaves them: not in autocommit."""
    role = place.role()
    return [place.connect(role, autocommit=False) for _ in range(CLIENTS)]


def value(connection, statement, *values):
    return connection.execute(statement, values or None).fetchone()[0]


def test_a_schema_for_each_tenant(place, clients):
    """django-tenants: SET search_path once, then transactions; pg_dump: an empty one."""
    place.cluster.sql(f"grant create on database {place.database} to {place.role().name}")
    for number, client in enumerate(clients):
        client.execute(f"create schema {place.role().name}_{number}")
        client.execute(f"set search_path = {place.role().name}_{number}, public")
        client.execute("create table customers(name text)")
        client.commit()
    for round_ in range(4):
        for number, client in enumerate(clients):
            client.execute("insert into customers values (%s)", [f"{number}: {round_}"])
            client.commit()
    for number, client in enumerate(clients):
        rows = client.execute("select name from customers order by 1").fetchall()
        assert rows == [(f"{number}: {round_}",) for round_ in range(4)]
        client.rollback()
    clients[0].execute("select pg_catalog.set_config('search_path', '', false)")
    clients[0].commit()
    assert value(clients[0], "show search_path") == ""
    assert value(clients[1], "select count(*) from customers") == 4


def test_server_side_cursors_over_transactions(clients):
    """psycopg's named cursors withhold=True, as Django's iterator() uses outside of a transaction."""
    cursors = []
    for number, client in enumerate(clients[:2]):
        cursor = client.cursor("rows", withhold=True)
        cursor.execute("select i + %s from generate_series(1, 100) i", [number * 1000])
        client.commit()
        cursors.append(cursor)
    seen = [[], []]
    for _ in range(10):
        for number, cursor in enumerate(cursors):
            seen[number] += [row[0] for row in cursor.fetchmany(10)]
            clients[number].commit()
            assert value(clients[2], "select 1") == 1
            clients[2].commit()
    assert seen == [[n + offset for n in range(1, 101)] for offset in (0, 1000)]
    for cursor in cursors:
        cursor.close()


def test_temporary_tables_over_transactions(clients):
    """Staging: create and fill in one transaction, use in the next, drop in a third."""
    for number, client in enumerate(clients[:2]):
        client.execute("create temp table staging(x int)")
        with client.cursor().copy("copy staging from stdin") as copy:
            for row in range(100):
                copy.write_row([row * (number + 1)])
        client.commit()
    for number, client in enumerate(clients[:2]):
        assert value(client, "select sum(x) from staging") == 4950 * (number + 1)
        client.commit()
        client.execute("drop table staging")
        client.commit()
    for client in clients:
        with pytest.raises(psycopg.errors.UndefinedTable):
            client.execute("table staging")
        client.rollback()


def test_a_job_queue_of_advisory_locks(place):
    """Que, good_job: workers lock a job for the session, work in transactions, then unlock."""
    role = place.role()
    main = place.connect(role)
    main.execute("create table jobs as select i as id, 0 as done from generate_series(1, 40) i")
    workers = [place.connect(role) for _ in range(3)]
    errors = []

    def work(connection):
        while True:
            row = connection.execute(
                "select id from jobs where done = 0 and pg_try_advisory_lock(id) limit 1").fetchone()
            if row is None:
                return
            held = value(connection, "select array_agg(objid::int) from pg_locks "
                                     "where locktype = 'advisory' and pid = pg_backend_pid()")
            if held != [row[0]]:
                errors.append((held, row))
            with connection.transaction():
                connection.execute("update jobs set done = done + 1 where id = %s and done = 0", row)
            if not value(connection, "select pg_advisory_unlock(%s)", row[0]):
                errors.append(("not held", row))

    threads = [threading.Thread(target=work, args=[worker], daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors
    assert main.execute("select count(*), sum(done) from jobs").fetchone() == (40, 40)
    assert value(main, "select count(*) from pg_locks where locktype = 'advisory'") == 0


def test_a_leader_is_elected_by_an_advisory_lock(place):
    role = place.role()
    first, second = place.connect(role), place.connect(role)
    elect = "select pg_try_advisory_lock(42)"
    assert [value(first, elect), value(second, elect)] == [True, False]
    for _ in range(3):
        assert value(first, "select 1") == 1
        assert value(second, elect) is False
    first.close()
    wait_until(lambda: value(second, elect), "the second leads")
    assert value(second, "select pg_advisory_unlock_all()") == ""


def test_a_listen_loop(place):
    """A worker that is woken by the trigger of a table."""
    role = place.role()
    worker, *writers = (place.connect(role) for _ in range(3))
    writers[0].execute("create table events(id serial, body text)")
    writers[0].execute("create function tell() returns trigger language plpgsql as "
                       "$$ begin perform pg_notify('events', new.id::text); return new; end $$")
    writers[0].execute("create trigger tell after insert on events for each row execute function tell()")
    worker.execute("listen events")
    seen = []
    for round_ in range(3):
        for number in range(10):
            writers[number % 2].execute("insert into events(body) values (%s)", [f"{round_}: {number}"])
        while len(seen) < 10 * (round_ + 1):
            more = [int(notice.payload) for notice in worker.notifies(timeout=20, stop_after=1)]
            assert more, seen
            seen += more
        assert value(worker, "select body from events where id = %s", seen[-1]) == f"{round_}: 9"
    assert seen == list(range(1, 31))


def test_prepare_and_execute(clients):
    for number, client in enumerate(clients):
        client.execute(f"prepare find(int) as select $1 * 10 + {number}")
        client.commit()
    for round_ in range(5):
        for number, client in enumerate(clients):
            assert value(client, f"execute find({round_})") == round_ * 10 + number
            client.commit()
    clients[0].execute("deallocate find")
    clients[0].commit()
    assert value(clients[1], "execute find(1)") == 11


def test_set_role_for_row_security(place):
    """PostgREST: a role and settings for each request; here for the session."""
    role, ann, bob = (place.new_role() for _ in range(3))
    for other in (ann, bob):
        place.cluster.sql(f"grant {other.name} to {role.name}")
        place.cluster.sql(f"grant usage on schema {role.name} to {other.name}", dbname=place.database)
    clients = [place.connect(role) for _ in range(3)]
    clients[0].execute("create table notes(owner text, claims text, body text)")
    clients[0].execute("alter table notes enable row level security")
    clients[0].execute("create policy own on notes using (owner = current_user "
                       "and claims = current_setting('request.jwt', true))")
    for other in (ann, bob):
        clients[0].execute(f"grant select on notes to {other.name}")
        clients[0].execute("insert into notes values (%s, 'x', %s)", [other.name, f"of {other.name}"])
    for client, other in zip(clients[1:], (ann, bob)):
        client.execute(f"set search_path = {role.name}; set role {other.name}; set request.jwt = 'x'")
    for _ in range(4):
        for client, other in zip(clients[1:], (ann, bob)):
            assert client.execute("select body from notes").fetchall() == [(f"of {other.name}",)]
        assert value(clients[0], "select count(*) from notes") == 2
    clients[1].execute("reset request.jwt")
    assert clients[1].execute("select body from notes").fetchall() == []
    for client in clients[1:]:
        client.execute("reset role")
        assert value(client, "select count(*) from notes") == 2


def test_statement_timeout_by_set(clients):
    clients[0].execute("set statement_timeout = 100")
    clients[0].commit()
    for _ in range(3):
        with pytest.raises(psycopg.errors.QueryCanceled):
            clients[0].execute("select pg_sleep(20)")
        clients[0].rollback()
        assert value(clients[1], "select 1 from pg_sleep(0.15)") == 1
        clients[1].commit()
        assert value(clients[2], "show statement_timeout") == "0"
        clients[2].commit()


def test_what_django_does_when_it_connects(place):
    """Its time zone when it connects, isolation level by parameters, savepoints for atomic()."""
    connection = place.connect(
        client_encoding="UTF8", options="-c default_transaction_isolation=repeatable\\ read -c TimeZone=UTC")
    other = place.connect(place.role())
    connection.execute("select set_config('TimeZone', 'Europe/Berlin', false)")
    connection.execute("create table t(x int)")
    for number in range(5):
        with connection.transaction():
            assert value(connection, "show transaction_isolation") == "repeatable read"
            connection.execute("insert into t values (%s)", [number])
            with pytest.raises(psycopg.errors.DivisionByZero):
                with connection.transaction():
                    connection.execute("delete from t")
                    connection.execute("select 1/0")
        assert value(connection, "show timezone") == "Europe/Berlin"
        assert value(other, "show timezone") == "UTC"
        assert value(other, "show transaction_isolation") == "read committed"
    assert value(other, "select count(*) from t") == 5


# SQLAlchemy

class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
def engine(place):
    arguments = place.arguments(place.role())
    made = sqlalchemy.create_engine(
        "postgresql+psycopg://", connect_args=arguments, pool_size=3, max_overflow=0)
    yield made
    made.dispose()


def test_sqlalchemy_sessions(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as first, Session(engine) as second:
        for number in range(10):  # psycopg prepares what comes for the fifth time
            first.add(Item(name=f"first {number}"))
            first.commit()
            second.add(Item(name=f"second {number}"))
            second.flush()
            assert second.query(Item).filter_by(name=f"first {number}").count() == 1
            second.rollback() if number % 2 else second.commit()
        assert first.query(Item).count() == 15
    Base.metadata.drop_all(engine)


def test_sqlalchemy_settings_of_each_connection(engine):
    """The usual listener on connect: search_path and statement_timeout, once for each connection."""
    count = iter(range(100))

    @event.listens_for(engine, "connect")
    def connected(connection, _):
        connection.execute(f"set work_mem = '{next(count) + 1}MB'")
        connection.commit()

    with engine.connect() as first, engine.connect() as second, engine.connect() as third:
        for _ in range(4):
            seen = []
            for connection in (first, second, third):
                seen.append(connection.execute(text("show work_mem")).scalar())
                connection.commit()
            assert seen == ["1MB", "2MB", "3MB"]


def test_sqlalchemy_streams_rows(engine):
    with engine.connect() as connection, engine.connect() as other:
        result = connection.execution_options(yield_per=100).execute(
            text("select i from generate_series(1, 1000) i"))
        total = 0
        for row in result:
            total += row.i
            if row.i % 250 == 0:
                assert other.execute(text("select 1")).scalar() == 1
                other.rollback()
        assert total == 500500
