"""
Many clients with random state of every kind on few servers: each sees all of its own and
nothing of the others'. CARPOOL_ORACLE_SECONDS: how long each test looks; CARPOOL_ORACLE_SEED:
where to begin.
"""

import random
import threading
import time

import pytest

from constants import ORACLE_SECONDS, ORACLE_SEED
from session_model import Session, Wrong

STEPS = 1500
CLIENTS, SERVERS = 12, 4


def sessions_of(place, seed):
    """The clients, each with numbers of its own."""
    role, other = place.new_role(), place.new_role()
    cluster = place.cluster
    cluster.sql(f"grant {other.name} to {role.name}")
    names = [f"s{number}" for number in range(3)]
    for number, name in enumerate(names):
        cluster.sql(f"create sequence {role.name}.{name} cache {number * 5 + 1}", dbname=place.database)
        cluster.sql(f"grant all on sequence {role.name}.{name} to {role.name}, {other.name}",
                    dbname=place.database)
    cluster.sql(f"grant usage on schema {role.name} to {other.name}", dbname=place.database)
    cluster.sql(f"grant temp on database {place.database} to {other.name}")
    place.configure_role(role, pool_size=SERVERS)
    made = [Session(place.address(), role, place.database, me, random.Random(seed * 100 + me), names,
                    other.name)
            for me in range(1, CLIENTS + 1)]
    for session in made:
        session.start()
    return made


def story(seed, session, error):
    lines = "\n".join(f"  {step[:200]}" for step in session.steps[-25:])
    return f"seed {seed}, client {session.me}: {error}\nits last steps:\n{lines}"


@pytest.mark.deadline(60 + 3 * ORACLE_SECONDS)
def test_each_client_sees_its_own_state_in_turns(place):
    """One statement at a time, so that a seed always tells the same story."""
    end, seed = time.monotonic() + ORACLE_SECONDS, ORACLE_SEED
    while time.monotonic() < end:
        print("seed", seed)
        clients = sessions_of(place, seed)
        turns = random.Random(seed)
        for _ in range(STEPS):
            session = turns.choice(clients)
            held = sum(other.holds for other in clients if other is not session)
            try:
                session.step(may_hold=held < SERVERS - 2)
            except (Wrong, OSError) as error:
                raise AssertionError(story(seed, session, error)) from error
            if time.monotonic() > end:
                break
        for session in clients:
            session.wire.close()
        # long looks would leave more idle servers than PostgreSQL has room for
        place.end_backends(clients[0].role)
        seed += 1


@pytest.mark.deadline(60 + 3 * ORACLE_SECONDS)
def test_each_client_sees_its_own_state_at_once(place):
    """All clients in threads; only so many may hold a server at a time, or nobody gets on."""
    print("seed", ORACLE_SEED)
    clients = sessions_of(place, ORACLE_SEED)
    end = time.monotonic() + ORACLE_SECONDS
    failures = []
    seats = threading.Semaphore(SERVERS - 2)

    def work(session):
        seated = False
        try:
            while time.monotonic() < end and not failures:
                if not seated:
                    seated = seats.acquire(blocking=False)
                session.step(may_hold=seated)
                if seated and not session.holds:
                    seats.release()
                    seated = False
        except Exception as error:
            failures.append(story(ORACLE_SEED, session, repr(error)))
        finally:
            session.wire.close()
            if seated:
                seats.release()

    threads = [threading.Thread(target=work, args=[session], daemon=True) for session in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60 + ORACLE_SECONDS)
    assert not failures, failures[0]
    assert not any(thread.is_alive() for thread in threads)
