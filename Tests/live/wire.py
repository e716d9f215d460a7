"""A client of the frontend/backend protocol 3.0 that sends any bytes it is told to."""

import socket
import struct
import time
from typing import NamedTuple

from scram import ScramClient, md5_password
from waiting import DEADLINE

PROTOCOL = 3 << 16
CANCEL_REQUEST, SSL_REQUEST, GSS_REQUEST = 80877102, 80877103, 80877104


class Frame(NamedTuple):
    """One backend message: its type as a letter, its body without the length."""

    kind: str
    body: bytes

    def fields(self):
        """Of an ErrorResponse or NoticeResponse: {'C': sqlstate, 'M': message, …}."""
        parts = self.body.rstrip(b"\0").split(b"\0")
        return {part[:1].decode(): part[1:].decode("utf-8", "replace") for part in parts if part}

    def values(self):
        """Of a DataRow: the columns as text, None for null."""
        count, = struct.unpack_from("!H", self.body)
        values, at = [], 2
        for _ in range(count):
            size, = struct.unpack_from("!i", self.body, at)
            at += 4
            values.append(None if size < 0 else self.body[at:at + size].decode("utf-8", "backslashreplace"))
            at += max(size, 0)
        return values


class Closed(Exception):
    """The other side closed the connection."""


class Refused(Exception):
    """An ErrorResponse during login; .fields as Frame.fields."""

    def __init__(self, frame):
        self.fields = frame.fields()
        super().__init__(self.fields)


# frontend messages


def message(kind, body=b""):
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def text(value):
    return value.encode() + b"\0"


def packet(code, body=b""):
    """A message without a type: startup, cancel, SSL and GSS requests."""
    return struct.pack("!II", len(body) + 8, code) + body


def startup(user, database, version=PROTOCOL, **parameters):
    pairs = {"user": user, "database": database, **parameters}
    body = b"".join(text(name) + text(value) for name, value in pairs.items() if value is not None)
    return packet(version, body + b"\0")


def query(sql):
    return message("Q", text(sql))


def parse(sql, name="", types=()):
    oids = struct.pack(f"!H{len(types)}I", len(types), *types)
    return message("P", text(name) + text(sql) + oids)


def bind(values=(), portal="", name="", formats=(), results=()):
    """values: None, str or bytes, in text format unless formats says else."""
    body = text(portal) + text(name) + struct.pack(f"!H{len(formats)}H", len(formats), *formats)
    body += struct.pack("!H", len(values))
    for value in values:
        if value is None:
            body += struct.pack("!i", -1)
        else:
            value = value.encode() if isinstance(value, str) else value
            body += struct.pack("!i", len(value)) + value
    return message("B", body + struct.pack(f"!H{len(results)}H", len(results), *results))


def describe(kind="P", name=""):
    return message("D", kind.encode() + text(name))


def execute(portal="", rows=0):
    return message("E", text(portal) + struct.pack("!I", rows))


def close(kind, name=""):
    return message("C", kind.encode() + text(name))


def extended(sql, values=()):
    """Parse, Bind, Describe, Execute of the unnamed statement, without Sync."""
    return parse(sql) + bind(values) + describe() + execute()


SYNC, FLUSH, TERMINATE = message("S"), message("H"), message("X")
COPY_DONE = message("c")


def copy_data(data):
    return message("d", data)


def copy_fail(reason):
    return message("f", text(reason))


def function_call(oid, *values):
    """FunctionCall with text arguments and a text result."""
    body = struct.pack("!IHHH", oid, 1, 0, len(values))
    for value in values:
        body += struct.pack("!I", len(value)) + value.encode()
    return message("F", body + struct.pack("!H", 0))


class Wire:
    """One connection. address: a dict with host (a folder for a Unix socket) and port."""

    def __init__(self, address, timeout=DEADLINE, receive_buffer=None):
        host, port = address["host"], address["port"]
        if host.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX)
            target = f"{host}/.s.PGSQL.{port}"
        else:
            self.socket = socket.socket()
            target = (host, port)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(target)
        if not host.startswith("/"):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.parameters, self.key = {}, None
        self.history = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def close(self):
        self.socket.close()

    def send(self, *messages):
        self.socket.sendall(b"".join(messages))
        return self

    # receiving

    def byte_count(self, count):
        """Exactly count bytes; Closed when the peer has no more."""
        while len(self.buffer) < count:
            try:
                data = self.socket.recv(max(65536, count - len(self.buffer)))
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed(bytes(self.buffer))
            self.buffer += data
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def frame(self):
        kind, size = struct.unpack("!cI", self.byte_count(5))
        return Frame(kind.decode("latin-1"), self.byte_count(size - 4))

    def frames_until(self, *kinds):
        """Frames up to and including the first of one of these kinds."""
        frames = []
        while not frames or frames[-1].kind not in kinds:
            frames.append(self.frame())
        return frames

    def until_ready(self):
        return self.frames_until("Z")

    def until_closed(self):
        """All frames until the peer closes."""
        frames = []
        try:
            while True:
                frames.append(self.frame())
        except Closed:
            return frames

    # conversations

    def startup(self, user, database, **parameters):
        return self.send(startup(user, database, **parameters))

    def login(self, user, password, database, **parameters):
        """Logs in with whatever method is asked for; Refused with the server's error."""
        self.startup(user, database, **parameters)
        scram = None
        while True:
            frame = self.frame()
            self.history.append(frame)
            if frame.kind == "E":
                raise Refused(frame)
            if frame.kind == "S":
                name, value = frame.body[:-1].split(b"\0", 1)
                self.parameters[name.decode()] = value.decode()
            if frame.kind == "K":
                self.key = frame.body
            if frame.kind == "Z":
                return self
            if frame.kind == "R":
                scram = self._answer(frame, user, password, scram)

    def _answer(self, frame, user, password, scram):
        code, = struct.unpack_from("!I", frame.body)
        if code == 3:
            self.send(message("p", text(password)))
        elif code == 5:
            self.send(message("p", text(md5_password(user, password, frame.body[4:8]))))
        elif code == 10:
            scram = ScramClient(password)
            first = scram.first().encode()
            self.send(message("p", text("SCRAM-SHA-256") + struct.pack("!I", len(first)) + first))
        elif code == 11:
            self.send(message("p", scram.final(frame.body[4:].decode()).encode()))
        elif code == 12:
            scram.verify(frame.body[4:].decode())
        else:
            assert code == 0, f"authentication method {code}"
        return scram

    def query(self, sql):
        """Frames of the answer, ReadyForQuery included."""
        return self.send(query(sql)).until_ready()

    def rows(self, sql):
        frames = self.query(sql)
        errors = [frame.fields() for frame in frames if frame.kind == "E"]
        assert not errors, errors
        return [frame.values() for frame in frames if frame.kind == "D"]

    def value(self, sql):
        return self.rows(sql)[0][0]


def kinds(frames):
    """The types of the frames as one string, without asynchronous ones."""
    return "".join(frame.kind for frame in frames if frame.kind not in "NSA")


def error_of(frames):
    """Fields of the only ErrorResponse among the frames."""
    errors = [frame.fields() for frame in frames if frame.kind == "E"]
    assert len(errors) == 1, f"errors: {errors} in {''.join(f.kind for f in frames)}"
    return errors[0]


def cancel_packet(key):
    return packet(CANCEL_REQUEST, key)


def send_cancel(address, key):
    """A CancelRequest; returns when the other side has closed the connection."""
    with Wire(address) as wire:
        wire.send(cancel_packet(key))
        try:
            wire.byte_count(1)
        except Closed:
            pass


def wait_for_bytes(wire, seconds):
    """True when something arrives within the time, which stays unread."""
    end = time.monotonic() + seconds
    wire.socket.settimeout(max(0.01, end - time.monotonic()))
    try:
        return bool(wire.buffer) or bool(wire.socket.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False
    finally:
        wire.socket.settimeout(DEADLINE)
