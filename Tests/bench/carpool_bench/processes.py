"""Servers and poolers as processes: start, stop, and what /proc says about them."""

import os
import pathlib
import socket
import subprocess
import time

from .failure import Failure

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 60
STOP_SECONDS = 30


class Daemon:
    """A program that we started and will stop; its output goes to a log file."""

    def __init__(self, name, command, log):
        self.name = name
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as output:
            # a session of its own: Ctrl-C reaches us alone, and we stop it in order
            self.process = subprocess.Popen(
                list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd="/", start_new_session=True)
        self.pid = self.process.pid

    def wait_until(self, ready):
        """Waits until ready() is true; fails when the program ends or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise Failure(f"{self.name} is not ready after {START_SECONDS} s:\n{self.log_tail()}")
            time.sleep(0.05)

    def check(self):
        """Fails when the program has ended."""
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended with status {self.process.returncode}:\n{self.log_tail()}")

    def stop(self, signal):
        """Sends signal and waits for the end; kills what does not end. True: it ended by itself."""
        if self.process.poll() is not None:
            return True
        self.process.send_signal(signal)
        try:
            self.process.wait(STOP_SECONDS)
            return True
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False

    def log_tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


def accepts(port):
    """Does someone listen on this port of the loopback address?"""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_ports(first):
    """Yields ports from first on that nobody listens on."""
    for port in range(first, 65536):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port
    raise Failure(f"no free port from {first} on")


def child_called(parent, words):
    """The pid of the one child of parent whose command line contains words, or None."""
    children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    found = [pid for pid in map(int, children) if words in command_line(pid)]
    return found[0] if len(found) == 1 else None


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def proc(pid, name):
    """A file of /proc/PID; fails when the process is gone."""
    path = pathlib.Path(f"/proc/{pid}/{name}")
    if not path.exists():
        raise Failure(f"process {pid} has ended meanwhile")
    return path


def kinds_of_sockets(pid):
    """How a process is connected: of "a Unix socket" and "loopback TCP", those it has."""
    links = [os.readlink(entry) for entry in proc(pid, "fd").iterdir()]
    own = {link[len("socket:["):-1] for link in links if link.startswith("socket:[")}
    kinds = {"a Unix socket": ("unix", 6), "loopback TCP": ("tcp", 9)}
    return {kind for kind, (table, column) in kinds.items() if own & inodes(table, column)}


def inodes(table, column):
    """The sockets of a table of /proc/net."""
    lines = pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    return {words[column] for words in map(str.split, lines) if len(words) > column}


def cpu_seconds(pid):
    """CPU time of a process so far, user and system, all its threads.

    From the scheduler's nanoseconds where the kernel keeps them and no thread can have ended
    unseen (poolers keep theirs), else from stat in clock ticks.
    """
    tasks = list(proc(pid, "task").iterdir())
    try:
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except (OSError, IndexError):
        fields = proc(pid, "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def memory_bytes(pid):
    """Rss, Pss and Private_Dirty of a process, in bytes."""
    values = {}
    for line in proc(pid, "smaps_rollup").read_text().splitlines()[1:]:
        name, amount = line.split(":")
        values[name] = int(amount.split()[0]) * 1024
    return {name: values[name] for name in ("Rss", "Pss", "Private_Dirty")}
