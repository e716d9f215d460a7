"""Carpool as pgpool-launch in front of a cluster: one process and one ini file a test."""

import contextlib
import os
import shutil
import signal
import subprocess

from environment import own
from pooler import Pooler
from waiting import Log, wait_until
from wire import Wire


class LauncherHost(Pooler):
    """Started on the first use, so that configure() before it is free."""

    name = "launcher"

    def __init__(self, cluster, environment):
        super().__init__(cluster)
        self.environment = environment
        self.folder = environment.new_folder("launcher")
        self.socket_folder = environment.new_socket_folder()
        self.port = environment.new_port()
        self.log = Log(self.folder / "log")
        self.settings = {}
        self.database_lines = {}
        self.user_lines = {}
        self.secrets = {}
        self.process = None
        self.variables = {}
        self.server = f"host=127.0.0.1 port={cluster.port}" if cluster else ""

    # files

    def write_files(self):
        """The ini file and auth_file, from what was configured."""
        base = {
            "listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": self.socket_folder,
            "auth_type": "scram-sha-256", "auth_file": self.folder / "users.txt",
        }
        lines = ["[databases]"]
        for name, extra in {"*": "", **self.database_lines}.items():
            lines.append(f"{name} = {self.server} {extra}".rstrip())
        lines.append("[users]")
        lines += [f"{name} = {extra}" for name, extra in self.user_lines.items()]
        lines.append("[pgbouncer]")
        lines += [f"{name} = {value}" for name, value in {**base, **self.settings}.items()]
        self.write("pool.ini", "\n".join(lines) + "\n")
        self.write("users.txt", "".join(
            f'"{name}" "{secret}"\n' for name, secret in self.secrets.items()
        ))

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        own(path, self.environment.server_user)

    # settings

    def configure(self, restart=False, **settings):
        self.settings.update(settings)
        if self.running():
            if restart:
                self.stop()
                self.start()
            else:
                self.reload()

    def reload(self):
        """SIGHUP after writing the files; returns when it has been taken up."""
        ignored = self.settings.get("ignore_startup_parameters", "")
        wanted = ",".join(part for part in ignored.split(",") if not part.startswith("carpool_probe_"))
        self.settings["ignore_startup_parameters"] = f"{wanted},{self.settle()}".strip(",")
        self.write_files()
        self.process.send_signal(signal.SIGHUP)
        self.settled()

    def configure_role(self, role, **settings):
        self.user_lines[role.name] = " ".join(f"{k}={v}" for k, v in settings.items())
        if self.running():
            self.reload()

    def configure_database(self, database, **settings):
        self.database_lines[database] = " ".join(f"{k}={v}" for k, v in settings.items())
        if self.running():
            self.reload()

    def role_added(self, role):
        self.secrets[role.name] = role.password
        if self.running():
            self.reload()

    def role_secret_changed(self, role):
        self.role_added(role)

    # life

    def running(self):
        return self.process is not None and self.process.poll() is None

    def command(self):
        return [self.environment.launcher, str(self.folder / "pool.ini")]

    def start(self):
        if self.process is not None:
            return
        self.write_files()
        self.launch(self.command())
        wait_until(self.listens, "the launcher listens")

    def launch(self, command, as_server=True):
        """Runs the command with its output in self.log."""
        output = open(self.log.path, "ab")
        self.process = subprocess.Popen(
            self.environment.as_server(*command) if as_server else command,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", start_new_session=True,
            env={**os.environ, **self.variables},
        )
        output.close()

    def listens(self):
        assert self.process.poll() is None, "the launcher ended:\n" + self.log.text()[-3000:]
        with contextlib.suppress(OSError):
            for host in ("127.0.0.1", str(self.socket_folder)):
                Wire({"host": host, "port": self.port}).close()
            return True

    def stop(self, number=signal.SIGQUIT, deadline=30):
        """Ends it with a signal; returns the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the launcher did not end by signal {number}:\n" + self.log.text()[-3000:])
        self.process = None
        return status

    def log_mark(self):
        return self.log.mark()

    def log_lines(self, since):
        return [line for line in self.log.text(since).splitlines() if line.strip()]

    def log_tail(self):
        return self.log.text()[-4000:] + "\nserver:\n" + super().log_tail()

    def clean(self):
        try:
            self.stop()
        finally:
            super().clean()
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.rmtree(self.socket_folder, ignore_errors=True)
