"""Runs of the C client; see client/client.c for its modes."""

import dataclasses

from .environment import run
from .peers import login_words
from .processes import cpu_seconds


@dataclasses.dataclass
class Outcome:
    """What the clients did in seconds, and the pooler's CPU time meanwhile or None."""

    bytes: int
    count: int
    seconds: float
    cpu: float | None


def run_client(peer, mode, clients, options, *sql):
    pid = peer.pid()
    before = cpu_seconds(pid) if pid else 0
    words = [mode, *login_words(peer, options.unix), clients, options.bulk_seconds, *sql]
    said = run(peer.environment.client, *words)
    cpu = cpu_seconds(pid) - before if pid else None
    values = dict(word.split("=") for word in said.split())
    return Outcome(int(values["bytes"]), int(values["count"]), float(values["seconds"]), cpu)
