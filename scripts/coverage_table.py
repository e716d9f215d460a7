#!/usr/bin/env python3
"""coverage_table.py SOURCES UNIT.lcov LIVE.lcov: prints the share of lines that ran, by folder.

A line counts as soon as either file knows it; it ran where its count is more than 0. "both" is
the union: what either kind of test ran.
"""

import collections
import pathlib
import sys

Lines = dict[str, dict[int, bool]]  # by file: whether each line of code ran


def read(path: str, sources: pathlib.Path) -> Lines:
    lines: Lines = collections.defaultdict(dict)
    file = None
    with open(path, encoding="utf-8") as text:
        for row in text:
            kind, _, value = row.rstrip("\n").partition(":")
            if kind == "SF":
                name = pathlib.Path(value)
                file = str(name.relative_to(sources)) if name.is_relative_to(sources) else None
            elif kind == "DA" and file is not None:
                number, count = value.split(",")[:2]
                lines[file][int(number)] = lines[file].get(int(number), False) or int(count) > 0
    return lines


def folder(file: str) -> str:
    """Returns target and folder in it, as "CPGExt/agent"; "Wire" where a target has no folders."""
    return "/".join(pathlib.PurePath(file).parts[:-1][:2])


def share(ran: int, of: int) -> str:
    return f"{100 * ran / of:5.1f} %" if of else "      -"


def main() -> int:
    sources = pathlib.Path(sys.argv[1]).resolve()
    unit, live = (read(path, sources) for path in sys.argv[2:4])
    total: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0, 0, 0])
    for file in sorted({*unit, *live}):
        numbers = {*unit.get(file, {}), *live.get(file, {})}
        in_unit = {number for number, ran in unit.get(file, {}).items() if ran}
        in_live = {number for number, ran in live.get(file, {}).items() if ran}
        for name in (folder(file), "all"):
            row = total[name]
            for column, count in enumerate(map(len, (numbers, in_unit, in_live, in_unit | in_live))):
                row[column] += count
    print(f"{'folder':24} {'lines':>6} {'unit':>7} {'live':>7} {'both':>7}")
    for name in [*sorted(set(total) - {"all"}), "all"]:
        lines, *ran = total[name]
        print(f"{name:24} {lines:6} " + " ".join(share(count, lines) for count in ran))
    return 0


if __name__ == "__main__":
    sys.exit(main())
