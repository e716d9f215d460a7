"""
Cases of session state: small scripts that must read the same through a pooler as on a
direct connection, whose transcript is the expected one.

Two clients, a and b, run the script of a case in turns, each with values of its own; a
third one, the watcher, has no state and looks on after each step. Text may hold {me} (a or
b), {n} (1 or 2), {role} and {database}.
"""

import difflib
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from wire import SYNC, Refused, Wire, query

RECONNECT = object()  # a step: the client leaves and logs in again

# What no two sessions have in common.
VOLATILE = [
    (re.compile(r"pg_(toast_)?temp_\d+"), r"pg_\1temp_N"),
    (re.compile(r"\bPID \d+"), "PID N"),
]
FIELDS = "SCMDHP"  # of errors and notices


class Order(NamedTuple):
    """How the clients take turns."""

    turns: str
    behind: int  # how many turns b is behind a
    size: int    # of the pool
    whole: bool  # a turn is a whole transaction: two servers do not do for more at a time


ORDERS = {
    "a first": Order("abw", 0, 2, True),
    "b first": Order("wba", 0, 4, False),
    "b behind": Order("awb", 2, 4, False),
    "a behind": Order("wba", -2, 2, True),
}


@dataclass(frozen=True)
class Case:
    """steps: SQL, bytes of the extended protocol (Sync is added), functions of a client that give
    either, or RECONNECT."""

    steps: list
    watch: list = field(default_factory=list)
    before: list = field(default_factory=list)  # by a superuser, before anyone logs in
    after: list = field(default_factory=list)
    startup: dict = field(default_factory=dict)
    role_options: str = ""
    own_database: bool = False
    pins: bool = False  # clients keep servers: two are not enough


class Client:
    """One of a case's clients. It writes what it sends and gets into the transcript."""

    def __init__(self, run, name):
        self.run, self.name = run, name
        self.wire, self.position, self.status = None, 0, "I"
        self.words = {
            "{me}": name, "{n}": {"a": "1", "b": "2"}.get(name, "3"),
            "{role}": run.role.name, "{database}": run.dbname,
        }

    def fill(self, text):
        for word, value in self.words.items():
            text = text.replace(word, value)
        return text

    def login(self):
        startup = {name: self.fill(value) for name, value in self.run.case.startup.items()}
        role = self.run.role
        wire = Wire(self.run.host.address())
        self.wire = wire
        self.run.wires.append(wire)
        try:
            wire.login(role.name, role.password, self.run.dbname, **startup)
        except Refused as refused:
            self.wire = None
            self.note(f"refused: {[refused.fields.get(name) for name in FIELDS]}")
            return
        self.note(f"parameters: {sorted(wire.parameters.items())}")

    def note(self, text):
        self.run.note(self.name, text)

    def step(self, step):
        """One step and its answer."""
        if step is RECONNECT:
            self.note("reconnects")
            if self.wire:
                self.wire.close()
            self.login()
            return
        if callable(step):
            step = step(self)
        if self.wire is None:
            return
        if isinstance(step, str):
            step = self.fill(step)
            self.note(f"> {step}")
            self.wire.send(query(step))
        else:
            self.note(f"> {step!r}")
            self.wire.send(step, SYNC)
        self.answer()

    def answer(self):
        """Reads up to ReadyForQuery. ParameterStatus has no order of its own among the rest."""
        parameters = []
        for frame in self.wire.frames_until("Z"):
            if frame.kind == "S":
                parameters.append(str(frame.body[:-1].split(b"\0")))
            else:
                self.note(self.describe(frame))
            if frame.kind == "Z":
                self.status = frame.body.decode()
        for parameter in sorted(parameters):
            self.note(f"S {parameter}")

    def describe(self, frame):
        if frame.kind == "D":
            return f"D {frame.values()}"
        if frame.kind in "EN":
            fields = frame.fields()
            return f"{frame.kind} {[fields.get(name) for name in FIELDS]}"
        if frame.kind == "A":
            channel, payload = frame.body[4:-1].split(b"\0")
            return f"A {channel} {payload}"
        if frame.kind == "T":
            names = re.findall(rb"([^\0]*)\0.{18}", frame.body[2:], re.DOTALL)
            return f"T {[name.decode('latin-1') for name in names]}"
        if frame.kind == "t":
            return f"t {len(frame.body)}"
        return f"{frame.kind} {frame.body!r}"


class Run:
    """One run of a case: on a host, in one order."""

    def __init__(self, host, case, size=0):
        self.host, self.case = host, case
        self.role = host.new_role(options=case.role_options)
        self.dbname = host.new_database() if case.own_database else host.database
        self.wires, self.transcript = [], []
        if case.own_database:
            host.cluster.sql(f"create schema {self.role.name} authorization {self.role.name}",
                             dbname=self.dbname)
        if size:
            host.configure_role(self.role, pool_size=size)

    def note(self, name, text):
        text = text.replace(self.role.name, "ROLE")
        if self.case.own_database:
            text = text.replace(self.dbname, "DATABASE")
        for pattern, word in VOLATILE:
            text = pattern.sub(word, text)
        self.transcript.append(f"{name} {text}")

    def superuser(self, statements):
        for statement in statements:
            statement = statement.replace("{role}", self.role.name).replace("{database}", self.dbname)
            self.host.cluster.sql(statement, dbname=self.dbname)

    def play(self, order):
        """Returns the transcript."""
        self.superuser(self.case.before)
        try:
            clients = {name: Client(self, name) for name in order.turns}
            for client in clients.values():
                client.login()
            for time in range(len(self.case.steps) + abs(order.behind)):
                for client in clients.values():
                    self.turn(client, time, order)
        finally:
            for wire in self.wires:
                wire.close()
            self.superuser(self.case.after)
        return self.transcript

    def turn(self, client, time, order):
        if client.name == "w":
            for statement in self.case.watch:
                client.step(statement)
            return
        if time < {"a": -order.behind, "b": order.behind}[client.name]:
            return
        going = True
        while going and client.position < len(self.case.steps):
            client.position += 1
            client.step(self.case.steps[client.position - 1])
            going = order.whole and client.status != "I"


def same_as_direct(places, case, orders=tuple(ORDERS.values())):
    """Runs a case directly and through the pooler, and compares. places: the fixture's (direct, pooled)."""
    direct, pooled = places
    for order in orders:
        size = 4 if case.pins else order.size
        expected = Run(direct, case).play(order)
        seen = Run(pooled, case, size).play(order)
        assert seen == expected, f"{order}:\n" + difference(expected, seen)


def difference(expected, seen):
    lines = difflib.unified_diff(expected, seen, "direct", "pooled", lineterm="", n=6)
    return "\n".join(line[:300] for line in lines)[:6000]
