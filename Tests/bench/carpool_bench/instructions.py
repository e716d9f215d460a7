"""User instructions, heap allocations and retains for a transaction, counted by callgrind.

Each pooler runs under valgrind twice, once for N transactions of one client and once for 2 N.
What the second run has more is what N transactions cost, start and end of the program removed.
"""

import collections
import re
import shutil

from .failure import Failure
from .figures import Row, Section, at_most_value
from .peers import IniPeer
from .throughput import pgbench

LIMIT = 600

ALLOCATION = ("malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign", "free")
PAIRS = 8  # about one in three is without a call more
REFERENCE_COUNT = re.compile(r"swift_\w*(retain|release|allocObject|deallocObject)", re.IGNORECASE)

NOTES = """\
`pgbench -S`, one client, simple protocol, under `valgrind --tool=callgrind`: {count:,} transactions in one
run and {twice:,} in another; the difference, divided by {count:,}. All threads, the C library included.
Allocations are calls of malloc and its kin, free included; retains are calls of the Swift runtime's
retain, release, allocObject and deallocObject. Start and end of the program differ by a call now and then:
a pair of runs with any is repeated, up to eight times, and the least counts; what a transaction did would
be in each. The worker in the database runs the same relay code, so
pgpool-launch's figures hold for both hosts."""


def measure(peers, options):
    if shutil.which("valgrind") is None:
        raise Failure("valgrind is not installed: apt-get install valgrind")
    count = options.transactions
    instructions = Row("user instructions", 0, at_most_value(LIMIT))
    allocations = Row("heap allocations", 5, at_most_value(0))
    retains = Row("retains and releases", 5, at_most_value(0))
    for peer in peers:
        if not isinstance(peer, IniPeer):
            continue
        options.progress(f"{count:,} and {2 * count:,} transactions under callgrind: {peer.title}")
        pairs = []
        while len(pairs) < PAIRS and (not pairs or (peer.ours and any(calls(pairs[-1])))):
            pairs.append((profile(peer, count, options), profile(peer, 2 * count, options)))
            if peer.ours:
                options.progress(calls_by_name(*pairs[-1], count))
        once, twice = min(pairs, key=lambda pair: sum(calls(pair)))
        instructions.add(peer.name, (twice.instructions - once.instructions) / count)
        more_allocated, more_retained = calls((once, twice))
        allocations.add(peer.name, more_allocated / count)
        if peer.ours:
            retains.add(peer.name, more_retained / count)
    rows = [instructions, allocations, retains]
    for row in rows:
        for peer in filter(lambda peer: peer.ours, peers):
            row.stands_for(peer, "database")
    notes = NOTES.format(count=count, twice=2 * count)
    return [Section("A transaction in the pooler's process", notes, rows)]


class Profile:
    """Instructions of a run, and how often each function was called."""

    def __init__(self, text):
        totals = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
        if totals is None:
            raise Failure("callgrind left no totals")
        self.instructions = int(totals[1])
        self.calls = collections.Counter()
        names = {}
        callee = None
        for line in text.splitlines():
            # a function is written "(number) name" once and "(number)" from then on
            function = re.match(r"(c?)fn=\((\d+)\)(?: (.*))?$", line)
            if function:
                if function[3]:
                    names[function[2]] = re.sub(r"'\d+$", "", function[3])
                if function[1]:
                    callee = names[function[2]]
            elif line.startswith("calls="):
                self.calls[callee] += int(line[6:].split()[0])


def profile(peer, transactions, options):
    """Runs the pooler under callgrind for that many transactions."""
    peer.stop()
    output = peer.environment.folder / f"callgrind.{peer.name}.{transactions}"
    peer.start(wrapper=["valgrind", "--tool=callgrind", "--trace-children=yes", "--demangle=no",
                        f"--callgrind-out-file={output}"])
    done, _ = pgbench(peer, options.unix, "-M", "simple", "-c", 1, "-t", transactions)
    log = peer.daemon.log
    peer.stop()
    if done != transactions:
        raise Failure(f"{done} transactions instead of {transactions}")
    if not output.exists():
        raise Failure(f"callgrind left nothing of {peer.title}; see {log}:\n{log.read_text()[-2000:]}")
    counted = Profile(output.read_text(errors="replace"))
    # a program stripped of its symbols would look as if it called nothing
    if not allocated(counted) or (peer.ours and not retained(counted)):
        raise Failure(f"{peer.title}: callgrind sees no calls of malloc or swift_retain even at its start")
    return counted


def calls(pair):
    """Allocations and reference counts that the longer run has more."""
    once, twice = pair
    return max(0, allocated(twice) - allocated(once)), max(0, retained(twice) - retained(once))


def allocated(counted):
    return sum(counted.calls[name] for name in ALLOCATION)


def retained(counted):
    return sum(number for name, number in counted.calls.items() if is_reference_count(name))


def is_reference_count(name):
    return REFERENCE_COUNT.match(name) is not None


def calls_by_name(once, twice, count):
    """What the second run allocated and retained more, function by function, for the reader."""
    watched = {name for name in twice.calls if name in ALLOCATION or is_reference_count(name)}
    more = {name: twice.calls[name] - once.calls[name] for name in sorted(watched, key=str)}
    changed = ", ".join(f"{name} {number:+d}" for name, number in more.items() if number)
    return f"  calls in {count:,} transactions: {changed or 'none'}"
