"""LISTEN and NOTIFY in transaction mode: as on a direct connection, also while idle."""

import asyncio

import asyncpg
import psycopg
import pytest

from steps import Case, same_as_direct
from waiting import wait_until
from wire import TERMINATE

LISTENING = "select pg_listening_channels() order by 1"


def case(*steps, watch=(LISTENING,), **extra):
    return Case(list(steps), watch=list(watch), **extra)


# A client notifies itself only: what others hear comes when it comes.
CASES = {
    "listen, unlisten": case(
        "listen n_{me}", LISTENING, "notify n_{me}, 'first'", "notify n_{me}",
        "select pg_notify('n_{me}', '{n}')",
        "unlisten n_{me}", LISTENING, "notify n_{me}, 'unheard'", "select 1"),
    "several channels": case(
        "listen x_{me}; listen y_{me}", LISTENING, "notify y_{me}, '1'", "notify x_{me}, '2'",
        "unlisten x_{me}", LISTENING,
        "notify x_{me}", "notify y_{me}, '3'", "unlisten *", LISTENING, "notify y_{me}"),
    "transactions": case(
        "begin; listen n_{me}; rollback", LISTENING, "begin; listen n_{me}", LISTENING, "commit", LISTENING,
        "begin; notify n_{me}, 'a'; notify n_{me}, 'b'; notify n_{me}, 'a'", "select 1", "commit",
        "begin; notify n_{me}, 'never'; rollback", "begin; unlisten n_{me}; rollback", LISTENING,
        "discard all", LISTENING),
}


@pytest.mark.parametrize("name", CASES)
def test_as_on_a_direct_connection(places, name):
    same_as_direct(places, CASES[name])


def heard(connection, count):
    """Payloads of as many notifications, waited for while the client is idle."""
    notices = list(connection.notifies(timeout=20, stop_after=count))
    return [notice.payload for notice in notices][:count]


def test_a_psycopg_loop_hears_all_in_commit_order(place):
    role = place.role()
    listener, *senders = (place.connect(role) for _ in range(4))
    listener.execute("listen news")
    sent = []
    for number in range(60):
        sender = senders[number % 3]
        with sender.transaction():
            for part in "ab":
                sent.append(f"{number}{part}")
                sender.execute("select pg_notify('news', %s)", [sent[-1]])
    received = []
    while len(received) < len(sent):
        more = heard(listener, len(sent) - len(received))
        assert more, received
        received += more
    assert received == sent


def test_the_pid_of_a_notification_is_the_senders(place):
    role = place.role()
    listener, sender = place.connect(role), place.connect(role)
    listener.execute("listen news")
    sender.execute("notify news, 'x'")
    notice = next(listener.notifies(timeout=20, stop_after=1))
    assert notice.pid == sender.info.backend_pid
    listener.execute("notify news, 'own'")
    notice = next(listener.notifies(timeout=20, stop_after=1))
    assert (notice.pid, notice.payload) == (listener.info.backend_pid, "own")


def test_listeners_hear_their_own_channels_only(place):
    role = place.role()
    listeners = [place.connect(role) for _ in range(3)]
    sender = place.connect(role)
    for number, listener in enumerate(listeners):
        listener.execute(f"listen channel_{number}")
    for number in range(3):
        sender.execute(f"notify channel_{number}, '{number}'")
    assert [heard(listener, 1) for listener in listeners] == [["0"], ["1"], ["2"]]
    for listener in listeners:
        listener.execute("unlisten *")
    sender.execute("notify channel_0; notify channel_1; notify channel_2")
    for listener in listeners:
        listener.execute("select 1")
        assert list(listener.notifies(timeout=0)) == []


def test_asyncpg_listeners(place):
    async def work():
        events = asyncio.Queue()
        arguments = place.asyncpg_arguments()
        listeners = [await asyncpg.connect(**arguments) for _ in range(2)]
        sender = await asyncpg.connect(**arguments)
        callbacks = []
        for me, listener in enumerate(listeners):
            callbacks.append(lambda *event, me=me: events.put_nowait((me, event[-1])))
            await listener.add_listener("news", callbacks[-1])
        for number in range(10):
            await sender.execute(f"notify news, '{number}'")
            seen = sorted([await asyncio.wait_for(events.get(), 20) for _ in range(2)])
            assert seen == [(0, str(number)), (1, str(number))]
            assert await listeners[number % 2].fetchval("select $1::int", number) == number
        await listeners[0].remove_listener("news", callbacks[0])
        await sender.execute("notify news, 'last'")
        assert await asyncio.wait_for(events.get(), 20) == (1, "last")
        for connection in [*listeners, sender]:
            await connection.close(timeout=20)
        assert events.empty()

    asyncio.run(work())


def test_a_listener_that_left_is_forgotten(place):
    role = place.role()
    listener, sender = place.wire(role), place.connect(role)
    listener.query("listen news")
    listener.send(TERMINATE)
    listener.close()

    def nobody_listens():
        sender.execute("notify news, 'x'")
        rows = [sender.execute("select count(*) from pg_listening_channels()").fetchone() for _ in range(3)]
        return rows == [(0,)] * 3

    wait_until(nobody_listens, "nobody listens")
    assert list(sender.notifies(timeout=0)) == []


def test_a_listener_hears_while_all_other_servers_are_busy(rotating):
    role = rotating.role()
    listener = rotating.connect(role)
    listener.execute("listen news")
    busy = [rotating.connect(role, autocommit=False) for _ in range(3)]
    for connection in busy:
        connection.execute("select 1")
    busy[0].execute("notify news, 'from a transaction'")
    busy[0].commit()
    assert heard(listener, 1) == ["from a transaction"]
    for connection in busy:
        connection.rollback()


def test_a_notification_of_a_direct_client_arrives(rotating):
    listener = rotating.connect(rotating.role())
    listener.execute("listen news")
    with psycopg.connect(**rotating.cluster.direct(rotating.database), autocommit=True) as sender:
        sender.execute("notify news, 'from elsewhere'")
        assert heard(listener, 1) == ["from elsewhere"]
