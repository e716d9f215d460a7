#!/usr/bin/env python3
"""arrows.py FILE…: prints where a folder of the Swift worker names what it must not know.

Swift has no imports between folders of a module. So this looks for the types, functions and
constants that files of one folder declare at their top level, in the code of the others, and
compares each such arrow with ALLOWED. Only the folder `loop` may name EngineThread. Files outside
of all folders count as part of `loop`. Ends with status 1 where it printed something.
"""

import collections
import pathlib
import re
import sys

WORKER = pathlib.PurePath("Sources/PoolWorker")
LOOP = "loop"
#: What a folder may name, besides itself. The arrows have no circle.
ALLOWED = {
    "host": set(),
    "pool": {"host"},
    "link": {"pool", "host"},
    "threads": {"link", "pool", "host"},
    "client": {"threads", "link", "pool", "host"},
    "server": {"threads", "link", "pool", "host"},
    "session": {"threads", "link", "pool", "host"},
    LOOP: {"client", "server", "session", "threads", "link", "pool", "host"},
}
THREAD = "EngineThread"

MODIFIERS = r"(?:@[\w.]+(?:\([^)]*\))?\s+|[a-z]+(?:\([a-z]+\))?\s+)*"
DECLARED = re.compile(rf"^{MODIFIERS}(?:struct|class|enum|protocol|actor|typealias|func|let|var)\s+(\w+)", re.MULTILINE)
PRIVATE = re.compile(r"\b(?:file)?private\b")
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"""(?:\\.|[^\\])*?"""|"(?:\\[^(\n]|[^"\\\n])*"', re.DOTALL)


def code(text: str) -> str:
    """Returns the text with blanks in place of comments and strings; its lines stay where they are."""
    return NOT_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def declared(text: str) -> set[str]:
    """Returns the names that other files can use."""
    return {found[1] for found in DECLARED.finditer(text) if not PRIVATE.search(found[0])}


def names(name: str) -> re.Pattern[str]:
    """A type wherever it occurs; a function or constant where it isn't a member or a label."""
    if name[0].isupper():
        return re.compile(rf"\b{name}\b")
    return re.compile(rf"(?<![.\w`])(?<!func )(?<!let )(?<!var )(?<!case ){name}\b(?!\s*:)")


def findings(files: dict[str, dict[str, str]]) -> list[str]:
    """Takes the code by folder and file; returns a line for each forbidden arrow."""
    found = []
    homes = collections.defaultdict(set)
    for folder, texts in files.items():
        for text in texts.values():
            for name in declared(text):
                homes[name].add(folder)
    patterns = {name: names(name) for name in homes}
    for folder, texts in files.items():
        foreign = {name for name in homes if not homes[name] & (ALLOWED[folder] | {folder})}
        if folder != LOOP:
            foreign.add(THREAD)
        for path, text in sorted(texts.items()):
            for name in sorted(foreign):
                if (use := patterns.get(name, names(name)).search(text)) is not None:
                    line = text.count("\n", 0, use.start()) + 1
                    owner = "/".join(sorted(homes.get(name, {LOOP})))
                    found.append(f"{path}:{line}: {folder} may not name {name} of {owner}")
    return found


def main() -> int:
    files: dict[str, dict[str, str]] = collections.defaultdict(dict)
    complaints = []
    for path in sorted(sys.argv[1:]):
        parts = pathlib.PurePath(path).relative_to(WORKER).parts
        folder = parts[0] if len(parts) > 1 else LOOP
        if folder in ALLOWED:
            with open(path, encoding="utf-8") as file:
                files[folder][path] = code(file.read())
        else:
            complaints.append(f"{path}: arrows.py knows no folder {folder}")
    complaints += findings(files)
    print("\n".join(complaints), end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
