"""Password hashes: one login's hash takes no other login's time, and ends with its client."""

import base64
import os
from pathlib import Path

import pytest

from constants import WRONG
from waiting import wait_until
from wire import Refused, message, text

# As many as PostgreSQL takes in a verifier: no test waits for their end.
ITERATIONS = 2147483647


def endless_secret():
    """A verifier that takes an hour to compare with."""
    key = base64.b64encode(b"\1" * 32).decode()
    return f"SCRAM-SHA-256${ITERATIONS}:{base64.b64encode(b'0123456789abcdef').decode()}${key}:{key}"


@pytest.fixture
def hashing(pooler):
    """A pooler that asks for clear-text passwords; (pooler, a role of an endless secret)."""
    eve = pooler.new_role()
    # ALTER ROLE would compare the verifier with an empty password
    pooler.cluster.sql("update pg_authid set rolpassword = %s where rolname = %s", endless_secret(), eve.name)
    if pooler.name == "launcher":
        pooler.secrets[eve.name] = endless_secret()
        pooler.configure(auth_type="plain", client_login_timeout=0)
        yield pooler, eve
        return
    with pooler.cluster.rules("host all all 127.0.0.1/32 password\n"):
        pooler.configure(client_login_timeout=0)
        yield pooler, eve


def start_hash(pooler, eve):
    """A connection whose password is being hashed, or will be."""
    wire = pooler.raw()
    wire.startup(eve.name, pooler.database)
    assert wire.frame().body == b"\0\0\0\3"
    return wire.send(message("p", text("x")))


def processor_time(pooler):
    """Clock ticks that the threads of the pooling process have had."""
    pid = pooler.worker() if pooler.name == "database" else pooler.process.pid
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_a_hash_without_end_stops_no_other_login(hashing):
    pooler, eve = hashing
    bob = pooler.new_role()
    with pooler.raw() as before:
        before.login(bob.name, bob.password, pooler.database)
    pending = [start_hash(pooler, eve) for _ in range(50)]
    for _ in range(10):
        with pooler.raw() as wire:
            wire.login(bob.name, bob.password, pooler.database)
            assert wire.value("select current_user") == bob.name
    with pytest.raises(Refused) as refused:
        pooler.raw().login(bob.name, WRONG, pooler.database)
    assert refused.value.fields["C"] == "28P01"
    for wire in pending:
        wire.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            wire.socket.recv(1)


def test_the_hash_of_a_client_that_left_ends(hashing):
    pooler, eve = hashing
    bob = pooler.new_role()
    pending = [start_hash(pooler, eve) for _ in range(20)]
    started = processor_time(pooler)
    second = os.sysconf("SC_CLK_TCK")
    wait_until(lambda: processor_time(pooler) - started > second / 4, "the hash is under way")
    for wire in pending:
        wire.close()
    with pooler.raw() as wire:
        wire.login(bob.name, bob.password, pooler.database)
    last = [processor_time(pooler)]

    def quiet():
        last.append(processor_time(pooler))
        return len(last) > 12 and last[-1] - last[-12] < 3

    wait_until(quiet, "no hash is computed any more")
