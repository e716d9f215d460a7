#!/usr/bin/env python3
"""
Shows that the live tests of session state can fail: switches off one mechanism after the other
(mutants.py), builds, and runs the tests that are about it.

    Tests/mutants/run.py [--only REGEX]

Changes files under Sources and puts them back, so it wants a clone of its own in which nothing
is changed; `make` must have run there with what `make test` installs. Ends with status 1 if a
mutant lives or can't be made.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "live"))

from environment import NAMES

ENOUGH = 3  # tests that fail


class Unfit(Exception):
    """A mutant that can't be made."""


class Edits:
    """The mutant's files; as they were when it ends."""

    def __init__(self, mutant):
        self.edits, self.before = mutant.edits, {}

    def __enter__(self):
        try:
            for file, text, instead in self.edits:
                self.edit(ROOT / "Sources" / file, text, instead)
        except BaseException:
            self.__exit__()
            raise

    def edit(self, path, text, instead):
        now = path.read_text()
        self.before.setdefault(path, now)
        if now.count(text) != 1:
            raise Unfit(f"{path.name} has {now.count(text)} times: {text.strip()}")
        path.write_text(now.replace(text, instead))

    def __exit__(self, *_):
        for path, text in self.before.items():
            path.write_text(text)


def run_tests(mutant):
    """Names of the tests that fail."""
    words = [ROOT / ".build/venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--maxfail={ENOUGH}",
             "--tb=no", ROOT / "Tests/live" / mutant.tests]
    if mutant.keyword:
        words += ["-k", mutant.keyword]
    # without them the tests ask scripts/server-env, which installs what was built
    variables = {name: value for name, value in os.environ.items() if name not in NAMES}
    done = subprocess.run(words, cwd=ROOT, env=variables, capture_output=True, text=True)
    failed = re.findall(r"^(?:FAILED|ERROR) \S+?::(.*)$", done.stdout, re.M)
    if done.returncode > 1 or (done.returncode == 1) != bool(failed):
        raise Unfit(f"pytest ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return failed


def attempt(mutant):
    with Edits(mutant):
        # a switched-off mechanism leaves functions without use: warnings must stay warnings
        variables = {name: value for name, value in os.environ.items() if name != "CI"}
        words = [ROOT / "scripts/build"]
        built = subprocess.run(words, cwd=ROOT, env=variables, capture_output=True, text=True)
        if built.returncode != 0:
            raise Unfit(f"it can't be built: {built.stdout[-1500:]}{built.stderr[-500:]}")
        return run_tests(mutant)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="REGEX", help="mutants whose names match")
    only = parser.parse_args().only
    if subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "Sources"], cwd=ROOT).returncode != 0:
        sys.exit("there are changes under Sources")
    alive = 0
    for mutant in MUTANTS:
        if not re.search(only, mutant.name):
            continue
        start = time.monotonic()
        try:
            failed = attempt(mutant)
            verdict = "dead " if failed else "ALIVE"
            text = "; ".join(failed)
        except Unfit as unfit:
            failed, verdict, text = [], "UNFIT", str(unfit)
        alive += not failed
        print(f"{verdict} {time.monotonic() - start:4.0f} s  {mutant.name}: {text}", flush=True)
    subprocess.run([ROOT / "scripts/build"], cwd=ROOT, check=True, capture_output=True)
    sys.exit(1 if alive else 0)


if __name__ == "__main__":
    main()
