"""The launcher in front of a server that lies, stalls or breaks the protocol."""

import struct
import time

import pytest

from fake_server import (
    AUTH_OK, KEY, READY, WELCOME, FakeServer, error, parameter, row, sasl, sasl_continue,
)
from waiting import DEADLINE, wait_until
from wire import Refused, kinds, message, query, text


@pytest.fixture
def evil(launcher, environment):
    """Makes database "evil" a fake server with this script; the others stay real."""
    servers = []

    def make(script, **settings):
        port = environment.new_port()
        launcher.configure(
            pool_mode="transaction", server_connect_timeout="2", query_wait_timeout="3",
            server_login_retry="0.2", **settings,
        )
        launcher.database_lines["evil"] = f"port={port} dbname=x"
        servers.append(FakeServer(port, script).__enter__())
        launcher.role()
        launcher.start()
        return servers[-1]

    yield make
    for server in servers:
        server.__exit__()


def outcome(launcher):
    """The error that a client of evil sees, at the login or for a query."""
    role = launcher.role()
    try:
        wire = launcher.raw().login(role.name, role.password, "evil")
        wire.send(query("select 1"))
        errors = [frame.fields() for frame in wire.until_closed() if frame.kind == "E"]
    except Refused as refused:
        errors = [refused.fields]
    assert len(errors) == 1, errors
    assert len(errors[0]["C"]) == 5 and errors[0]["S"] and errors[0]["M"], errors
    return errors[0]


def healthy(launcher):
    role = launcher.role()
    assert launcher.raw().login(role.name, role.password, "app").value("select 1") == "1"


def scram_server(iterations="4096", nonce_tail="x" * 18, salt="c2FsdHNhbHQ="):
    """Offers SCRAM, then sends this as server-first."""
    def script(peer):
        peer.startup()
        peer.send(sasl("SCRAM-SHA-256"))
        _, body = peer.frame()
        nonce = body.split(b",r=", 1)[1]
        peer.send(sasl_continue(
            b"r=" + nonce + nonce_tail.encode() + b",s=" + salt.encode() + b",i=" + iterations.encode()
        ))
        peer.until_closed()
    return script


def costs_nobody_time(launcher, evil, script):
    """The lies of a server end its client in time, and nobody else."""
    evil(script)
    start = time.monotonic()
    outcome(launcher)
    assert time.monotonic() - start < DEADLINE
    healthy(launcher)


SCRAM_LIES = {
    "2^31 iterations": scram_server(iterations=str(2**31)),
    "2^31-1 iterations": scram_server(iterations=str(2**31 - 1)),
    "2^64 iterations": scram_server(iterations=str(2**64)),
    "no iterations": scram_server(iterations="0"),
    "negative iterations": scram_server(iterations="-4096"),
    "words for iterations": scram_server(iterations="many"),
    "long nonce": scram_server(nonce_tail="n" * 60000),
    "same nonce": scram_server(nonce_tail=""),
    "long salt": scram_server(salt="QUFB" * 15000),
    "no salt": scram_server(salt=""),
    "bad salt": scram_server(salt="!!!"),
}


@pytest.mark.parametrize("script", SCRAM_LIES.values(), ids=SCRAM_LIES)
def test_scram_lies_cost_nobody_else_time(launcher, evil, script):
    costs_nobody_time(launcher, evil, script)


def test_a_server_that_does_not_know_the_password_is_refused(launcher, evil):
    """The server's own proof is checked: no data goes to an impostor."""
    asked = []

    def script(peer):
        peer.startup()
        peer.send(sasl("SCRAM-SHA-256"))
        _, body = peer.frame()
        peer.send(sasl_continue(b"r=" + body.split(b",r=", 1)[1] + b"abc,s=c2FsdA==,i=4096"))
        peer.frame()
        peer.send(message("R", struct.pack("!I", 12) + b"v=" + b"A" * 43 + b"="), WELCOME)
        asked.append(peer.frame())

    evil(script)
    outcome(launcher)
    assert not [kind for kind, _ in asked if kind in "QP"]
    healthy(launcher)


def after_startup(*data, hold=True):
    def script(peer):
        peer.startup()
        peer.send(*data)
        if hold:
            peer.until_closed()
    return script


LOGIN_LIES = {
    "closes at once": lambda peer: None,
    "closes after the startup packet": after_startup(hold=False),
    "garbage": after_startup(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "zeros": after_startup(b"\0" * 100),
    "ones": after_startup(b"\xff" * 100),
    "length 2^31-1": after_startup(b"R" + struct.pack("!I", 2**31 - 1)),
    "length 2^32-1": after_startup(b"R" + struct.pack("!I", 2**32 - 1)),
    "length 3": after_startup(b"R" + struct.pack("!I", 3)),
    "empty request": after_startup(message("R")),
    "unknown request": after_startup(message("R", struct.pack("!I", 99))),
    "gss": after_startup(message("R", struct.pack("!I", 7))),
    "no mechanism": after_startup(sasl()),
    "unknown mechanism": after_startup(sasl("SCRAM-SHA-1", "PLAIN")),
    "endless mechanisms": after_startup(message("R", struct.pack("!I", 10) + b"x" * 100000)),
    "continue first": after_startup(sasl_continue(b"r=a,s=b,i=1")),
    "final first": after_startup(message("R", struct.pack("!I", 12) + b"v=xyz")),
    "short md5": after_startup(message("R", struct.pack("!I", 5) + b"ab")),
    "silence": after_startup(),
    "ok and silence": after_startup(AUTH_OK),
    "rows": after_startup(row("early")),
    "error without sqlstate": after_startup(error("SFATAL", "Mgo away"), hold=False),
    "error without anything": after_startup(message("E", b"\0"), hold=False),
    "error without an end": after_startup(message("E", b"SFATAL\0Mcut off"), hold=False),
    "empty error": after_startup(message("E"), hold=False),
    "long error": after_startup(error("SFATAL", "C28000", "M" + "long " * 10000), hold=False),
    "endless notices": after_startup(message("N", text("SNOTICE") + text("Mhm") + b"\0") * 20000, hold=False),
}


@pytest.mark.parametrize("script", LOGIN_LIES.values(), ids=LOGIN_LIES)
def test_lies_during_the_login_become_an_error(launcher, evil, script):
    costs_nobody_time(launcher, evil, script)


def test_the_words_of_an_error_without_sqlstate_are_passed_on(launcher, evil):
    evil(LOGIN_LIES["error without sqlstate"])
    assert "go away" in outcome(launcher)["M"]


def answers(*replies, hold=True):
    """Logs everybody in, then answers each message that wants one with the next reply."""
    def script(peer):
        peer.startup()
        peer.send(WELCOME)
        for reply in replies:
            while peer.frame()[0] not in "QS":
                pass
            peer.send(reply)
        if hold:
            peer.until_closed()
    return script


QUERY_LIES = {
    "closes": answers(b"", hold=False),
    "unknown type": answers(message("~", b"boo")),
    "frontend type": answers(message("P", b"boo")),
    "zeros": answers(b"\0" * 100),
    "length 0": answers(b"D" + struct.pack("!I", 0)),
    "length 3": answers(b"D" + struct.pack("!I", 3)),
    "length 2^31": answers(b"D" + struct.pack("!I", 2**31)),
    "length 2^32-1": answers(b"D" + struct.pack("!I", 2**32 - 1)),
    "ready without status": answers(message("Z")),
    "ready of unknown status": answers(message("Z", b"?")),
    "authentication": answers(message("R", struct.pack("!I", 3))),
}


@pytest.mark.parametrize("script", QUERY_LIES.values(), ids=QUERY_LIES)
def test_lies_in_an_answer_end_the_server(launcher, evil, script):
    evil(script)
    outcome(launcher)
    healthy(launcher)


def test_half_a_frame_is_all_that_a_client_gets_of_it(launcher, evil):
    """No error can be said in the middle of a frame: the connection ends."""
    evil(answers(row("x")[:9], hold=False))
    role = launcher.role()
    wire = launcher.raw().login(role.name, role.password, "evil").send(query("select 1"))
    assert wire.until_closed() == []
    healthy(launcher)


def test_an_answer_too_many_is_not_anothers(launcher, evil):
    """What a server says while nobody asked never reaches the next client."""
    def script(peer):
        peer.startup()
        peer.send(WELCOME)
        while peer.frame()[0] != "Q":
            pass
        peer.send(row("mine"), row("stray"))
        peer.until_closed()

    server = evil(script, default_pool_size="1")
    role = launcher.role()
    first = launcher.raw().login(role.name, role.password, "evil")
    assert first.value("select 1") == "mine"
    second = launcher.raw().login(role.name, role.password, "evil")
    assert second.value("select 1") == "mine"
    assert len(server.peers) == 2


def test_silence_in_an_answer_stops_nobody_else(launcher, evil):
    evil(answers(b""))
    role = launcher.role()
    stuck = launcher.raw().login(role.name, role.password, "evil").send(query("select 1"))
    healthy(launcher)
    stuck.close()
    healthy(launcher)


def test_errors_without_sqlstate_in_an_answer_pass(launcher, evil):
    evil(answers(error("SERROR", "Modd") + READY))
    role = launcher.role()
    wire = launcher.raw().login(role.name, role.password, "evil")
    frames = wire.query("select 1")
    assert kinds(frames) == "EZ" and frames[0].fields()["M"] == "odd"


def test_endless_rows_take_no_memory(launcher, evil):
    """A client that does not read stops the server by backpressure."""
    sent = []

    def script(peer):
        peer.startup()
        peer.send(WELCOME)
        while peer.frame()[0] != "Q":
            pass
        chunk = message("D", struct.pack("!HI", 1, 1000) + b"x" * 1000) * 100
        peer.socket.settimeout(1)
        while sum(sent) < 64 << 20:
            try:
                sent.append(peer.socket.send(chunk))
            except TimeoutError:
                sent.append(0)
                break
        peer.until_closed()

    evil(script)
    role = launcher.role()
    launcher.raw().login(role.name, role.password, "evil").send(query("select 1"))
    wait_until(lambda: sent and sent[-1] == 0, "the server's send blocks")
    assert sum(sent) < 32 << 20
    healthy(launcher)


def test_odd_parameters_of_a_server_pass_or_end_it(launcher, evil):
    def script(peer):
        peer.startup()
        peer.send(AUTH_OK, parameter("x" * 5000, "y" * 5000), message("S", b"no end"), message("S"), KEY,
                  READY)
        peer.until_closed()

    evil(script)
    role = launcher.role()
    try:
        launcher.raw().login(role.name, role.password, "evil")
    except Refused as refused:
        assert len(refused.fields["C"]) == 5
    healthy(launcher)
