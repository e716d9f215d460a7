#!/usr/bin/env python3
"""doc_names.py DOCUMENT…: prints names of code that these documents give and the sources do not have.

A name is what is between backticks and could be Swift's or the extension's: with a capital letter behind
the first (`moveReply`, `Relay.link`), or carpool_ in front. Links to files that are not there are
printed, too. Ends with status 1 where it printed something."""

import pathlib
import re
import subprocess
import sys

QUOTED = re.compile(r"`([A-Za-z_][\w.]*)`")
OURS = re.compile(r"^carpool_|^\w.*[A-Z]")
CONSTANT = re.compile(r"^[A-Z0-9_.]+$")
LINK = re.compile(r"\]\(((?!\w+:)[^)#\s]+)")


def words() -> set[str]:
    """Returns all names there are in the sources."""
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", "Sources"], capture_output=True, text=True,
        check=True).stdout.split("\n")
    found: set[str] = set()
    for path in filter(None, files):
        if pathlib.Path(path).is_file():
            found.update(re.findall(r"\w+", pathlib.Path(path).read_text(encoding="utf-8", errors="replace")))
    return found


def findings(path: pathlib.Path, known: set[str]) -> list[str]:
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for name in QUOTED.findall(line):
            if OURS.match(name) and not CONSTANT.match(name) and not known.issuperset(filter(None, name.split("."))):
                found.append(f"{path}:{number}: the sources have no {name}")
        found += [f"{path}:{number}: there is no {link}" for link in LINK.findall(line)
                  if not (path.parent / link).exists()]
    return found


def main() -> int:
    known = words()
    complaints = [text for path in sys.argv[1:] for text in findings(pathlib.Path(path), known)]
    print("\n".join(complaints), end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
