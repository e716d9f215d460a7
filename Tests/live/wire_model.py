"""One client of the wire oracle: its connection, its model, and a random step."""

import socket
import struct
import time

from session_model import Wrong
from wire import COPY_DONE, SYNC, TERMINATE, Closed, Wire, describe, extended, parse, query, send_cancel
from wire_segments import (CHANGES, LOOKS, Segment, begin, copy_rows, end, look_query, refuse, segment, stray,
                           stray_messages, use_moment, use_same)
from wire_world import SAME_TEXT, SETTINGS, adopt

PATIENCE = 10
SLOW = [query("select pg_sleep(0.3)"), extended("select pg_sleep(0.3)") + SYNC,
        query("copy (select pg_sleep(0.1) from generate_series(1, 3)) to stdout")]


class Client:
    """me: its number; numbers: a random.Random; trace: a list of the last steps of all clients."""

    def __init__(self, world, me, numbers, trace):
        self.world, self.me, self.numbers, self.trace = world, me, numbers, trace
        self.wire, self.profile, self.steps = None, None, []
        self.checks = self.trips = 0
        self.weights = {**LOOKS, **CHANGES}
        if "A" in world.groups:
            self.weights[stray_messages] = 4
        if "C" in world.groups:
            self.weights |= {use_same: 6, use_moment: 2}
        self.settle()

    def settle(self):
        """No transaction, nothing that waits to be sent or read."""
        self.status, self.local, self.unnamed = "I", False, None
        self.pieces, self.waiting, self.copying = [], [], False
        self.may_hold = self.alone = self.pinned = False
        self.moment = None

    # a session

    def start(self):
        """A new connection with an identity of its own; what is not set at startup is set then."""
        self.settle()
        self.profile = profile = self.world.take(self.numbers)
        self.identity = f"{self.me}-{self.numbers.randrange(10 ** 6)}"
        early = [name for name in SETTINGS if self.numbers.random() < 0.4]
        self.note(f"login as {profile.login.name}, id {self.identity}, role {profile.own.role}, "
                  f"settings {profile.own.settings}, at startup {early}")
        self.wire = Wire(self.world.place.address(), timeout=PATIENCE)
        self.wire.login(profile.login.name, profile.login.password, self.world.database,
                        application_name=self.identity,
                        **{name: profile.own.settings[name] for name in early})
        self.two = "none"
        names = [name for name in SETTINGS if name not in early]
        self.ask(query(adopt(profile.own, self.identity, names=names)))
        self.choose_me()
        self.choose_w()
        self.ask(query(f"set my.two = '{self.two}'"))
        self.ask(query(self.me_sql))
        self.ask(parse(self.w_sql, "w") + SYNC)
        if "C" in self.world.groups:
            self.ask(query("prepare same as " + SAME_TEXT))
            self.ask(parse(SAME_TEXT, "same2") + describe("S", "same2") + SYNC)

    def ask(self, data):
        self.exchange([segment(self, "setup", data)])

    def choose_me(self):
        self.me_text = f"me of {self.identity}, {self.numbers.randrange(10 ** 6)}"
        self.me_sql = f"prepare me as select '{self.me_text}', current_setting('my.id'), current_user::text"

    def choose_w(self):
        number = self.numbers.randrange(10 ** 6)
        self.w_text, self.w_column = f"w of {self.identity}, {number}", f"w_{self.me}_{number}"
        self.w_sql = (f"select '{self.w_text}' as {self.w_column}, $1::text, current_setting('my.id'), n "
                      "from generate_series(1, 3) n")

    # what the model says

    @property
    def holds(self):
        """It keeps a server, or may."""
        return self.wire is not None and (self.status != "I" or bool(self.pieces) or self.pinned)

    @property
    def pool(self):
        return self.profile.login.name if self.profile and not self.world.shared else ""

    @property
    def state(self):
        login = self.profile.login.name if self.wire else "nobody"
        more = ", local" * self.local + ", pinned" * self.pinned + ", in pieces" * bool(self.pieces)
        return f"{self.me}: {login}, {self.status}{more}: {self.steps[-3:]}"

    @property
    def environment(self):
        return self.profile.local if self.local else self.profile.own

    def named(self, value):
        """A twin's value with this client's name in it."""
        return value and value.replace("@", self.identity)

    def expected(self, look):
        return self.named(self.environment.expected[look])

    def note(self, text):
        self.steps.append(text)
        self.trace.append(f"{self.me}: {text}")
        del self.steps[:-40], self.trace[:-60]

    # sending and reading

    def exchange(self, segments):
        """Sends them at once, sometimes in pieces, and checks the answers."""
        data = b"".join(part.data for part in segments)
        for part in segments:
            self.note(part.note)
        for piece in self.cut(data) if self.numbers.random() < 0.05 else [data]:
            self.wire.send(piece)
            time.sleep(0.001 * (piece is not data))
        self.check(segments)

    def cut(self, data):
        """The data in up to four pieces."""
        places = sorted(self.numbers.randrange(len(data) + 1) for _ in range(self.numbers.randint(1, 3)))
        return [data[start:stop] for start, stop in zip([0, *places], [*places, len(data)]) if start < stop]

    def answer(self):
        """The frames up to a ReadyForQuery."""
        frames = []
        try:
            while not frames or frames[-1].kind != "Z":
                frames.append(self.wire.frame())
        except (Closed, OSError) as error:
            seen = [frame.fields() for frame in frames if frame.kind == "E"]
            kinds = "".join(frame.kind for frame in frames)
            raise Wrong(f"{type(error).__name__} after {kinds}: {seen}") from error
        return frames

    def check(self, segments):
        checks = 0
        for part in segments:
            if part.readies:
                self.compare(part, self.answer())
                checks += part.checks
        self.checks += min(checks, 6)
        self.trips += 1

    def compare(self, part, frames):
        errors = [frame.fields() for frame in frames if frame.kind == "E"]
        code = errors[0]["C"] if errors else ""
        if len(errors) > 1 or code not in part.codes:
            raise Wrong(f"{part.note}: SQLSTATE {part.codes} expected: {errors}")
        status = frames[-1].body.decode()
        if status not in part.status:
            raise Wrong(f"{part.note}: transaction status {status}, expected {part.status}")
        if len(part.codes) > 1:
            self.status = status
        if part.rows is not None:
            rows = rows_of(frames, part.copies)
            if rows != part.rows:
                raise Wrong(f"{part.note}:\n  expected {part.rows}\n  seen     {rows}")
        if part.since and not part.since - 0.1 < float(rows_of(frames, False)[0][0]) < time.time() + 0.1:
            raise Wrong(f"{part.note}: {rows_of(frames, False)}, not after {part.since}")
        if part.column:
            column = [frame.body[2:].split(b"\0")[0].decode() for frame in frames if frame.kind == "T"]
            if column != [part.column]:
                raise Wrong(f"{part.note}: column {column}, expected {part.column}")

    # a step

    def step(self, may_hold):
        """may_hold: there is a server to keep, should it need one."""
        if self.wire is None:
            return self.start()
        self.may_hold = may_hold or self.holds
        chance = self.numbers.random()
        if self.pieces:
            return self.go_on(chance)
        if chance < (0.2 if self.pinned else 0.008):
            return self.leave()
        if chance < 0.02:
            return self.cancel(late=chance < 0.014)
        if chance < 0.05 and self.may_hold:
            return self.begin_piecewise()
        if chance < 0.09 and self.may_hold:
            return self.exchange(begin(self))
        if self.status == "E":
            return self.exchange(end(self) if chance < 0.5 else refuse(self))
        self.exchange(self.some_segments())

    def some_segments(self):
        """One to three, none behind one that may fail a transaction."""
        made, count = [], 1 if self.numbers.random() < 0.8 else self.numbers.randint(2, 3)
        self.alone = count == 1
        for _ in range(count):
            made += self.numbers.choices(list(self.weights), list(self.weights.values()))[0](self)
            if self.status == "E":
                break
        return made or look_query(self)

    def begin_piecewise(self):
        """Sends a part of something; the rest follows in later steps, while others have their turns."""
        if self.status != "E" and self.numbers.random() < 0.4:
            return self.begin_copy()
        segments = refuse(self) if self.status == "E" else self.some_segments()
        self.pieces, self.waiting = self.cut(b"".join(part.data for part in segments)), segments
        self.note(f"in {len(self.pieces)} pieces: {[part.note for part in segments]}")
        self.go_on(1)

    def begin_copy(self):
        """A COPY that stays open for some steps, and may fail, be cancelled, or be left."""
        bad = self.numbers.random() < 0.3
        rows, self.unnamed = copy_rows(self), None
        self.pieces = [query("copy public.void from stdin") + rows[0], *rows[1:]]
        data = b"".join(copy_rows(self, bad))
        if bad and "A" in self.world.groups:
            data += b"".join(copy_rows(self)) + self.numbers.choice([b"", stray(self)])
        code = "22P02" if bad else ""
        self.pieces.append(data if bad else data + COPY_DONE)
        self.copying = True
        self.waiting = [segment(self, f"copy in pieces{', bad' * bad}", b"", code, checks=1)]
        self.note(f"begins {self.waiting[0].note}")
        self.go_on(1)

    def go_on(self, chance):
        """The next piece; with the last one comes the answer."""
        if not self.copying and chance < 0.03:
            return self.leave()
        if self.copying and "A" in self.world.groups and chance < 0.1:
            return self.leave() if chance < 0.05 else self.cancel_copy()
        self.note(f"piece of {len(self.pieces[0])} bytes")
        self.wire.send(self.pieces.pop(0))
        if not self.pieces:
            waiting, self.waiting, self.copying = self.waiting, [], False
            self.check(waiting)

    # cancels

    def cancel(self, late):
        """The client's own statement, or none."""
        if late:
            self.note("cancels nothing")
            send_cancel(self.world.place.address(), self.wire.key)
            return
        if self.status == "E":
            return
        self.note("cancels its statement")
        self.unnamed = None
        self.wire.send(self.numbers.choice(SLOW))
        time.sleep(self.numbers.choice([0, 0.001, 0.005]))
        send_cancel(self.world.place.address(), self.wire.key)
        may = self.status + "E" * (self.status == "T")
        self.check([Segment("cancelled statement", b"", codes=("57014", ""), status=may, checks=1)])

    def cancel_copy(self):
        """Group A: PostgreSQL takes notice at the next data, and the client streams on behind the error."""
        self.note("cancels its copy")
        self.wire.frames_until("G")
        send_cancel(self.world.place.address(), self.wire.key)
        waiting, self.waiting, self.copying = self.waiting, [], False
        self.wire.send(*self.pieces)
        self.pieces = []
        may = self.status + "E" * (self.status == "T")
        self.check([Segment("cancelled copy", b"", codes=("57014", *waiting[0].codes), status=may, checks=1)])

    # deaths

    def leave(self):
        """Ends the connection in one of many ways; the next step logs in again."""
        how = self.numbers.choice(["terminate", "terminate and close", "close", "reset", "in a frame",
                                   "in a statement", "with unread answers", "with garbage"])
        if self.pieces and how != "reset":
            how = "close"
        self.note(f"leaves: {how}")
        messages = {
            "terminate": [TERMINATE], "terminate and close": [TERMINATE],
            "in a frame": [query("select 'never read to its end'")[:-5]],
            "in a statement": [query("select pg_sleep(0.02)")],
            "with unread answers": [query("select repeat('x', 1000) from generate_series(1, 500)")] * 3,
            "with garbage": [b"y\0\0\0\4"],
        }.get(how, [])
        if messages:
            self.wire.send(*messages)
        if how in ("terminate", "with garbage"):
            self.wire.until_closed()
        if how == "reset":
            self.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        if self.wire:
            self.wire.close()
            self.world.give_back(self.profile)
        self.wire = None
        self.settle()


def rows_of(frames, copied):
    """Of DataRow, CopyData and FunctionCallResponse."""
    if copied:
        lines = [frame.body.decode().rstrip("\n").split("\t") for frame in frames if frame.kind == "d"]
        return [[value.replace("\\\\", "\\") for value in line] for line in lines]
    rows = []
    for frame in frames:
        if frame.kind == "D":
            rows.append(frame.values())
        elif frame.kind == "V":
            rows.append([frame.body[4:].decode()])
    return rows
