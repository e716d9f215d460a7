"""Memory of the pooler for clients that are logged in and idle."""

import subprocess
import time

from .environment import raise_file_limit
from .failure import Failure
from .figures import Row, Section, at_most_value
from .peers import login_words
from .processes import memory_bytes

LIMIT = 1500
SPARE_FILES = 300
SETTLE_SECONDS = 2

NOTES = """\
{count:,} clients log in to a pooler just started that had one client before, and stay idle; then each of
them runs one query and is idle again. Growth of the pooler's process (in the database: of the worker) a
client, in bytes, from /proc/PID/smaps_rollup."""


def measure(peers, options):
    count = min(options.idle_clients, raise_file_limit(options.idle_clients + SPARE_FILES) - SPARE_FILES)
    if count < options.idle_clients:
        options.progress(f"memory: only {count} idle clients, for the limit of open files (ulimit -n)")
    rows = {
        ("logged in", "Pss"): Row("logged in: Pss", 0, at_most_value(LIMIT)),
        ("logged in", "Private_Dirty"): Row("logged in: Private_Dirty", 0),
        ("logged in", "Rss"): Row("logged in: Rss", 0),
        ("used", "Pss"): Row("after a query each: Pss", 0),
        ("used", "Private_Dirty"): Row("after a query each: Private_Dirty", 0),
    }
    for peer in filter(lambda peer: peer.pooler, peers):
        options.progress(f"memory of {count:,} idle clients: {peer.title}")
        peer.stop()
        peer.start()
        growth = growth_of(peer, count, options)
        for (state, kind), row in rows.items():
            row.add(peer.name, growth[state][kind] / count)
    return [Section("Memory for an idle client, bytes", NOTES.format(count=count), list(rows.values()))]


def growth_of(peer, count, options):
    """Bytes that the pooler's process grew by, in both states."""
    first = IdleClients(peer, 1, options)
    first.run_query()
    before = settled_memory(peer)
    clients = IdleClients(peer, count, options)
    try:
        logged_in = settled_memory(peer)
        clients.run_query()
        used = settled_memory(peer)
    finally:
        clients.leave()
        first.leave()
    return {"logged in": difference(logged_in, before), "used": difference(used, before)}


def settled_memory(peer):
    time.sleep(SETTLE_SECONDS)
    return memory_bytes(peer.pid())


def difference(after, before):
    return {kind: after[kind] - before[kind] for kind in before}


class IdleClients:
    """Clients that are logged in until leave()."""

    def __init__(self, peer, count, options):
        words = [peer.environment.client, "idle", *login_words(peer, options.unix), count]
        self.process = subprocess.Popen(
            list(map(str, words)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.wait()

    def run_query(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.wait()

    def wait(self):
        if self.process.stdout.readline().strip() != "ready":
            raise Failure("the idle clients are not all served; see above")

    def leave(self):
        self.process.stdin.close()
        self.process.wait()
