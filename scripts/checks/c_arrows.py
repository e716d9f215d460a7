#!/usr/bin/env python3
"""c_arrows: which of the extension's C files use which others, as their objects say.

    scripts/checks/c_arrows.py [--all]

Reads with nm what each object of the last build (scripts/build) defines and uses. Prints the
arrows between the agent's folders; with --all also those between its files, with the names that
are used. Ends with status 1 and prints what closes the circle if files of the agent, or its
folders, use each other in a circle.
"""

import argparse
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "Sources/CPGExt"
OBJECTS = ROOT / ".build/release/CPGExt.build"
AGENT = "agent/"


def names(source):
    """What a file defines for others, and what it takes from them."""
    made = OBJECTS / f"{source}.o"
    if not made.exists():
        sys.exit(f"c_arrows: {source} has not been built")
    defined, used = set(), set()
    for line in subprocess.run(["nm", "--extern-only", made], capture_output=True, text=True, check=True).stdout.splitlines():
        *_, kind, name = line.split()
        (used if kind in "Uw" else defined).add(name)
    return defined, used


def arrows_of_files():
    """{file: {file it uses: names}}; a file is its path below Sources/CPGExt."""
    sources = sorted(str(path.relative_to(SOURCES)) for path in SOURCES.rglob("*.c"))
    tables = {source: names(source) for source in sources}
    home = {name: source for source, (defined, _) in tables.items() for name in defined}
    arrows = {source: defaultdict(set) for source in sources}
    for source, (_, used) in tables.items():
        for name in used & home.keys():
            arrows[source][home[name]].add(name)
    return arrows


def folder(source):
    return str(Path(source).parent)


def arrows_of_folders(arrows):
    """The same between folders: {folder: {folder it uses: arrows "file -> file"}}."""
    folders = defaultdict(lambda: defaultdict(set))
    for source, targets in arrows.items():
        for target in targets:
            if folder(source) != folder(target):
                folders[folder(source)][folder(target)].add(f"{source} -> {target}")
    return folders


def circles(arrows):
    """The largest sets of nodes that all reach each other (Tarjan), of more than one."""
    number, low, stack, found = {}, {}, [], []

    def visit(node):
        number[node] = low[node] = len(number)
        stack.append(node)
        for target in sorted(arrows.get(node, ())):
            if target not in number:
                visit(target)
            if target in stack:
                low[node] = min(low[node], low[target])
        if low[node] == number[node]:
            first = stack.index(node)
            if len(stack) - first > 1:
                found.append(sorted(stack[first:]))
            del stack[first:]

    for node in sorted(arrows):
        if node not in number:
            visit(node)
    return found


def show_circle(arrows, circle):
    print(f"circle of {len(circle)}: {' '.join(circle)}")
    for node in circle:
        for target in sorted(set(arrows[node]) & set(circle)):
            print(f"  {node} -> {target}: {' '.join(sorted(arrows[node][target]))}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="print the arrows between files, too")
    everything = parser.parse_args().all
    arrows = arrows_of_files()
    agent = {source: {target: used for target, used in targets.items() if target.startswith(AGENT)}
             for source, targets in arrows.items() if source.startswith(AGENT)}
    if everything:
        for source, targets in agent.items():
            for target, used in sorted(targets.items()):
                print(f"{source} -> {target}: {' '.join(sorted(used))}")
    folders = arrows_of_folders(agent)
    for name, targets in sorted(folders.items()):
        print(f"{name} -> {' '.join(sorted(targets))}")
    found = [(graph, circle) for graph in (agent, folders) for circle in circles(graph)]
    for graph, circle in found:
        show_circle(graph, circle)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
