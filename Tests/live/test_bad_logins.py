"""Logins that go wrong in every state; each ends with one error for this client alone."""

import base64
import socket
import struct

import pytest

from bystander import Check, raw
from constants import VIOLATION
from scram import ScramClient
from waiting import wait_until
from wire import Refused, bind, execute, message, packet, parse, query, startup, text


def initial(data, mechanism="SCRAM-SHA-256"):
    return message("p", text(mechanism) + struct.pack("!i", len(data)) + data)


def asked(check):
    """Has sent the startup packet and was asked for SCRAM."""
    wire = raw(check).startup(check.role.name, "app")
    assert wire.frame().body[:4] == b"\0\0\0\x0a"
    return wire


def challenged(check):
    """Has sent client-first and received server-first."""
    wire, scram = asked(check), ScramClient(check.role.password)
    wire.send(initial(scram.first().encode()))
    return wire, scram, wire.frame().body[4:].decode()


NONCE = "rOprNGfwEbeRWgbNEkqO"
BAD_FIRST = {
    "empty": b"",
    "no nonce": b"n,,n=",
    "no name": b"n,,r=" + NONCE.encode(),
    "no header": b"n=,r=" + NONCE.encode(),
    "header flag": b"x,,n=,r=" + NONCE.encode(),
    "channel binding": b"p=tls-server-end-point,,n=,r=" + NONCE.encode(),
    "authzid": b"n,a=other,n=,r=" + NONCE.encode(),
    "extension": b"n,,m=x,n=,r=" + NONCE.encode(),
    "unprintable nonce": b"n,,n=,r=\x01\x02\x03",
    "zero byte": b"n,,n=\0,r=" + NONCE.encode(),
    "commas": b",,,,,,,,",
    "not utf-8": b"n,,n=\xff\xfe,r=" + b"\xff" * 20,
}


@pytest.mark.parametrize("data", BAD_FIRST.values(), ids=BAD_FIRST)
def test_bad_client_first_messages(check, data):
    check.error(asked(check).send(initial(data)), "08P01|28P01|0A000|28000")


BAD_FINAL = {
    "empty": "",
    "no nonce": "c=biws,p={proof}",
    "no proof": "c=biws,r={nonce}",
    "no binding": "r={nonce},p={proof}",
    "other binding": "c=eSws,r={nonce},p={proof}",
    "other nonce": "c=biws,r={nonce}x,p={proof}",
    "proof not base64": "c=biws,r={nonce},p=!!!!",
    "short proof": "c=biws,r={nonce},p=AAAA",
    "long proof": "c=biws,r={nonce},p=" + base64.b64encode(b"p" * 300).decode(),
    "empty proof": "c=biws,r={nonce},p=",
    "order": "p={proof},r={nonce},c=biws",
    "extra": "c=biws,r={nonce},p={proof},x=1",
    "zero byte": "c=biws,r={nonce}\0,p={proof}",
}


@pytest.mark.parametrize("form", BAD_FINAL.values(), ids=BAD_FINAL)
def test_bad_client_final_messages(check, form):
    wire, scram, server_first = challenged(check)
    proof = scram.final(server_first).split("p=")[1]
    nonce = server_first.split(",")[0][2:]
    wire.send(message("p", form.format(proof=proof, nonce=nonce).encode()))
    check.error(wire, "08P01|28P01")


@pytest.mark.parametrize("data", [
    message("p", text("SCRAM-SHA-1") + struct.pack("!i", 0)),
    message("p", text("SCRAM-SHA-256-PLUS") + struct.pack("!i", 0)),
    message("p", text("")), message("p", b"SCRAM-SHA-256"),
    message("p", text("SCRAM-SHA-256") + struct.pack("!i", 9999) + b"n,,n=,r=abc"),
    message("p", text("SCRAM-SHA-256") + struct.pack("!i", -2)),
    message("p", text("SCRAM-SHA-256") + b"\0"),
], ids=["sha-1", "plus", "none", "no end", "length", "negative", "cut"])
def test_bad_choices_of_a_mechanism(check, data):
    check.error(asked(check).send(data), VIOLATION)


def test_a_mechanism_without_data_is_asked_for_it_or_refused(check):
    wire = asked(check).send(message("p", text("SCRAM-SHA-256") + struct.pack("!i", -1)))
    frame = wire.frame()
    assert frame.kind in "RE"
    wire.close()
    check.others()


@pytest.mark.parametrize("kind, data", [
    ("query", query("select 1")), ("parse", parse("select 1")), ("bind", bind()), ("execute", execute()),
    ("sync", message("S")), ("flush", message("H")), ("copy", message("d", b"x")), ("odd", message("~")),
    ("function", message("F", b"\0" * 12)),
])
def test_other_messages_before_the_password(check, kind, data):
    check.error(asked(check).send(data), VIOLATION)


def test_other_messages_before_the_proof(check):
    wire, _, _ = challenged(check)
    check.error(wire.send(query("select 1")), VIOLATION)


def test_terminate_during_the_login_is_the_end(check):
    check.ends(asked(check).send(message("X")))


@pytest.mark.parametrize("state", ["asked", "challenged"])
def test_a_second_startup_packet(check, state):
    """User and database are fixed by the first one."""
    wire = asked(check) if state == "asked" else challenged(check)[0]
    check.error(wire.send(startup("postgres", "postgres")), VIOLATION)


def test_a_second_startup_packet_right_behind_the_first(check):
    wire = raw(check).send(startup(check.role.name, "app") + startup("postgres", "postgres"))
    assert wire.frame().kind == "R"
    check.error(wire, VIOLATION)


@pytest.mark.parametrize("state", ["asked", "challenged"])
@pytest.mark.parametrize("code", [80877102, 80877103, 80877104], ids=["cancel", "ssl", "gss"])
def test_special_requests_during_the_login(check, state, code):
    wire = asked(check) if state == "asked" else challenged(check)[0]
    check.error(wire.send(packet(code, b"\0" * 8)), VIOLATION)


@pytest.mark.parametrize("length", [0, 3, 65540, 2**31 - 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("state", ["asked", "challenged"])
def test_password_messages_of_impossible_length(check, state, length):
    wire = asked(check) if state == "asked" else challenged(check)[0]
    check.error(wire.send(b"p" + struct.pack("!I", length)), VIOLATION)


def test_a_proof_twice_is_not_two_logins(check):
    wire, scram, server_first = challenged(check)
    final = message("p", scram.final(server_first).encode())
    wire.send(final + final)
    errors = [frame.fields()["C"] for frame in wire.until_closed() if frame.kind == "E"]
    assert errors == [VIOLATION]
    check.others()


@pytest.mark.parametrize("field", ["user", "database"])
def test_names_of_any_length_and_kind(check, field):
    for name in ("x" * 63, "x" * 64, "x" * 200, "x" * 9000, "\x01\x02", "a/b", "%s%n", 'a"b', "a b",
                 "ü" * 40):
        user, database = (name, "app") if field == "user" else (check.role.name, name)
        with pytest.raises(Refused) as refused:
            raw(check).login(user, "wrong", database)
        assert refused.value.fields["C"] in ("28P01", "08P01", "28000", "42622"), refused.value.fields
    check.others()


@pytest.mark.parametrize("state", ["connected", "part of a startup packet", "asked", "challenged"])
def test_sockets_that_are_half_closed_during_the_login(check, state):
    if state == "connected":
        wire = raw(check)
    elif state == "part of a startup packet":
        wire = raw(check).send(startup(check.role.name, "app")[:9])
    else:
        wire = asked(check) if state == "asked" else challenged(check)[0]
    wire.socket.shutdown(socket.SHUT_WR)
    wire.until_closed()
    check.others()


def test_silent_sockets_end_by_client_login_timeout(pooler, transport):
    pooler.configure(client_login_timeout="1")
    check = Check(pooler, transport)
    beginnings = [b"", b"\0\0", startup(check.role.name, "app")[:20], b"p"]
    silent = [raw(check).send(data) for data in beginnings[:3]]
    silent += [asked(check), challenged(check)[0], asked(check).send(beginnings[3])]
    for wire in silent:
        errors = [frame.fields()["M"] for frame in wire.until_closed() if frame.kind == "E"]
        assert len(errors) == 1 and "client_login_timeout" in errors[0]
    wait_until(lambda: sum(
        "client_login_timeout" in line for line in pooler.log_lines(check.mark)) == len(silent),
        "a log line for each")
    check.others()


def test_wrong_passwords_do_not_stop_others(check):
    """A hundred logins at a time that all fail."""
    wires = [asked(check) for _ in range(50)]
    for wire in wires:
        wire.send(initial(ScramClient("wrong").first().encode()))
    check.others()
    for wire in wires:
        wire.close()
    check.others()
