"""What the tests run from: the programs and folders that scripts/server-env makes ready."""

import os
import shlex
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

NAMES = {"PGBIN", "PG_CONFIG", "SERVER_USER", "SERVER_RUN", "CLUSTERS", "LAUNCHER"}
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Environment:
    """PGBIN, SERVER_USER … of scripts/server-env, and the folder of this test session."""

    pg_bin: str
    pg_config: str
    server_user: str
    server_run: list[str]
    launcher: str
    folder: Path
    sockets: Path
    next_port: int = field(default_factory=lambda: first_port())

    def program(self, name):
        return os.path.join(self.pg_bin, name)

    def as_server(self, *command):
        """The command, run as the user that servers run as; dies with the test process."""
        return [*self.server_run, "setpriv", "--pdeathsig", "QUIT", "--", *command]

    def new_folder(self, name):
        """An empty folder that the server's user owns."""
        path = Path(tempfile.mkdtemp(prefix=name + ".", dir=self.folder))
        own(path, self.server_user)
        return path

    def new_socket_folder(self):
        """A folder with a short path: those of Unix sockets hold 107 bytes."""
        path = Path(tempfile.mkdtemp(dir=self.sockets))
        path.chmod(0o777)
        return path

    def new_port(self):
        """A loopback port nobody listens on; never given out twice."""
        while True:
            port = self.next_port
            self.next_port += 1
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    continue


def first_port():
    """Below the kernel's ephemeral ports, elsewhere for each process that runs tests."""
    return int(os.environ.get("CARPOOL_TEST_PORTS", 20000 + os.getpid() * 97 % 10000))


def own(path, user):
    """Gives a file or folder to the server's user, when the tests run as root."""
    if os.geteuid() == 0:
        import pwd

        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def server_environment():
    """
    The assignments of scripts/server-env: from our own environment, where scripts/test has put
    them, else from the file that CARPOOL_SERVER_ENV names, else from the script itself.
    """
    prepared = os.environ.get("CARPOOL_SERVER_ENV")
    if NAMES <= os.environ.keys():
        return {name: os.environ[name] for name in NAMES}
    if prepared:
        text = Path(prepared).read_text()
    else:
        text = subprocess.run(
            [ROOT / "scripts" / "server-env"], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    pairs = (word.split("=", 1) for word in shlex.split(text))
    return {name: value for name, value in pairs}


def make_environment():
    """Reads scripts/server-env and makes this session's folders; see remove_environment."""
    values = server_environment()
    folder = Path(tempfile.mkdtemp(prefix="live.", dir=values["CLUSTERS"]))
    folder.chmod(0o755)
    sockets = Path(tempfile.mkdtemp(prefix="cp"))
    sockets.chmod(0o755)
    return Environment(
        pg_bin=values["PGBIN"],
        pg_config=values["PG_CONFIG"],
        server_user=values["SERVER_USER"],
        server_run=shlex.split(values.get("SERVER_RUN", "")),
        launcher=values["LAUNCHER"],
        folder=folder,
        sockets=sockets,
    )
