#!/usr/bin/env python3
"""Writes the generated parts of docs/CONFIG.md: the reference of all settings, from
Sources/CHost/include/settings.def, and what becomes of PgBouncer's other settings, from
Sources/LaunchConfig/PgBouncerSettings.swift. What stands around them is written by hand.

  scripts/config_manual.py           brings docs/CONFIG.md up to date
  scripts/config_manual.py --check   changes nothing; status 1 when it is out of date
"""

import ast
import difflib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
MANUAL = ROOT / "docs/CONFIG.md"
TABLE = ROOT / "Sources/CHost/include/settings.def"
CHOICES = ROOT / "Sources/CHost/settings.c"
OTHERS = ROOT / "Sources/LaunchConfig/PgBouncerSettings.swift"


def text_of(node):
    """A default or a limit: a number, a name or a string."""
    if isinstance(node, ast.Name):
        return node.id
    return ast.literal_eval(node)


def names_of(node):
    """`A | B` as the set {A, B}; 0 as the empty one."""
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}


def rows():
    """The rows of settings.def: (kind, arguments) each. Its macros happen to be Python calls."""
    source = re.sub(r"/\*.*?\*/", "", TABLE.read_text(), flags=re.DOTALL)
    source = re.sub(r"\b0([0-7]+)\b", r"0o\1", source)
    for statement in ast.parse(source).body:
        yield statement.value.func.id.removeprefix("CARPOOL_"), statement.value.args


def choices(name):
    """The words of an enum, from its array in settings.c."""
    found = re.search(rf"{name}\[\] = \{{([^}}]*?),\s*NULL\}}", CHOICES.read_text())
    return re.findall(r'"([^"]*)"', found.group(1))


def number(value):
    """1000000.0 as 1000000."""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def octal(value):
    """As carpool_setting_format() writes it."""
    return f"0{value:o}"


def value_lines(kind, arguments, flags):
    """What the setting's value may be, and its default."""
    if kind == "BOOL":
        return "boolean", "on" if text_of(arguments[1]) == "true" else "off"
    if kind == "INT":
        default, low, high = (text_of(argument) for argument in arguments[1:4])
        if "OCTAL" in flags:
            return f"octal number, up to {octal(high)}", octal(default)
        return f"{low} to {high}", str(default)
    if kind == "TIME":
        return f"time, 0 to {number(text_of(arguments[2]))} s", f"{number(text_of(arguments[1]))} s"
    if kind == "ENUM":
        words = choices(text_of(arguments[2]))
        return " \\| ".join(f"`{word}`" for word in words), f"`{words[text_of(arguments[1])]}`"
    size, default = text_of(arguments[1]), text_of(arguments[2])
    return f"text, at most {size - 1} bytes", f"`{default}`" if default else "empty"


def scope_of(flags):
    """Whether it can differ per database or per role."""
    parts = [word for flag, word in (("DATABASE", "database"), ("USER", "role")) if flag in flags]
    if not parts:
        return "no"
    return "per " + " and per ".join(parts) + (" only" if "SCOPED_ONLY" in flags else "")


def reference():
    """A heading, the help text and a small table for each setting."""
    lines = []
    for kind, arguments in rows():
        flags = names_of(arguments[-2])
        if "HIDDEN" in flags:
            continue
        name = text_of(arguments[0])
        values, default = value_lines(kind, arguments, flags)
        lines += [
            f"### {name}", "", text_of(arguments[-1]), "",
            "| default | value | scope | change takes | hosts |", "|---|---|---|---|---|",
            f"| {default} | {values} | {scope_of(flags)} | "
            f"{'a restart' if 'RESTART' in flags else 'a reload'} | "
            f"{'launcher only' if 'LAUNCHER' in flags else 'both'} |", "",
        ]
    return lines


ENTRY = re.compile(r'\.init\(\s*"([^"]+)",\s*\[([^\]]*)\],\s*\.(\w+),\s*"([^"]*)"\)')
FATES = {"refuse": "an error", "warn": "a warning", "ignore": "–"}
LISTS = (
    ("global", "[pgbouncer]"), ("perDatabase", "an entry of [databases]"), ("perUser", "an entry of [users]"),
)


def taken(values, fate):
    """The values that pass: PgBouncer's default, and what comes to the same here."""
    words = re.findall(r'"([^"]*)"', values)
    if fate == "ignore":
        return "any"
    if words:
        return " ".join(f"`{word}`" if word else "empty" for word in words)
    return "PgBouncer's own query" if values.strip() else "none"


def others():
    """A table for each section of the file."""
    source = OTHERS.read_text()
    lines = []
    for name, section in LISTS:
        part = source.split(f"static let {name}: ", 1)[1].split("\n    ]\n", 1)[0]
        lines += [
            f"### In {section}", "", "| key | values that pass | any other value is | because |",
            "|---|---|---|---|",
        ]
        for key, values, fate, reason in ENTRY.findall(part):
            lines.append(f"| `{key}` | {taken(values, fate)} | {FATES[fate]} | {reason} |")
        lines.append("")
    return lines


def replaced(text, mark, lines):
    """text with the part between the two comments of this mark made anew."""
    begin, end = f"<!-- {mark}: made by scripts/config_manual.py -->", f"<!-- end of {mark} -->"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    if not tail:
        sys.exit(f"{MANUAL}: no part {mark}")
    return "\n".join([head + begin, "", *lines]) + end + tail


def main():
    old = MANUAL.read_text()
    new = replaced(replaced(old, "settings", reference()), "other settings", others())
    if "--check" not in sys.argv[1:]:
        MANUAL.write_text(new)
    elif new != old:
        sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True), "is", "should be"))
        sys.exit("docs/CONFIG.md is out of date: run scripts/config_manual.py")


if __name__ == "__main__":
    main()
