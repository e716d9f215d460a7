"""What the figures were measured on."""

import os
import pathlib
import platform
import subprocess

from .environment import ROOT, run


def facts(environment, command):
    """Pairs of a name and a value, for the report."""
    release = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return [
        ("command", f"`{command}`"),
        ("processor", f"{processor()}, {os.cpu_count()} CPUs"),
        ("memory", f"{memory:.0f} GB"),
        ("system", f"{release}, Linux {platform.release()} {platform.machine()}"),
        ("PostgreSQL", run(environment.bin / "postgres", "--version").strip()),
        ("PgBouncer", run(environment.pgbouncer, "--version").splitlines()[0]),
        ("Carpool", commit()),
    ]


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def commit():
    """The commit measured; says so when the tree had changes beyond it."""
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"],
                          capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "not under version control"
