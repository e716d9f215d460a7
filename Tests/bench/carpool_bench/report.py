"""The tables, for the terminal and as Markdown."""

import unicodedata

HEADINGS = ("", "target")


def table(section, peers):
    """Rows of cells, heading first."""
    lines = [[*HEADINGS, *(peer.title for peer in peers)]]
    for row in section.rows:
        target = row.target.text() if row.target else ""
        lines.append([row.label, target, *(row.cell(peer) for peer in peers)])
    return lines


def terminal(section, peers):
    """The section as text with aligned columns."""
    lines = table(section, peers)
    widths = [max(width(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [section.title]
    for line in lines:
        cells = [cell + " " * (size - width(cell)) for cell, size in zip(line, widths)]
        text.append("  " + "  ".join(cells).rstrip())
    return "\n".join(text)


def markdown(section, peers):
    """The section as Markdown."""
    lines = table(section, peers)
    rule = ["---", "---", *("---:" for _ in peers)]
    rows = "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])
    notes = f"{section.notes}\n\n" if section.notes else ""
    return f"## {section.title}\n\n{notes}{rows}\n"


def document(sections, peers, method, machine):
    """The whole report as Markdown."""
    facts = "\n".join(f"| {name} | {value} |" for name, value in machine)
    parts = ["# Performance\n", method, f"| | |\n| --- | --- |\n{facts}\n"]
    return "\n".join([*parts, *(markdown(section, peers) for section in sections)])


def summary(sections, peers):
    """How many targets were met, and a line for each that was not."""
    verdicts = [(f"{section.title}: {row.label} ({peer.title})", row.verdict(peer.name))
                for section in sections for row in section.rows for peer in peers if peer.ours]
    judged = [verdict for _, verdict in verdicts if verdict]
    missed = [f"  missed: {what}" for what, verdict in verdicts if verdict == "MISSED"]
    return "\n".join([f"{judged.count('ok')} of {len(judged)} targets met", *missed])


def width(text):
    """Columns that a text takes on a terminal."""
    return sum(0 if unicodedata.combining(letter) else 1 for letter in text)
