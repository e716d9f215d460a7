"""What agents cost: the time they take in the backends at the end of transactions and between clients."""

import socket
import struct

from .cluster import DATABASE, ROLE
from .figures import Row, Section, at_most_value

TURNS = 3000

NOTES = """\
Time inside pooled backends, in µs, with `carpool.test_times_agents` on (which itself costs about 0.05);
{turns:,} transactions of two clients in turn on a pool of one server, or of one client. "Attach" is all that
makes the session another client's: look-up, reset, load. The sessions of the last three lines differ from
client to client."""

SCENES = [
    # label, limit, clients, what each does first ({n}: its number), is it the attach
    ("end of a transaction, clean", 1, 1, [], False),
    ("attach, clean", 2, 2, [], True),
    ("attach, two settings", 15, 2, ["set work_mem = '{n}MB'", "set search_path = s{n}"], True),
    ("attach, ten prepared statements", 5, 2,
     [f"prepare p{i} as select {i} + {{n}}" for i in range(10)], True),
]


class Client:
    """A client that waits for each answer; trust only."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        packet = struct.pack("!I", 196608) + f"user\0{ROLE}\0database\0{DATABASE}\0\0".encode()
        self.socket.sendall(struct.pack("!I", len(packet) + 4) + packet)
        self.received = b""
        self.wait()

    def query(self, sql):
        text = sql.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!I", len(text) + 4) + text)
        return self.wait()

    def wait(self):
        """The frames up to ReadyForQuery."""
        frames = []
        while not frames or frames[-1][:1] != b"Z":
            while len(self.received) < 5 or len(self.received) < 1 + struct.unpack("!I", self.received[1:5])[0]:
                more = self.socket.recv(65536)
                if not more:
                    raise ConnectionError("the pooler closed the connection")
                self.received += more
            end = 1 + struct.unpack("!I", self.received[1:5])[0]
            frames.append(self.received[:end])
            self.received = self.received[end:]
        return frames

    def close(self):
        self.socket.close()


def measure(peers, options):
    rows = []
    for peer in (peer for peer in peers if peer.name == "database"):
        peer.cluster.sql("postgres", DATABASE, "create extension if not exists pg_carpool cascade")
        for setting in ("carpool.default_pool_size = 1", "carpool.test_times_agents = on"):
            peer.cluster.sql("postgres", DATABASE, f"alter system set {setting}")
        peer.stop()
        peer.start()
        for label, limit, count, first, is_attach in SCENES:
            options.progress(f"agents: {label}")
            row = Row(label, 2, at_most_value(limit))
            row.add(peer.name, scene(peer, count, first, is_attach))
            rows.append(row)
        peer.stop()
        peer.cluster.configure(peer.settings())
        peer.start()
    return [Section("Agents in the backends, µs", NOTES.format(turns=TURNS), rows)] if rows else []


def scene(peer, count, first, is_attach):
    """Microseconds a transaction."""
    clients = [Client(peer.port) for _ in range(count)]
    for number, client in enumerate(clients, 1):
        for sql in first:
            client.query(sql.format(n=number))
    for _ in range(100):        # what happens once has happened
        for client in clients:
            client.query("select 1")
    before = figures(peer)
    for _ in range(TURNS):
        for client in clients:
            client.query("select 1")
    after = figures(peer)
    for client in clients:
        client.close()
    ended, ended_ns, attached, attach_ns = (b - a for a, b in zip(before, after))
    return attach_ns / attached / 1000 if is_attach else ended_ns / ended / 1000


def figures(peer):
    said = peer.cluster.sql(
        "postgres", DATABASE,
        "select sum(ended), sum(ended_ns), sum(attached), sum(attach_ns) from carpool.agents()")
    return [int(word) for word in said.split("|")]
