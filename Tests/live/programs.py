"""psql and pgbench as child processes, logged in through a pooler."""

import os
import re
import subprocess
import threading

from wire import Wire


def variables(pooler, role, transport="tcp", dbname=None):
    """libpq's environment for a login as this role."""
    address = pooler.address(transport)
    return {
        **os.environ, "PGHOST": address["host"], "PGPORT": str(address["port"]), "PGUSER": role.name,
        "PGPASSWORD": role.password, "PGDATABASE": dbname or pooler.database, "PGCONNECT_TIMEOUT": "20",
        "PSQLRC": "/dev/null", "PSQL_HISTORY": "/dev/null", "LC_ALL": "C", "PGOPTIONS": "",
    }


def program(pooler, name):
    return pooler.cluster.environment.program(name)


def psql(pooler, role, script, transport="tcp", dbname=None, check=True):
    """Runs a script; returns what it prints, unaligned rows without headers."""
    result = subprocess.run(
        [program(pooler, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-f", "-"], input=script, text=True,
        capture_output=True, timeout=60, env=variables(pooler, role, transport, dbname),
    )
    assert not check or result.returncode == 0, result.stdout + result.stderr
    return result.stdout if check else result


class Bench:
    """What a run of pgbench printed."""

    def __init__(self, result):
        self.output = result.stdout + result.stderr
        self.status = result.returncode
        found = re.search(r"number of transactions actually processed: (\d+)", self.output)
        self.transactions = int(found.group(1)) if found else 0
        found = re.search(r"number of failed transactions: (\d+)", self.output)
        self.failed = int(found.group(1)) if found else None

    def clean(self):
        """No error, no failed transaction, no lost client."""
        assert self.status == 0, self.output[-3000:]
        assert self.failed == 0, self.output[-3000:]
        for word in ("error", "aborted", "FATAL", "could not"):
            assert word not in self.output, self.output[-3000:]
        return self


def pgbench(pooler, role, *options, transport="tcp", timeout=120):
    result = subprocess.run(
        [program(pooler, "pgbench"), *map(str, options)], text=True, capture_output=True, timeout=timeout,
        env=variables(pooler, role, transport), cwd="/",
    )
    return Bench(result)


class Traffic:
    """Clients in threads that query until stop(); failures and answers are counted."""

    def __init__(self, pooler, role, count, statement="select pg_sleep(0.002)", transport="tcp",
                 reconnect=False, dbname=None):
        self.failures, self.answers = [], 0
        self.running = True
        self.arguments = (
            pooler.address(transport), role, dbname or pooler.database, statement, reconnect)
        self.threads = [threading.Thread(target=self._client, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _client(self):
        address, role, database, statement, reconnect = self.arguments
        while self.running:
            try:
                with Wire(address) as wire:
                    wire.login(role.name, role.password, database)
                    while self.running:
                        wire.rows(statement)
                        self.answers += 1
            except Exception as error:
                self.failures.append(repr(error))
                if not reconnect:
                    return

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self.threads)
        return self
