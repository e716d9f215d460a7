#!/usr/bin/env python3
"""functions.py FILE…: prints functions of more than 70 lines in Swift, C, Python and shell files.

Ends with status 1 where there is one. Formatters hold the shape that this relies on: what opens a
function and the brace that closes it are indented alike.
"""

import ast
import collections.abc
import re
import sys

LONGEST = 70
SWIFT = re.compile(r"(?P<indent> *)(?:@[\w.]+(?:\([^)]*\))? +|[\w~]+(?:\(\w+\))? +)*(?:func|init|deinit|subscript)\b")
SHELL = re.compile(r"(?P<indent>)\w+\(\) [{(]$")
Lengths = collections.abc.Iterator[tuple[int, int]]  # line and length of each function


def indented(lines: list[str], opening: re.Pattern[str], closing: str) -> Lengths:
    """Yields the functions whose last line is `closing`, indented like the first."""
    for start, line in enumerate(lines):
        if (match := opening.match(line)) is None:
            continue
        last = match["indent"] + closing
        for end in range(start + 1, len(lines)):
            begins = len(lines[end]) - len(lines[end].lstrip())
            if lines[end].startswith(last):
                yield start + 1, end - start + 1
                break
            if lines[end].strip() and begins <= len(match["indent"]) and lines[end].strip()[0] not in ")]{":
                break  # a protocol's requirement, or a function of one line


def in_swift(text: str) -> Lengths:
    return indented(text.split("\n"), SWIFT, "}")


def in_shell(text: str) -> Lengths:
    return indented(text.split("\n"), SHELL, "}")


def in_c(text: str) -> Lengths:
    """Counts from the type, the line after the last blank line or comment, as pgindent writes it."""
    start, head = 0, 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("{"):
            start = head or number
        elif line.startswith("}"):
            if start:
                yield start, number - start + 1
            start = head = 0
        elif not line or line.startswith(("#", "/*", " *")):
            head = 0
        elif not line[0].isspace():
            head = head or number


def in_python(text: str) -> Lengths:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1


def main() -> int:
    count = 0
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if path.endswith(".swift"):
            found = in_swift(text)
        elif path.endswith((".c", ".h")):
            found = in_c(text)
        elif path.endswith(".py") or text.startswith("#!/usr/bin/env python"):
            found = in_python(text)
        else:
            found = in_shell(text)
        for line, length in found:
            if length > LONGEST:
                print(f"{path}:{line}: a function of {length} lines, at most {LONGEST}")
                count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
