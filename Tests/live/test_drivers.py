"""psycopg, asyncpg and pipelines as the JDBC driver sends them."""

import asyncio

import asyncpg
import psycopg
import pytest

from constants import MODES
from wire import SYNC, bind, close, describe, execute, kinds, parse


# psycopg

@MODES
def test_psycopg_queries_and_transactions(pooler, transport, mode):
    pooler.configure(pool_mode=mode, default_pool_size=2)
    connection = pooler.connect(transport=transport, autocommit=False)
    with connection.transaction():
        connection.execute("create table points(x int, y text)")
        with connection.cursor() as cursor:
            cursor.executemany("insert into points values (%s, %s)", [(n, f"p{n}") for n in range(100)])
    with pytest.raises(psycopg.errors.DivisionByZero):
        with connection.transaction():
            connection.execute("delete from points")
            connection.execute("select 1/0")
    assert connection.execute("select count(*), sum(x) from points").fetchone() == (100, 4950)
    assert connection.execute("select y from points where x = %s", [7], binary=True).fetchone() == ("p7",)
    connection.rollback()


def test_psycopg_prepares_in_session_mode(pooler, transport):
    pooler.configure(pool_mode="session")
    connection = pooler.connect(transport=transport, prepare_threshold=1)
    for number in range(20):
        assert connection.execute("select %s::int + 1", [number]).fetchone() == (number + 1,)
    assert connection.execute("select count(*) from pg_prepared_statements").fetchone()[0] >= 1


@MODES
def test_psycopg_pipeline_mode(pooler, transport, mode):
    pooler.configure(pool_mode=mode, default_pool_size=2)
    connection = pooler.connect(transport=transport)
    with connection.pipeline() as pipeline:
        cursors = [connection.execute("select %s::int", [n]) for n in range(50)]
        pipeline.sync()
        cursors += [connection.execute("select %s::int", [n]) for n in range(50, 100)]
    assert [cursor.fetchone()[0] for cursor in cursors] == list(range(100))
    with pytest.raises(psycopg.errors.DivisionByZero):
        with connection.pipeline():
            connection.execute("select 1")
            connection.execute("select 1/0")
            connection.execute("select 2")
    assert connection.execute("select 3").fetchone() == (3,)


@MODES
def test_psycopg_copy(pooler, transport, mode):
    pooler.configure(pool_mode=mode)
    connection = pooler.connect(transport=transport)
    connection.execute("create table points(x int, y text)")
    with connection.cursor() as cursor:
        with cursor.copy("copy points from stdin") as copy:
            for number in range(5000):
                copy.write_row((number, f"point {number}"))
        with cursor.copy("copy points to stdout") as copy:
            rows = list(copy.rows())
    assert len(rows) == 5000 and rows[42] == ("42", "point 42")


def test_psycopg_server_side_cursor(pooler, transport):
    pooler.configure(pool_mode="transaction")
    connection = pooler.connect(transport=transport, autocommit=False)
    with connection.cursor("rows") as cursor:
        cursor.itersize = 100
        cursor.execute("select generate_series(1, 1000)")
        assert sum(row[0] for row in cursor) == 500500
    connection.rollback()


def test_psycopg_notifications(pooler, transport):
    pooler.configure(pool_mode="session")
    listener, sender = pooler.connect(transport=transport), pooler.connect(transport=transport)
    listener.execute("listen news")
    sender.execute("notify news, 'hello'")
    notice = next(listener.notifies(timeout=20, stop_after=1))
    assert (notice.channel, notice.payload) == ("news", "hello")


def test_psycopg_asynchronously(pooler, transport):
    pooler.configure(pool_mode="transaction", default_pool_size=4)
    arguments = pooler.arguments(pooler.role(), transport)

    async def one(number):
        async with await psycopg.AsyncConnection.connect(**arguments, prepare_threshold=None) as connection:
            cursor = await connection.execute("select %s::int", [number])
            return (await cursor.fetchone())[0]

    async def all_of_them():
        return await asyncio.gather(*(one(number) for number in range(40)))

    assert asyncio.run(all_of_them()) == list(range(40))


# asyncpg

def test_asyncpg_with_its_prepared_statements(pooler, transport):
    pooler.configure(pool_mode="session", default_pool_size=5)

    async def work():
        connection = await asyncpg.connect(**pooler.asyncpg_arguments(transport))
        try:
            for number in range(20):
                assert await connection.fetchval("select $1::int + 1", number) == number + 1
            statement = await connection.prepare("select $1::text || 'x'")
            assert [await statement.fetchval(word) for word in ("a", "b")] == ["ax", "bx"]
            await connection.execute("create table points(x int, y text)")
            rows = [(n, str(n)) for n in range(500)]
            await connection.executemany("insert into points values ($1, $2)", rows)
            async with connection.transaction():
                total = 0
                async for record in connection.cursor("select x from points"):
                    total += record["x"]
            assert total == 124750
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.fetchval("select 1/0")
            await connection.copy_records_to_table("points", records=[(1, "one")] * 1000)
            assert await connection.fetchval("select count(*) from points") == 1500
        finally:
            await connection.close()

    asyncio.run(work())


def test_an_asyncpg_pool_and_its_reset(pooler, transport):
    pooler.configure(pool_mode="session", default_pool_size=5)

    async def one(pool, number):
        async with pool.acquire() as connection:
            return await connection.fetchval("select $1::int", number)

    async def work():
        async with asyncpg.create_pool(
            **pooler.asyncpg_arguments(transport), min_size=2, max_size=5
        ) as pool:
            assert await asyncio.gather(*(one(pool, n) for n in range(100))) == list(range(100))

    asyncio.run(work())


def test_asyncpg_cancels_what_times_out(pooler, transport):
    pooler.configure(pool_mode="session")

    async def work():
        connection = await asyncpg.connect(**pooler.asyncpg_arguments(transport))
        try:
            with pytest.raises(asyncio.TimeoutError):
                await connection.fetchval("select pg_sleep(600)", timeout=0.3)
            assert await connection.fetchval("select 1") == 1
        finally:
            await connection.close()

    asyncio.run(work())


def test_asyncpg_listens(pooler, transport):
    pooler.configure(pool_mode="session")

    async def work():
        heard = asyncio.get_running_loop().create_future()
        listener = await asyncpg.connect(**pooler.asyncpg_arguments(transport))
        sender = await asyncpg.connect(**pooler.asyncpg_arguments(transport))
        await listener.add_listener("news", lambda *event: heard.set_result(event[-1]))
        await sender.execute("notify news, 'hello'")
        assert await asyncio.wait_for(heard, 20) == "hello"
        await listener.close()
        await sender.close()

    asyncio.run(work())


# as the JDBC driver does it

JDBC_STARTUP = {
    "client_encoding": "UTF8", "DateStyle": "ISO", "TimeZone": "Europe/Berlin", "extra_float_digits": "2",
}


@pytest.fixture
def jdbc(pooler, transport):
    pooler.configure(pool_mode="session", ignore_startup_parameters="extra_float_digits")
    return pooler.wire(transport=transport, **JDBC_STARTUP)


def test_jdbc_logs_in(jdbc):
    assert jdbc.parameters["TimeZone"] == "Europe/Berlin"
    jdbc.send(parse("SET extra_float_digits = 3") + bind() + execute(rows=1) + SYNC)
    assert kinds(jdbc.until_ready()) == "12CZ"
    jdbc.send(parse("SET application_name = 'PostgreSQL JDBC Driver'") + bind() + execute(rows=1) + SYNC)
    assert kinds(jdbc.until_ready()) == "12CZ"


def test_jdbc_batches(jdbc):
    """Parse once, then Bind, Describe, Execute for each row, one Sync; begin travels along."""
    jdbc.query("create table points(x int, y text)")
    batch = parse("BEGIN", "S_begin") + bind(name="S_begin") + execute()
    batch += parse("insert into points values ($1, $2)", "S_1", types=(23, 25))
    for number in range(256):
        batch += bind([str(number), f"row {number}"], name="S_1") + describe() + execute(rows=1)
    jdbc.send(batch + SYNC)
    frames = jdbc.until_ready()
    assert kinds(frames) == "12C" + "1" + "2nC" * 256 + "Z" and frames[-1].body == b"T"
    jdbc.send(parse("COMMIT", "S_2") + bind(name="S_2") + execute(rows=1) + SYNC)
    assert jdbc.until_ready()[-1].body == b"I"
    assert jdbc.value("select count(*) from points") == "256"


def test_jdbc_server_prepared_statements(jdbc):
    for number in range(10):
        message = b"" if number else parse("select $1::int8 + 1", "S_9", types=(20,)) + describe("S", "S_9")
        jdbc.send(message + bind([str(number)], name="S_9") + execute() + SYNC)
        assert [f.values() for f in jdbc.until_ready() if f.kind == "D"] == [[str(number + 1)]]
    jdbc.send(close("S", "S_9") + SYNC)
    assert kinds(jdbc.until_ready()) == "3Z"


def test_jdbc_fetches_in_portions(jdbc):
    jdbc.send(parse("BEGIN") + bind() + execute() + parse("select generate_series(1, 250)", "S_3")
              + bind(portal="C_4", name="S_3") + describe("P", "C_4") + execute("C_4", 100) + SYNC)
    assert kinds(jdbc.until_ready()) == "12C12T" + "D" * 100 + "sZ"
    jdbc.send(execute("C_4", 100) + SYNC)
    assert kinds(jdbc.until_ready()) == "D" * 100 + "sZ"
    jdbc.send(execute("C_4", 100) + SYNC + close("P", "C_4") + SYNC)
    assert kinds(jdbc.until_ready()) == "D" * 50 + "CZ"
    assert kinds(jdbc.until_ready()) == "3Z"
    jdbc.query("rollback")
