"""What several files of tests say: statements, SQLSTATEs, keys, and how long the oracles look."""

import os
import random
import struct

import pytest

PID = "select pg_backend_pid()"
VIOLATION = "08P01"
WRONG = "not the password"

# the key of a cancel request that makes an engine thread trap, with test_faults
TRAP = struct.pack("!II", 0x7EA9, 0x54524150)

MODES = pytest.mark.parametrize("mode", ["session", "transaction"])

# of the oracles, see docs/TESTING.md
ORACLE_SECONDS = float(os.environ.get("CARPOOL_ORACLE_SECONDS", 4))
ORACLE_SEED = int(os.environ.get("CARPOOL_ORACLE_SEED", 0)) or random.SystemRandom().randrange(1, 10 ** 9)
