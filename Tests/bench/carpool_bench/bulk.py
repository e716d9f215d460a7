"""Much data: results of 10 MB, and COPY both ways."""

from .client import run_client
from .figures import Row, Section, at_least

RESULT = "select repeat('x', 1000) from generate_series(1, 10000)"
COPY_OUT = f"copy ({RESULT}) to stdout"
# the rows are read and checked, and then thrown away: the pooler is measured, not the disk
COPY_IN = "copy sink from stdin where false"

NOTES = """\
{what}.
The client is a C program that throws away what it reads; runs of {seconds} s, rounds: {rounds}. The pooler's
CPU time is for 10⁹ bytes."""


def measure_results(peers, options):
    """Results of 10 MB by 1 and 4 clients."""
    lines = [("1 client", "results", 1, RESULT, at_least(1.5)),
             ("4 clients", "results", 4, RESULT, at_least(2))]
    what = f"`{RESULT}`"
    return measure(peers, options, "10 MB results", what, lines)


def measure_copy(peers, options):
    """COPY out and in by one client."""
    lines = [("COPY out", "results", 1, COPY_OUT, at_least(1)),
             ("COPY in", "copy-in", 1, COPY_IN, at_least(1))]
    what = f"`{COPY_OUT}`\nand 10 MB in rows of 1,000 bytes sent to `{COPY_IN}`, one client"
    return measure(peers, options, "COPY", what, lines)


def measure(peers, options, title, what, lines):
    """Speed and CPU time of each line: (label, client mode, clients, SQL, target of the speed)."""
    speeds = [Row(f"{label}, MB/s", 0, target) for label, _, _, _, target in lines]
    costs = [Row(f"{label}, CPU s/GB", 3) for label, *_ in lines]
    for number in range(options.rounds):
        options.progress(f"{title}, round {number + 1} of {options.rounds}")
        for line, speed, cost in zip(lines, speeds, costs):
            for peer in peers:
                _, mode, clients, sql, _ = line
                outcome = run_client(peer, mode, clients, options, sql)
                speed.add(peer.name, outcome.bytes / outcome.seconds / 1e6)
                if outcome.cpu is not None:
                    # the rounds that warmed up cost CPU time as well
                    transferred = outcome.bytes * (outcome.count + clients) / outcome.count
                    cost.add(peer.name, outcome.cpu / transferred * 1e9)
    notes = NOTES.format(what=what, seconds=options.bulk_seconds, rounds=options.rounds)
    return [Section(title, notes, speeds + costs)]
