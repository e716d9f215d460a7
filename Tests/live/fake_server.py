"""A server of the backend protocol that does what a test's script says."""

import contextlib
import socket
import struct
import threading

from wire import message, text

AUTH_OK = message("R", struct.pack("!I", 0))
READY = message("Z", b"I")
KEY = message("K", struct.pack("!II", 4242, 1))


def parameter(name, value):
    return message("S", text(name) + text(value))


WELCOME = AUTH_OK + parameter("server_version", "16.0") + parameter("client_encoding", "UTF8") + KEY + READY


def error(*fields):
    """ErrorResponse of fields like 'SFATAL', 'C28000', 'Mwhy'."""
    return message("E", b"".join(text(field) for field in fields) + b"\0")


def sasl(*mechanisms):
    return message("R", struct.pack("!I", 10) + b"".join(text(name) for name in mechanisms) + b"\0")


def sasl_continue(data):
    return message("R", struct.pack("!I", 11) + data)


def row(value):
    """RowDescription, one DataRow, CommandComplete, ReadyForQuery of a text column."""
    description = struct.pack("!H", 1) + text("value") + struct.pack("!IHIhIH", 0, 0, 25, -1, 0xFFFFFFFF, 0)
    data = value.encode()
    return (
        message("T", description) + message("D", struct.pack("!HI", 1, len(data)) + data)
        + message("C", text("SELECT 1")) + READY
    )


class Peer:
    """The pooler's side of one connection, as the script sees it."""

    def __init__(self, connection):
        self.socket = connection
        connection.settimeout(30)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the pooler closed the connection")
            data += more
        return data

    def startup(self):
        """Reads the startup packet; answers encryption requests with N."""
        while True:
            length, code = struct.unpack("!II", self.exactly(8))
            body = self.exactly(length - 8)
            if code >> 16 == 3:
                return body
            self.socket.sendall(b"N")

    def frame(self):
        kind, length = struct.unpack("!cI", self.exactly(5))
        return kind.decode(), self.exactly(length - 4)

    def send(self, *data):
        self.socket.sendall(b"".join(data))

    def until_closed(self):
        with contextlib.suppress(OSError):
            while self.socket.recv(65536):
                pass


class FakeServer:
    """Runs script(peer) for each connection, in a thread each; use as a context manager."""

    def __init__(self, port, script):
        self.port, self.script = port, script
        self.peers = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(64)

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)
            peer.socket.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                peer = Peer(connection)
                self.peers.append(peer)
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with contextlib.suppress(OSError, struct.error):
            self.script(peer)
        peer.socket.close()
