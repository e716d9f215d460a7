"""Logins: a client that connects, logs in and leaves, over and over."""

from .client import run_client
from .figures import Row, Section

CLIENTS = 4
NOTES = """\
Connect, log in with trust, leave; {clients} clients at a time, runs of {seconds} s, rounds: {rounds}."""


def measure(peers, options):
    speed = Row("logins a second", 0)
    cost = Row("CPU ms of the pooler for a login", 3)
    for number in range(options.rounds):
        options.progress(f"logins, round {number + 1} of {options.rounds}")
        for peer in peers:
            outcome = run_client(peer, "logins", CLIENTS, options)
            speed.add(peer.name, outcome.count / outcome.seconds)
            if outcome.cpu is not None:
                cost.add(peer.name, outcome.cpu * 1000 / (outcome.count + CLIENTS))
    notes = NOTES.format(clients=CLIENTS, seconds=options.bulk_seconds, rounds=options.rounds)
    return [Section("Logins", notes, [speed, cost])]
