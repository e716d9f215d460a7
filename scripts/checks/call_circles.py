#!/usr/bin/env python3
"""Prints the circles of calls among the worker's functions: functions each of which may call, directly
or by others, itself. Ends with status 1 where there is one. Reads the calls from the machine code of
the last release build, in which the compiler has put some functions into others: a circle stays one.

A slow path that has to go on where it came from posts a job instead (Sources/PoolWorker/threads/Agenda.swift):
so no call gets deeper with the number of clients that wait."""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OBJECTS = ROOT / ".build/release/PoolWorker.build"
BEGINNING = re.compile(r"^[0-9a-f]+ <(\S+)>:$")
CALL = re.compile(r"R_X86_64_(?:PLT32|PC32|GOTPCREL\w*)\s+(\S+?)(?:[-+]0x[0-9a-f]+)?$")


def calls():
    """{function: functions it calls or hands on}, by their mangled names."""
    found = defaultdict(set)
    objects = sorted(OBJECTS.glob("*.o"))
    if not objects:
        sys.exit("call_circles: the worker has not been built")
    for path in objects:
        code = subprocess.run(
            ["objdump", "-dr", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
        caller = None
        for line in code.splitlines():
            if beginning := BEGINNING.match(line):
                caller = beginning.group(1)
            elif caller and (call := CALL.search(line)):
                found[caller].add(call.group(1))
    return found


def circles(graph):
    """Strongly connected sets of more than one function, and functions that call themselves (Tarjan)."""
    number, lowest, stack, found = {}, {}, [], []

    def visit(start):
        work = [(start, iter(sorted(graph[start] & graph.keys())))]
        number[start] = lowest[start] = len(number)
        stack.append(start)
        while work:
            name, callees = work[-1]
            for callee in callees:
                if callee not in number:
                    number[callee] = lowest[callee] = len(number)
                    stack.append(callee)
                    work.append((callee, iter(sorted(graph[callee] & graph.keys()))))
                    break
                if callee in stack:
                    lowest[name] = min(lowest[name], number[callee])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[name])
                if lowest[name] == number[name]:
                    place = stack.index(name)
                    circle = stack[place:]
                    del stack[place:]
                    if len(circle) > 1 or name in graph[name]:
                        found.append(circle)

    for name in sorted(graph):
        if name not in number:
            visit(name)
    return found


def readable(names):
    return subprocess.run(
        ["swift", "demangle", "--compact", "--simplified"], input="\n".join(names),
        capture_output=True, text=True, check=True).stdout.splitlines()


def main():
    graph = {name: callees for name, callees in calls().items() if "10PoolWorker" in name}
    found = circles(graph)
    for circle in found:
        print("a circle of calls:", *sorted(readable(circle)), sep="\n  ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
