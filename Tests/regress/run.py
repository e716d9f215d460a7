#!/usr/bin/env python3
"""
PostgreSQL's own regression tests through Carpool in transaction mode, with the servers rotating.

    Tests/regress/run.py FOLDER [--places direct,pooled] [--only REGEX] [--output FOLDER]

FOLDER is src/test/regress of PostgreSQL's sources (see README.md). Each test of its
parallel_schedule is run alone, in the schedule's order, by psql; twice, in a database made anew
each time. What the first run prints is what the second is expected to print. The files in
FOLDER/expected are not looked at, so the sources may be of another version than the server.
Prints each test that differs and ends with status 1 if there is one.
"""

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "live"))

from cluster import Cluster
from database_host import DatabaseHost, database_settings
from environment import make_environment, own

DATABASE = "regression"
OWNER = "regress_owner"
PASSWORD = "regress"
TIMEOUT = 300

# As pg_regress does; and nothing that makes plans or sizes differ from run to run.
DATABASE_SETTINGS = {
    "lc_messages": "C", "lc_monetary": "C", "lc_numeric": "C", "lc_time": "C", "bytea_output": "hex",
    "timezone_abbreviations": "Default",
}
SERVER_SETTINGS = {
    "autovacuum": "off", "max_prepared_transactions": 2, "max_connections": 60, "log_min_messages": "fatal",
    "compute_query_id": "off", "synchronous_commit": "off",
}
CARPOOL_SETTINGS = {"pool_mode": "transaction", "default_pool_size": 4, "test_rotate_servers": "on"}


def tests_of(folder, only):
    """The tests' names in the schedule's order."""
    names = []
    for line in (folder / "parallel_schedule").read_text().splitlines():
        if line.startswith("test:"):
            names += line.removeprefix("test:").split()
    # those that fill the database are what others need
    return [name for name in names if re.search(only, name) or name == "test_setup"]


def make_cluster(environment):
    """A running cluster with Carpool in it."""
    cluster = Cluster(environment)
    cluster.pooler_port = environment.new_port()
    carpool = database_settings(environment, cluster.socket_folder, cluster.pooler_port, **CARPOOL_SETTINGS)
    cluster.write_settings({**SERVER_SETTINGS, **carpool})
    cluster.start()
    cluster.sql(f"create role {OWNER} superuser login password '{PASSWORD}'")
    DatabaseHost(cluster).wait_listens()
    return cluster


class Run:
    """One pass over the tests: directly or pooled, with a folder of its own for what it prints."""

    def __init__(self, cluster, sources, place, output):
        self.cluster, self.sources, self.output = cluster, sources, output
        self.port = cluster.port if place.startswith("direct") else cluster.pooler_port
        self.output.mkdir(parents=True, exist_ok=True)

    def make_database(self):
        """The database, empty, with no roles or tablespaces of an earlier pass."""
        sql = self.cluster.sql
        self.cluster.forget_connections()
        sql(f"drop database if exists {DATABASE} with (force)")
        for name, in sql("select spcname from pg_tablespace where spcname like 'regress%%'"):
            sql(f"drop tablespace {name}")
        for name, in sql("select rolname from pg_roles where rolname like 'regress%%' and rolname <> %s",
                         OWNER):
            sql(f'drop owned by "{name}"')
            sql(f'drop role "{name}"')
        sql(f"create database {DATABASE} template template0 owner {OWNER}")
        for name, value in DATABASE_SETTINGS.items():
            sql(f"alter database {DATABASE} set {name} to '{value}'")

    def variables(self):
        return {
            "PATH": os.environ["PATH"], "LC_ALL": "C", "PGHOST": "127.0.0.1", "PGPORT": str(self.port),
            "PGUSER": OWNER, "PGPASSWORD": PASSWORD, "PGDATABASE": DATABASE, "PGTZ": "PST8PDT",
            "PGDATESTYLE": "Postgres, MDY", "PGOPTIONS": "-c intervalstyle=postgres_verbose",
            "PG_ABS_SRCDIR": str(self.sources), "PG_ABS_BUILDDIR": str(self.sources), "PG_DLSUFFIX": ".so",
            "PG_LIBDIR": str(self.sources), "PSQLRC": "/dev/null", "PSQL_HISTORY": "/dev/null",
            "PSQL_PAGER": "", "PGAPPNAME": "pg_regress",
        }

    def test(self, name):
        """Runs one test; returns its output's path and how long it took."""
        path = self.output / f"{name}.out"
        start = time.monotonic()
        with open(self.sources / "sql" / f"{name}.sql", "rb") as script, open(path, "wb") as output:
            command = [
                self.cluster.environment.program("psql"), "-X", "-a", "-q", "-d", DATABASE,
                "-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on",
            ]
            try:
                subprocess.run(command, stdin=script, stdout=output, stderr=subprocess.STDOUT,
                               env=self.variables(), cwd=self.sources, timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                output.write(b"\ntimed out\n")
        return path, time.monotonic() - start


def difference(expected, seen):
    """A unified diff, or an empty string."""
    texts = [path.read_text("utf-8", "replace").splitlines() for path in (expected, seen)]
    return "\n".join(difflib.unified_diff(*texts, str(expected), str(seen), lineterm="", n=3))


def build_functions(folder, target, environment):
    """The C functions of the tests; without them some tests have less to do, in both runs alike."""
    headers = subprocess.run(
        [environment.pg_config, "--includedir-server"], check=True, capture_output=True,
        text=True).stdout.strip()
    # sources of an older version include less than newer headers want
    result = subprocess.run(
        ["cc", "-O1", "-fPIC", "-shared", "-w", f"-I{headers}", "-include", "postgres.h", "-include",
         "utils/array.h",
         "-o", target / "regress.so", folder / "regress.c"], capture_output=True, text=True)
    print("regress.so:", "built" if result.returncode == 0 else result.stderr)


def copy_sources(folder, environment):
    """A copy that the server may read, and write its files into."""
    target = environment.new_folder("regress")
    for name in ("sql", "data", "parallel_schedule"):
        source = folder / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target / name)
    (target / "results").mkdir()
    build_functions(folder, target, environment)
    for path in (target, *target.rglob("*")):
        own(path, environment.server_user)
    return target


def compare(runs, names):
    """Runs every test in all places; returns the names that differ."""
    for run in runs:
        run.make_database()
        run.paths = {}
        for name in names:
            if (run.sources / "sql" / f"{name}.sql").exists():
                run.paths[name], seconds = run.test(name)
                print(f"{run.output.name}: {name} {seconds:.1f} s", flush=True)
    first, second = runs
    differing = []
    for name in first.paths:
        text = difference(first.paths[name], second.paths[name])
        if text:
            differing.append(name)
            (second.output / f"{name}.diff").write_text(text + "\n")
    return differing


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--places", default="direct,pooled", help="two of direct, pooled; or direct,direct")
    parser.add_argument("--only", default="", help="tests whose names match")
    parser.add_argument("--output", type=Path, default=Path("regress.out"))
    options = parser.parse_args()
    environment = make_environment()
    cluster = make_cluster(environment)
    try:
        sources = copy_sources(options.folder, environment)
        names = tests_of(options.folder, options.only)
        runs = [Run(cluster, sources, place, options.output.resolve() / f"{number}_{place}")
                for number, place in enumerate(options.places.split(","), 1)]
        differing = compare(runs, names)
    finally:
        cluster.remove()
        shutil.rmtree(environment.folder, ignore_errors=True)
        shutil.rmtree(environment.sockets, ignore_errors=True)
    for name in differing:
        print(f"differs: {name}: {runs[1].output / name}.diff")
    print(f"{len(runs[0].paths)} tests, {len(differing)} differ")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
