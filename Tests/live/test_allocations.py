"""The hot path asks the heap for nothing: malloc is counted while transactions run."""

import pathlib
import struct
import subprocess

import pytest

from wire import query

SOURCE = pathlib.Path(__file__).with_name("malloc_counter.c")
TRANSACTIONS = 2000
# Housekeeping runs three times a second beside the transactions.
SLACK = 20


@pytest.fixture
def counted(launcher):
    """The launcher with malloc counted, and a function that reads the count."""
    library = launcher.folder / "malloc_counter.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    library.chmod(0o755)
    counter = launcher.folder / "mallocs"
    counter.write_bytes(bytes(8))
    launcher.variables.update(LD_PRELOAD=str(library), MALLOC_COUNTER=str(counter))
    return launcher, lambda: struct.unpack("=Q", counter.read_bytes())[0]


@pytest.mark.parametrize("mode", ["session", "transaction", "statement"])
def test_a_transaction_allocates_nothing(counted, mode):
    launcher, count = counted
    launcher.configure(pool_mode=mode, log_connections=0, log_disconnections=0)
    role = launcher.new_role()
    wires = [launcher.wire(role) for _ in range(2)]
    for _ in range(100):
        for wire in wires:
            wire.query("select 1")
    before = count()
    assert before > 100, "malloc is counted at all"
    for _ in range(TRANSACTIONS // 2):
        for wire in wires:
            wire.query("select 1")
    assert count() - before < SLACK


def test_clients_that_wait_and_transactions_in_parts_allocate_nothing(counted):
    launcher, count = counted
    launcher.configure(pool_mode="transaction", default_pool_size=1, log_connections=0)
    role = launcher.new_role()
    wires = [launcher.wire(role) for _ in range(4)]

    def round_of_all():
        for wire in wires:
            wire.send(query("select 1; select pg_sleep(0.0005)"))
        for wire in wires:
            wire.until_ready()

    for _ in range(30):
        round_of_all()
    before = count()
    for _ in range(TRANSACTIONS // 10):
        round_of_all()
    assert count() - before < SLACK
