#!/usr/bin/env python3
"""c_format.py FILE…: prints where C is not in pgindent's style, and ends with status 1 if anywhere.

clang-format (see .clang-format) says how each line is indented and where blanks belong. What it
can't say are the columns in which pgindent puts declared names, and which line breaks the writer
chose. So this compares token by token and checks braces and columns by rules of its own.
"""

import pathlib
import re
import subprocess
import sys
import typing

try:
    import clang_format
except ImportError:
    sys.exit("no clang-format in .build/venv: run scripts/bootstrap test")

TAB = 4
LONGEST_LINE = 110
#: Columns from the indentation to the declared name, where the type is short enough.
NAME_COLUMN = 12

DECLARATION = re.compile(
    r"(?P<indent>\t*)(?P<type>(?:(?:const|static|extern|volatile|unsigned|struct|enum|union) )*\w+)"
    r"(?P<blanks>[ \t]+)(?P<stars>\**)\w+(?:\[[^]]*\])*(?: = [^=].*|\(.*)?[;,](?:\s*/\*.*)?$"
)
BRACE_BEHIND_CODE = re.compile(
    r"^(?!.* = \().*\)\s*\{$|^\s*(\}\s*)?(else|do)\s*\{$|^\s*\}\s*else\b|^(typedef )?(struct|enum|union)\b[^=;()]*\{$"
)
FORWARD = re.compile(r"(struct|enum|union) \w+;")
TYPE_BESIDE_NAME = re.compile(r"(?!typedef |#)[a-z][\w ]*[ *]\*?(?!pg_attribute)\w+\(")
STATEMENT_WORDS = ("return", "goto", "case", "else", "typedef", "extern")


class Token(typing.NamedTuple):
    """One character of the code that is no blank, and where it was found."""

    character: str
    line: int
    column: int
    is_first: bool  #: of its line
    after_blank: bool


def width(text: str) -> int:
    columns = 0
    for character in text:
        columns = columns // TAB * TAB + TAB if character == "\t" else columns + 1
    return columns


def tokens(text: str) -> list[Token]:
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        column, before = 0, " "
        is_first = True
        for place, character in enumerate(line):
            is_continuation = character == "\\" and place == len(line) - 1
            if not character.isspace() and not is_continuation:
                found.append(Token(character, number, column, is_first, before.isspace()))
                is_first = False
            column = column // TAB * TAB + TAB if character == "\t" else column + 1
            before = character
    return found


def formatted(path: str) -> str:
    program = pathlib.Path(clang_format.__file__).parent / "data/bin/clang-format"
    return subprocess.run([program, "--style=file", path], capture_output=True, text=True, check=True).stdout


def is_tolerated(lines: list[str], number: int) -> bool:
    """Returns whether pgindent or the writer decides about the indentation of this line."""
    line, above = lines[number - 1], lines[number - 2].rstrip()
    if above.endswith(("\\", "pg_attribute_noreturn()")) or line.lstrip().startswith(("?", ":")):
        return True
    if line.lstrip().startswith('"') and above.endswith('"'):  # the parts of one string
        return True
    names = re.search(r"\**\w+( = [^,]*)?,$", above)  # one below the other: their columns agree
    places = () if names is None else (width(above[: names.start()]), indentation(above) + NAME_COLUMN)
    return indentation(line) in places


def indentation(line: str) -> int:
    return width(line[: len(line) - len(line.lstrip())])


def compared(path: str, text: str) -> typing.Iterator[tuple[int, str]]:
    """Yields the lines whose indentation or blanks clang-format would change, each with the reason."""
    lines = text.split("\n")
    open_brackets: list[tuple[int, int]] = []
    told = 0
    for here, there in zip(tokens(text), tokens(formatted(path)), strict=True):
        if here.is_first and there.is_first and told != here.line:
            # pgindent aligns with the bracket, which may be further right than clang-format's
            wanted = next((ours + 1 for ours, its in open_brackets if its + 1 == there.column), there.column)
            if here.column != wanted and not is_tolerated(lines, here.line):
                told = here.line
                yield here.line, f"begins in column {here.column}, not in {wanted}"
        elif not here.is_first and not there.is_first and here.after_blank != there.after_blank:
            if told != here.line and lines[here.line - 1][: here.column].count("(*") == 0:
                told = here.line
                yield here.line, f"blank {'before' if here.after_blank else 'missing before'} {here.character}"
        if here.character in "([{":
            open_brackets.append((here.column, there.column))
        elif here.character in ")]}" and open_brackets:
            open_brackets.pop()


def columns(line: str) -> str | None:
    """Returns what is wrong with the column of a declared name, or None."""
    match = DECLARATION.fullmatch(line)
    if match is None or FORWARD.fullmatch(line) or match["type"].endswith("const"):
        return None
    if match["type"].split()[0] in STATEMENT_WORDS:
        return None
    blanks = match["blanks"]
    start = width(match["indent"])
    if len(match["type"]) < NAME_COLUMN - len(match["stars"]):
        wanted = start + NAME_COLUMN - len(match["stars"])
        found = width(line[: match.end("blanks")])
        return None if found == wanted else f"declares in column {found}, not in {wanted}"
    return None if blanks == " " else "declares behind more than one blank"


def ruled(text: str) -> typing.Iterator[tuple[int, str]]:
    """Yields the lines that break a rule which clang-format doesn't know."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        blanks = line[: len(line) - len(line.lstrip())]
        if line != line.rstrip():
            yield number, "blanks at the end"
        if width(line) > LONGEST_LINE:
            yield number, f"{width(line)} columns, at most {LONGEST_LINE}"
        if " " * TAB in blanks or " \t" in blanks:
            yield number, "indented by blanks, not by tabs"
        if line.endswith("\\") or lines[number - 2].endswith("\\"):
            continue
        if BRACE_BEHIND_CODE.search(line):
            yield number, "a brace beside code"
        if TYPE_BESIDE_NAME.match(line) and defines(lines, number):
            yield number, "a function's type beside its name"
        if wrong := columns(line):
            yield number, wrong


def defines(lines: list[str], number: int) -> bool:
    """Returns whether the function named in this line has its body here."""
    for line in lines[number - 1 :]:
        if line.startswith(("{", "}")):
            return line.startswith("{")
        if re.search(r";\s*(/\*.*)?$", line):
            return False
    return False


def main() -> int:
    count = 0
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if "made by" in text[:300]:
            continue
        for number, reason in sorted([*compared(path, text), *ruled(text)]):
            print(f"{path}:{number}: {reason}: {text.split(chr(10))[number - 1].strip()[:60]}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
