"""What others notice of a client that misbehaves: nothing."""

import re

from constants import PID
from waiting import wait_until


class Check:
    """What a bad client must see and must not cause."""

    def __init__(self, pooler, transport):
        pooler.configure(pool_mode="transaction", default_pool_size=2)
        self.pooler, self.transport = pooler, transport
        self.role = pooler.role()
        self.bystander = pooler.wire(self.role, transport)
        self.bystander.query("begin")
        self.pid = self.bystander.value(PID)
        self.mark = pooler.log_mark()

    def error(self, wire, sqlstate, words="", sides=1):
        """One ErrorResponse, then the end; exactly one line for each side in the log tells of it."""
        errors = [frame.fields() for frame in wire.until_closed() if frame.kind == "E"]
        assert len(errors) == 1, errors
        error = errors[0]
        assert re.fullmatch(sqlstate, error["C"]), error
        assert error["S"] == error["V"] == "FATAL", error
        assert re.search(words, error["M"]), error
        told = error["M"].splitlines()[0]

        def lines():
            return [line for line in self.pooler.log_lines(self.mark) if told in line]

        wait_until(lines, f"a log line with {told!r}")
        assert len(lines()) <= sides, lines()
        self.others()
        return error

    def ends(self, wire):
        """The end, with or without an error."""
        frames = wire.until_closed()
        assert all(frame.kind == "E" for frame in frames), frames
        self.others()

    def silent(self, wire, words):
        """The end without a word, as PostgreSQL's; one line in the log tells why."""
        assert wire.until_closed() == []

        def lines():
            return [line for line in self.pooler.log_lines(self.mark) if words in line]

        wait_until(lines, f"a log line with {words!r}")
        assert len(lines()) == 1
        self.others()

    def others(self):
        """A client in a transaction goes on in it, a new client gets in."""
        assert self.bystander.value(PID) == self.pid
        new = self.pooler.wire(self.role, self.transport)
        assert new.value("select 1") == "1"
        new.close()


def raw(check):
    return check.pooler.raw(check.transport)


def inside(check):
    return check.pooler.wire(check.role, check.transport)
