"""Carpool inside PostgreSQL: shared_preload_libraries = pg_carpool, settings carpool.*."""

import contextlib
import re

from cluster import quote
from pooler import Pooler
from waiting import wait_until
from wire import Wire


class DatabaseHost(Pooler):
    """The cluster runs already, with the library preloaded; see database_settings."""

    name = "database"
    agents = True

    def __init__(self, cluster):
        super().__init__(cluster)
        self.port = cluster.pooler_port
        self.socket_folder = cluster.socket_folder
        self.changed = self.needs_restart = False

    def configure(self, restart=False, **settings):
        self.changed = True
        self.needs_restart = self.needs_restart or restart
        for name, value in settings.items():
            self.cluster.sql(f"alter system set carpool.{name} = {quote(value)}")
        self._apply(restart)

    def _apply(self, restart):
        if restart:
            self.cluster.restart()
            self.serves()
        else:
            self.reload()

    def reload(self):
        """Has the settings read again, and waits until they hold."""
        mark = self.log_mark()
        self.cluster.reload()
        wait_until(lambda: any("the settings were read again" in line for line in self.log_lines(mark)),
                   "the reload")

    def configure_role(self, role, **settings):
        for name, value in settings.items():
            self.cluster.sql(f"alter role {role.name} set carpool.{name} = {quote(value)}")

    def configure_database(self, database, **settings):
        for name, value in settings.items():
            self.cluster.sql(f"alter database {database} set carpool.{name} = {quote(value)}")

    def role_secret_changed(self, role):
        """Nothing to do: the pooler reads pg_authid."""

    def worker(self):
        """Process id of the background worker, or None."""
        return self.cluster.value(
            "select pid from pg_stat_activity where backend_type = 'carpool worker'"
        )

    def wait_listens(self):
        """Waits for the listener, where the settings ask for one."""
        if not self.cluster.value("select current_setting('carpool.listen_addr')"):
            return

        def listens():
            with contextlib.suppress(OSError):
                Wire({"host": "127.0.0.1", "port": self.port}).close()
                return True

        wait_until(listens, "the worker listens", 30)

    def wait_new_worker(self, old):
        return wait_until(lambda: (self.worker() or old) != old and self.worker(), "a new worker", 30)

    def log_mark(self):
        return self.cluster.log.mark()

    def log_lines(self, since):
        return [
            line for line in self.cluster.log.text(since).splitlines()
            if re.search(r"\] carpool worker (LOG|WARNING|ERROR|FATAL|INFO|NOTICE): ", line)
        ]

    def clean(self):
        super().clean()
        if self.changed:
            self.cluster.sql("alter system reset all")
            if self.needs_restart:
                self.cluster.restart()
            else:
                self.reload()
            self.changed = self.needs_restart = False


class DirectHost(DatabaseHost):
    """The same cluster without Carpool in between: what is right."""

    name = "direct"

    def __init__(self, cluster):
        super().__init__(cluster)
        self.port = cluster.port


# what steps compare: the same cluster, directly and through Carpool
PLACES = {"direct": DirectHost, "pooled": DatabaseHost}


def database_settings(environment, cluster_socket_folder, port, **carpool):
    """postgresql.conf's part for a cluster with Carpool in it."""
    return {
        "shared_preload_libraries": "pg_carpool",
        "carpool.listen_addr": "127.0.0.1",
        "carpool.listen_port": port,
        "carpool.unix_socket_dir": cluster_socket_folder,
        "carpool.test_checks_agents": "on",
        **{f"carpool.{name}": value for name, value in carpool.items()},
    }
