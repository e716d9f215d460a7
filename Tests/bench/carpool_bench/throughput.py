"""pgbench -S: transactions a second, and the pooler's CPU time for 100,000 of them."""

import re

from .environment import run
from .failure import Failure
from .figures import REFERENCE, Row, Section, at_least, at_most
from .peers import POOL_SIZE, login_words
from .processes import cpu_seconds

CLIENTS = (1, 16, 64)
PROTOCOLS = ("simple", "extended")

# What one client reaches depends on where the kernel has put client, pooler and backend, which are never
# busy at the same time: on one processor or on several, for the length of a run. That makes runs differ by a
# tenth, short ones no more than long ones; so there are many short ones.
SHORT_RUN = 1000
SHORT_RUNS = 16

NOTES = """\
`pgbench -S`, each line run peer by peer, every other time in the opposite order; runs of {seconds} s,
rounds: {rounds}. With one client runs of {short_run:,} transactions, {short_runs} in each round: there most of
the time one process sleeps until another wakes it, four times a transaction through any of these poolers, and
where the kernel has put them counts for more than what a pooler does."""
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
    for number in range(options.pgbench_rounds):
        options.progress(f"pgbench, round {number + 1} of {options.pgbench_rounds}")
        for protocol, clients in rates:
            for peer in turns(peers, number, SHORT_RUNS if clients == 1 else 1):
                rate, cost = one_run(peer, protocol, clients, options)
                rates[protocol, clients].add(peer.name, rate)
                if cost is not None:
                    costs[protocol, clients].add(peer.name, cost)
    notes = NOTES.format(seconds=options.seconds, rounds=options.pgbench_rounds, short_run=SHORT_RUN,
                         short_runs=SHORT_RUNS)
    return [Section("pgbench -S, transactions a second", notes, list(rates.values())),
            Section("pgbench -S, CPU seconds of the pooler for 100,000 transactions", COST_NOTES,
                    list(costs.values()))]


def turns(peers, number, runs):
    """The peers, so many times in a row, every other time in the opposite order."""
    for turn in range(number, number + runs):
        yield from peers if turn % 2 == 0 else reversed(peers)


PREPARED_CLIENTS = 200
PREPARED_NOTES = """\
`pgbench -S`, {clients} clients on {servers} servers: in the database with `-M prepared`, where each client's
statements follow it; beside it PgBouncer with `-M simple`, as this version knows no prepared statements in
transaction mode. Runs of {seconds} s, rounds: {rounds}; one error in a run, and the measure has failed."""


def measure_prepared(peers, options):
    """Prepared statements in the database beside the simple protocol through PgBouncer."""
    protocols = {"database": "prepared", REFERENCE: "simple"}
    row = Row(f"prepared, {PREPARED_CLIENTS} clients", 0, at_least(1.2))
    taking_part = [peer for peer in peers if peer.name in protocols]
    for number in range(options.rounds):
        options.progress(f"prepared, round {number + 1} of {options.rounds}")
        for peer in taking_part:
            row.add(peer.name, one_run(peer, protocols[peer.name], PREPARED_CLIENTS, options)[0])
    notes = PREPARED_NOTES.format(clients=PREPARED_CLIENTS, servers=POOL_SIZE, seconds=options.seconds,
                                  rounds=options.rounds)
    return [Section("Prepared statements, transactions a second", notes, [row])]


def one_run(peer, protocol, clients, options):
    """Transactions a second, and the pooler's CPU seconds for 100,000 of them or None."""
    pid = peer.pid()
    length = ("-t", SHORT_RUN) if clients == 1 else ("-T", options.seconds)
    before = cpu_seconds(pid) if pid else 0
    count, rate = pgbench(peer, options.unix, "-M", protocol, "-c", clients, "-j", min(clients, 2), *length)
    used = cpu_seconds(pid) - before if pid else None
    return rate, used * 100_000 / count if pid else None


def pgbench(peer, over_unix, *words):
    """Runs pgbench -S; returns the transactions done and their number a second. None may fail."""
    host, port, user, database = login_words(peer, over_unix)
    program = peer.environment.bin / "pgbench"
    said = run(program, "-n", "-S", *words, "-h", host, "-p", port, "-U", user, database)
    failed = re.search(r"number of failed transactions: (\d+)", said)
    if failed is not None and failed[1] != "0":
        raise Failure(f"{peer.title}: {failed[1]} transactions of pgbench failed")
    count = re.search(r"number of transactions actually processed: (\d+)", said)
    rate = re.search(r"^tps = ([\d.]+)", said, re.MULTILINE)
    return int(count[1]), float(rate[1])
