"""Where the programs are, who runs the servers, and the folder they live in."""

import os
import pathlib
import resource
import shlex
import shutil
import subprocess
import tempfile

from .failure import Failure

ROOT = pathlib.Path(__file__).resolve().parents[3]
CLIENT_SOURCES = ROOT / "Tests" / "bench" / "client"


class Environment:
    """Programs and folders of one run; close() removes the run's folder."""

    def __init__(self):
        values = server_environment()
        self.bin = pathlib.Path(values["PGBIN"])
        self.launcher = pathlib.Path(values["LAUNCHER"])
        self.pgbouncer = find_pgbouncer(values.get("PGBOUNCER", ""))
        self.as_server = shlex.split(values.get("SERVER_RUN", ""))
        self.server_user = values["SERVER_USER"]
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=values["CLUSTERS"]))
        if self.as_server:
            shutil.chown(self.folder, self.server_user)
        self.folder.chmod(0o755)
        self.sockets = self.folder / "s"
        self.run_as_server("mkdir", self.sockets)
        self.client = self.folder / "bench-client"

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def build_client(self):
        """Compiles the C client for this run."""
        compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
        if compiler is None:
            raise Failure("no C compiler found (cc, gcc or clang)")
        sources = sorted(map(str, CLIENT_SOURCES.glob("*.c")))
        run(compiler, "-O2", "-Wall", "-o", self.client, *sources)

    def run_as_server(self, *command, **options):
        """Runs a program as the servers' user; returns what it printed."""
        return run(*self.as_server, *command, **options)


def server_environment():
    """The assignments of scripts/server-env: from our environment, or as the script prints them."""
    if all(name in os.environ for name in ("PGBIN", "LAUNCHER", "SERVER_USER", "CLUSTERS")):
        return os.environ
    script = ROOT / "scripts" / "server-env"
    done = subprocess.run([script], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failure("scripts/server-env failed; run `make` first")
    values = {}
    for word in shlex.split(done.stdout):
        name, _, value = word.partition("=")
        values[name] = value
    return values


def find_pgbouncer(unpacked):
    """PgBouncer from Debian's package: the one bootstrap unpacked, else the installed one."""
    search = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = unpacked or shutil.which("pgbouncer", path=search)
    if not found:
        raise Failure("PgBouncer is not installed: apt-get install pgbouncer")
    return pathlib.Path(found)


def run(*command, **options):
    """Runs a program to its end; returns its standard output. A failure shows all it said."""
    words = list(map(str, command))
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/", **options)
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip()
        raise Failure(f"{shlex.join(words)} ended with status {done.returncode}:\n{said}")
    return done.stdout


def raise_file_limit(wanted):
    """Raises the limit of open files, for us and whom we start; returns what we got."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        top = wanted if hard == resource.RLIM_INFINITY else hard
        if os.geteuid() == 0:
            top = max(top, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, top), top))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
