"""The command line, and the run as a whole."""

import argparse
import contextlib
import pathlib
import shlex
import signal
import sys
import time

from . import __doc__ as ABOUT
from . import bulk, instructions, logins, machine, memory, report, sessions, throughput
from .cluster import Cluster
from .environment import Environment, raise_file_limit
from .failure import Failure
from .peers import ALL, POOL_SIZE, Database, Launcher, PgBouncer, Plain
from .processes import free_ports

# in the order they run; those that restart the poolers come last
MEASURES = {
    "pgbench": throughput.measure,
    "prepared": throughput.measure_prepared,
    "results": bulk.measure_results,
    "copy": bulk.measure_copy,
    "logins": logins.measure,
    "memory": memory.measure,
    "sessions": sessions.measure,
    "instructions": instructions.measure,
}
OPEN_FILES = 8192
# of all figures those of pgbench scatter most
QUICK = {"rounds": 1, "pgbench_rounds": 1, "seconds": 1, "bulk_seconds": 0.3, "idle_clients": 500,
         "transactions": 2000, "scale": 1}
FULL = {"rounds": 5, "pgbench_rounds": 24, "seconds": 1, "bulk_seconds": 1, "idle_clients": 5000,
        "transactions": 20000, "scale": 10}

METHOD = """\
Figures of `make bench`. All on one machine: PostgreSQL, poolers and clients share its processors. Clients
come over {client_side}. Towards PostgreSQL: {server_sides}. Transaction mode, at most {pool_size} servers,
trust on both sides, fsync off, shared_buffers 256 MB, no log lines for connections. PgBouncer and
pgpool-launch read the same settings.

Runs are interleaved, peer by peer, round by round. A figure is the median of its rounds; the ratio after it
(×) is the median of the rounds' ratios to PgBouncer. Carpool's figures are followed by *ok* or *MISSED* where
there is a target.
"""


def parse(words):
    parser = argparse.ArgumentParser(
        prog="Tests/bench/run", description=ABOUT,
        epilog="A missed target does not change the exit status; whatever breaks does (1).")
    parser.add_argument("--quick", action="store_true", help="short runs, to see that all works")
    parser.add_argument("--only", action="append", metavar="NAME", choices=MEASURES,
                        help="run this measure alone; may be repeated: " + ", ".join(MEASURES))
    parser.add_argument("--peers", default=",".join(ALL), help="who takes part (default: %(default)s)")
    parser.add_argument("--rounds", type=positive(int),
                        help="rounds of each measure (default: 5; of pgbench: 24)")
    parser.add_argument("--seconds", type=positive(int), help="length of a pgbench run of more than one client (default: 1)")
    parser.add_argument("--clients", type=clients, metavar="N,…", default=throughput.CLIENTS,
                        help="numbers of clients for pgbench (default: all that have a target)")
    parser.add_argument("--unix", action="store_true", help="clients over Unix sockets, not loopback TCP")
    parser.add_argument("--server-side", choices=("unix", "tcp"), default="unix",
                        help="how the poolers reach PostgreSQL (default: %(default)s)")
    parser.add_argument("--port", type=positive(int), default=26000,
                        help="first port to use (default: %(default)s)")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE", help="write a report as Markdown")
    options = parser.parse_args(words)
    options.pgbench_rounds = options.rounds
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    options.peers = options.peers.split(",")
    for name in options.peers:
        if name not in ALL:
            parser.error(f"there is no peer {name}; there are: {', '.join(ALL)}")
    options.progress = progress
    return options


def positive(kind):
    def convert(text):
        value = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError(f"{text} is not positive")
        return value
    return convert


def clients(text):
    return tuple(positive(int)(number) for number in text.split(","))


def progress(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main(words):
    options = parse(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with contextlib.ExitStack() as cleanup:
            return run(options, words, cleanup)
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def run(options, words, cleanup):
    """The whole run. Returns 1 when a measure failed; the others are still taken and reported."""
    raise_file_limit(OPEN_FILES)
    environment = Environment()
    cleanup.callback(environment.close)
    environment.build_client()
    peers = set_up(environment, options, cleanup)
    sections, status = [], 0
    for name in (name for name in MEASURES if not options.only or name in options.only):
        try:
            measured = MEASURES[name](peers, options)
        except Failure as failure:
            print(f"bench: {name}: {failure}\n", file=sys.stderr)
            status = 1
            continue
        sections += measured
        for section in measured:
            print(report.terminal(section, peers) + "\n", flush=True)
    print(report.summary(sections, peers))
    if options.markdown:
        facts = machine.facts(environment, repeatable(words))
        options.markdown.write_text(report.document(sections, peers, method(peers, options), facts))
    return status


def repeatable(words):
    """The command that repeats the run, without the place of its report."""
    kept = [word for place, word in enumerate(words)
            if not word.startswith("--markdown") and words[max(place - 1, 0)] != "--markdown"]
    return f"make bench BENCH={shlex.quote(shlex.join(kept))}" if kept else "make bench"


def set_up(environment, options, cleanup):
    """Makes the clusters, starts all peers that take part and warms them up."""
    progress("setting up")
    ports = free_ports(options.port)
    cluster = Cluster(environment, "plain", next(ports))
    cleanup.callback(cluster.stop)
    cluster.create(options.scale)
    own_cluster = Cluster(environment, "own", next(ports))
    peers = {
        "plain": lambda: Plain(environment, cluster),
        "pgbouncer": lambda: PgBouncer(environment, cluster, next(ports), options.server_side),
        "launcher": lambda: Launcher(environment, cluster, next(ports), options.server_side),
        "database": lambda: Database(environment, own_cluster, next(ports)),
    }
    chosen = [peers[name]() for name in ALL if name in options.peers]
    cluster.stop()
    for peer in chosen:
        if isinstance(peer, Database):
            own_cluster.copy_of(cluster, peer.settings())
    cluster.start()
    for peer in chosen:
        cleanup.callback(peer.stop)
        peer.start()
        warm_up(peer, options)
    return chosen


def warm_up(peer, options):
    """Fills the pool and the caches, and sees that a pooler pools."""
    others = peer.cluster.backends()
    throughput.pgbench(peer, options.unix, "-c", 64, "-j", 2, "-T", 1)
    if not peer.pooler:
        return
    sockets = [socket for pid, socket in peer.cluster.backends().items() if pid not in others]
    if not 1 <= len(sockets) <= POOL_SIZE:
        raise Failure(f"{peer.title}: 64 clients have {len(sockets)} backends, not 1 to {POOL_SIZE}")
    peer.server_side = " and ".join(sorted(set(sockets)))


def method(peers, options):
    """How it was measured, for the report."""
    sides = ", ".join(f"{peer.title} over {peer.server_side}" for peer in peers if peer.pooler)
    return METHOD.format(client_side="Unix sockets" if options.unix else "loopback TCP",
                         server_sides=sides or "no pooler", pool_size=POOL_SIZE)
