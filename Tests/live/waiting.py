"""Waiting for events with a deadline; tests never sleep for a fixed time."""

import re
import time
from pathlib import Path

DEADLINE = 20.0


def wait_until(probe, what, deadline=DEADLINE):
    """Polls until probe() is true and returns its value; AssertionError after the deadline."""
    end = time.monotonic() + deadline
    pause = 0.002
    while True:
        value = probe()
        if value:
            return value
        assert time.monotonic() < end, f"not within {deadline} s: {what}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


class Log:
    """A log file that grows; marks are byte offsets."""

    def __init__(self, path):
        self.path = Path(path)

    def mark(self):
        return self.path.stat().st_size if self.path.exists() else 0

    def text(self, since=0):
        if not self.path.exists():
            return ""
        with open(self.path, "rb") as file:
            file.seek(since)
            return file.read().decode("utf-8", "replace")

    def lines(self, pattern, since=0):
        return [line for line in self.text(since).splitlines() if re.search(pattern, line)]

    def wait(self, pattern, since=0, deadline=DEADLINE):
        """The first line that matches, when it is there."""
        return wait_until(
            lambda: self.lines(pattern, since), f"{pattern!r} in {self.path}", deadline
        )[0]
