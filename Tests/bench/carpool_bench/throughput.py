"""pgbench -S: transactions a second, and the pooler's CPU time for 100,000 of them."""

import re

from .environment import run
from .figures import Row, Section, at_least, at_most
from .peers import login_words
from .processes import cpu_seconds

CLIENTS = (1, 16, 64)
PROTOCOLS = ("simple", "extended")

NOTES = """\
`pgbench -S`, each line run peer by peer; runs of {seconds} s, rounds: {rounds}."""
COST_NOTES = """\
User and system time of the pooler's process (in the database: of the worker), all its threads, in the
same runs."""


def measure(peers, options):
    """Runs every line with every peer, round by round."""
    rates, costs = {}, {}
    for protocol in PROTOCOLS:
        for clients in options.clients:
            label = f"{protocol}, {clients} client{'s' if clients > 1 else ''}"
            rates[protocol, clients] = Row(label, 0, at_least(1))
            costs[protocol, clients] = Row(label, 2, at_most(1))
    for number in range(options.rounds):
        options.progress(f"pgbench, round {number + 1} of {options.rounds}")
        for protocol, clients in rates:
            for peer in peers:
                rate, cost = one_run(peer, protocol, clients, options)
                rates[protocol, clients].add(peer.name, rate)
                if cost is not None:
                    costs[protocol, clients].add(peer.name, cost)
    notes = NOTES.format(seconds=options.seconds, rounds=options.rounds)
    return [Section("pgbench -S, transactions a second", notes, list(rates.values())),
            Section("pgbench -S, CPU seconds of the pooler for 100,000 transactions", COST_NOTES,
                    list(costs.values()))]


def one_run(peer, protocol, clients, options):
    """Transactions a second, and the pooler's CPU seconds for 100,000 of them or None."""
    pid = peer.pid()
    before = cpu_seconds(pid) if pid else 0
    count, rate = pgbench(peer, options.unix, "-M", protocol, "-c", clients, "-j", min(clients, 2),
                          "-T", options.seconds)
    used = cpu_seconds(pid) - before if pid else None
    return rate, used * 100_000 / count if pid else None


def pgbench(peer, over_unix, *words):
    """Runs pgbench -S; returns the transactions done and their number a second."""
    host, port, user, database = login_words(peer, over_unix)
    program = peer.environment.bin / "pgbench"
    said = run(program, "-n", "-S", *words, "-h", host, "-p", port, "-U", user, database)
    count = re.search(r"number of transactions actually processed: (\d+)", said)
    rate = re.search(r"^tps = ([\d.]+)", said, re.MULTILINE)
    return int(count[1]), float(rate[1])
