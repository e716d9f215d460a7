"""The version of the server that the tests run on, and what tests leave out on older ones."""

import re
import subprocess

import pytest

from environment import server_environment


def server_major():
    """The major version, 15 or higher."""
    config = server_environment()["PG_CONFIG"]
    text = subprocess.run([config, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return int(re.match(r"PostgreSQL (\d+)", text)[1])


MAJOR = server_major()

# Whether nobody has authenticated the session, in SQL; 15 can't tell.
UNAUTHENTICATED = "system_user is null" if MAJOR >= 16 else "true"


def needs(major):
    """A mark for a test of what PostgreSQL has since this version."""
    return pytest.mark.skipif(MAJOR < major, reason=f"PostgreSQL has it since {major}")
