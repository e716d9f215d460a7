#!/usr/bin/env python3
"""Writes unicode_tables.h and unicode_results.h into Sources/CCrypto.

Source of the facts: Python's own copies of RFC 3454's tables (stringprep) and of the
Unicode Character Database (unicodedata). Only code points of Unicode 3.2 are written, so
that every Python writes the same file; see carpool_unicode.h for why they are enough.
"""
import pathlib
import stringprep
import unicodedata

ALL = range(0x110000)
HANGUL = range(0xAC00, 0xD7A4)
SURROGATES = range(0xD800, 0xE000)


def assigned(code):
    return code not in SURROGATES and not stringprep.in_table_a1(chr(code))


def prohibited(char):
    tables = ("c12", "c21_c22", "c3", "c4", "c5", "c6", "c7", "c8", "c9")
    return any(getattr(stringprep, "in_table_" + name)(char) for name in tables)


def ranges(test):
    found = []
    for code in ALL:
        if test(chr(code)):
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return found


def decompositions():
    """[first code, [results of first, results of first + 1, …]], all of one length in a run."""
    found = []
    for code in ALL:
        if not assigned(code) or code in HANGUL:
            continue
        char = chr(code)
        result = unicodedata.normalize("NFKD", char)
        if result == char:
            continue
        if found and found[-1][0] + len(found[-1][1]) == code and len(found[-1][1][0]) == len(result):
            found[-1][1].append(result)
        else:
            found.append([code, [result]])
    return found


def compositions():
    found = []
    for code in ALL:
        if code in SURROGATES or code in HANGUL:
            continue
        char = chr(code)
        parts = unicodedata.decomposition(char).split()
        # one code point of NFC: not excluded from composition
        if len(parts) != 2 or parts[0].startswith("<") or unicodedata.normalize("NFC", char) != char:
            continue
        first, second = (int(part, 16) for part in parts)
        if assigned(first) and assigned(second):
            found.append((first, second, code))
    return sorted(found)


def table(kind, name, rows):
    """Lines of a C array, tabs counted as four columns."""
    lines = [f"static const {kind} {name}[] = {{"]
    line = ""
    for row in rows:
        if 4 + len(line) + len(row) + 1 > 110:
            lines.append("\t" + line.rstrip())
            line = ""
        line += row + ", "
    return lines + ["\t" + line.rstrip(), "};"]


def write(name, tables):
    lines = ["/*", f" * {name}: made by scripts/unicode_tables.py, not to be edited", " */"]
    for rows in tables:
        lines += [""] + rows
    folder = pathlib.Path(__file__).resolve().parent.parent / "Sources" / "CCrypto"
    (folder / name).write_text("\n".join(lines) + "\n")


def main():
    tables = []
    for name, test in (
        ("spaces", stringprep.in_table_c12),
        ("vanishing", stringprep.in_table_b1),
        ("prohibited", prohibited),
        ("unassigned", stringprep.in_table_a1),
        ("right_to_left", stringprep.in_table_d1),
        ("left_to_right", stringprep.in_table_d2),
    ):
        tables.append(table("Range", name, [f"{{0x{a:X}, 0x{b:X}}}" for a, b in ranges(test)]))
    runs, results = [], []
    for first, run in decompositions():
        runs.append(f"{{0x{first:X}, {len(run)}, {len(run[0])}, {len(results)}}}")
        results += [ord(char) for result in run for char in result]
    tables.append(table("Run", "runs", runs))
    tables.append(table("Pair", "pairs", [f"{{0x{a:X}, 0x{b:X}, 0x{c:X}}}" for a, b, c in compositions()]))
    write("unicode_tables.h", tables)
    write("unicode_results.h", [table("uint32_t", "results", [f"0x{code:X}" for code in results])])


if __name__ == "__main__":
    main()
