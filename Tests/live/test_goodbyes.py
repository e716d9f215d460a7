"""Terminate behind other messages: what was asked before it still happens."""

import pytest

from waiting import wait_until
from wire import TERMINATE, query


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_what_was_sent_before_terminate_is_done(pooler, mode):
    """As with PostgreSQL itself: fire, say goodbye, and it happens all the same."""
    pooler.configure(pool_mode=mode, default_pool_size=2)
    other = pooler.wire()
    other.query("drop table if exists sent; create table sent(x int)")
    wire = pooler.wire()
    inserts = b"".join(query(f"insert into sent select {n} from pg_sleep(0.01)") for n in range(20))
    wire.send(inserts, TERMINATE)
    wire.close()
    wait_until(lambda: other.value("select count(*) from sent") == "20", "all is done", 10)
    other.query("drop table sent")


def test_what_was_sent_before_terminate_is_done_in_the_clients_session(database):
    """Though the client is gone before the server has looked whom it serves."""
    database.configure(pool_mode="transaction", default_pool_size=1)
    other = database.wire()
    other.query("create table sent(wanted text, seen text)")
    for n in range(40):
        wire = database.wire()
        wire.query(f"set my.name = 'n{n}'")
        other.query("select 1")
        wire.send(query(f"insert into sent values ('n{n}', current_setting('my.name', true))"), TERMINATE)
        wire.close()
    assert other.rows("select count(*), count(*) filter (where wanted = seen) from sent") == [["40", "40"]]
