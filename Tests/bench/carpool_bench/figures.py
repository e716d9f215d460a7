"""Figures: samples of several rounds, their medians, ratios to PgBouncer, and targets."""

import dataclasses
import statistics

REFERENCE = "pgbouncer"


@dataclasses.dataclass(frozen=True)
class Target:
    """A bound for our figures: of the value itself, or of its ratio to PgBouncer's."""

    bound: float
    at_least: bool
    relative: bool

    def text(self):
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.bound:.2f} × PgBouncer" if self.relative else f"{sign} {self.bound:,g}"

    def met(self, value, ratio):
        """True or false; None when there is nothing to compare with. Judges what is printed."""
        figure = round(ratio, 2) if self.relative and ratio is not None else value
        if figure is None or (self.relative and ratio is None):
            return None
        return figure >= self.bound if self.at_least else figure <= self.bound


def at_least(factor):
    return Target(factor, at_least=True, relative=True)


def at_most(factor):
    return Target(factor, at_least=False, relative=True)


def at_most_value(bound):
    return Target(bound, at_least=False, relative=False)


class Row:
    """One figure of every peer; add() a value per round, in the same order of rounds for all."""

    def __init__(self, label, digits, target=None):
        self.label = label
        self.digits = digits
        self.target = target
        self.samples = {}
        self.shared = {}

    def add(self, peer, value):
        self.samples.setdefault(peer, []).append(value)

    def stands_for(self, peer, other):
        """The figure of peer, where there is one, is also that of other, not measured by itself."""
        if peer.name in self.samples:
            self.shared[other] = peer.title

    def value(self, peer):
        """The median of a peer's rounds, or None."""
        samples = self.samples.get(peer)
        return statistics.median(samples) if samples else None

    def ratio(self, peer):
        """Median over the rounds of value / PgBouncer's value of the same round, or None.

        Round by round, because what else a machine does changes from round to round.
        """
        ours, theirs = self.samples.get(peer), self.samples.get(REFERENCE)
        if peer == REFERENCE or not ours or not theirs or not all(theirs):
            return None
        return statistics.median(a / b for a, b in zip(ours, theirs))

    def verdict(self, peer):
        """"ok", "MISSED", or "" where there is no target or nothing to judge."""
        value = self.value(peer)
        if self.target is None or value is None:
            return ""
        met = self.target.met(value, self.ratio(peer))
        return "" if met is None else "ok" if met else "MISSED"

    def cell(self, peer):
        """The text for a peer: value, ratio and verdict, as far as there are any."""
        if peer.name in self.shared:
            return "as " + self.shared[peer.name]
        value = self.value(peer.name)
        if value is None:
            return "–"
        ratio = self.ratio(peer.name)
        parts = [f"{value:,.{self.digits}f}"]
        if ratio is not None:
            parts.append(f"{ratio:.2f}×")
        if peer.ours:
            parts.append(self.verdict(peer.name))
        return " ".join(filter(None, parts))


@dataclasses.dataclass
class Section:
    """A table of figures with its heading and what a reader has to know."""

    title: str
    notes: str
    rows: list
