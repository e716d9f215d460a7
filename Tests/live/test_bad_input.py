"""Bytes that no honest client sends: one error, one log line, the end; nobody else notices."""

import struct

import pytest

from bystander import inside, raw
from constants import VIOLATION
from wire import (
    GSS_REQUEST, PROTOCOL, SSL_REQUEST, SYNC, Closed, Refused, bind, copy_data, message, packet, query,
    startup, text,
)


# instead of a startup packet

GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "tls hello": bytes.fromhex("16030100c8010000c40303") + b"\x11" * 192,
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "zeros": b"\0" * 64,
    "ones": b"\xff" * 64,
    "query": query("select 1"),
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_garbage_instead_of_a_startup_packet(check, data):
    check.silent(raw(check).send(data), "invalid length of startup packet")


@pytest.mark.parametrize("length", [0, 3, 4, 7, 10005, 2**31 - 1, 2**31, 2**32 - 1])
def test_startup_packets_of_impossible_length(check, length):
    check.silent(raw(check).send(struct.pack("!II", length, PROTOCOL)), "invalid length of startup packet")


def test_a_startup_packet_of_10004_bytes_is_read(check):
    filler = "x" * (10004 - len(startup(check.role.name, "app", application_name="")))
    wire = raw(check).send(startup(check.role.name, "app", application_name=filler))
    assert wire.frame().kind == "R"
    wire.close()
    check.others()


@pytest.mark.parametrize("body", [
    b"user\0someone", b"user\0", b"user", b"\0", b"", b"user\0someone\0\0extra", b"user\0someone\0x\0y",
    b"database\0app\0\0", b"user\0\0\0",
], ids=["no end", "no value", "bare name", "empty", "nothing", "extra", "odd", "no user", "empty user"])
def test_malformed_startup_packets(check, body):
    check.error(raw(check).send(packet(PROTOCOL, body)), "08P01|28000")


@pytest.mark.parametrize("version", [0, 1 << 16, 2 << 16])
def test_protocols_before_3_are_refused_in_their_form(check, version):
    wire = raw(check).send(startup(check.role.name, "app", version=version))
    words = f"unsupported frontend protocol {version >> 16}.0: server supports 3.0 to 3.0"
    told = f"EFATAL:  {words}\n\0".encode()
    assert wire.byte_count(len(told)) == told
    check.silent(wire, words)


@pytest.mark.parametrize("version", [4 << 16, 0xFFFF << 16])
def test_unsupported_protocol_versions(check, version):
    wire = raw(check).send(startup(check.role.name, "app", version=version))
    check.error(wire, "0A000", "unsupported frontend protocol")


@pytest.mark.parametrize("minor", [1, 2, 9999])
def test_newer_minor_versions_are_negotiated(check, minor):
    wire = raw(check).send(startup(check.role.name, "app", version=PROTOCOL + minor))
    frame = wire.frame()
    assert frame.kind == "v" and frame.body[:8] == struct.pack("!II", PROTOCOL, 0)
    assert wire.frame().kind == "R"


def test_unknown_protocol_options_are_negotiated(check):
    wire = raw(check).startup(check.role.name, "app", **{"_pq_.fancy": "on"})
    frame = wire.frame()
    assert frame.kind == "v" and frame.body == struct.pack("!II", PROTOCOL, 1) + b"_pq_.fancy\0"
    assert wire.frame().kind == "R"


@pytest.mark.parametrize("code", [SSL_REQUEST, GSS_REQUEST], ids=["ssl", "gss"])
def test_encryption_requests_are_answered_no(check, code):
    wire = raw(check).send(packet(code))
    assert wire.byte_count(1) == b"N"
    wire.login(check.role.name, check.role.password, "app")
    assert wire.value("select 1") == "1"


def test_both_encryption_requests_one_after_the_other(check):
    wire = raw(check)
    for code in (GSS_REQUEST, SSL_REQUEST):
        assert wire.send(packet(code)).byte_count(1) == b"N"
    wire.login(check.role.name, check.role.password, "app")
    assert wire.value("select 1") == "1"


def test_a_second_ssl_request_is_refused(check):
    wire = raw(check).send(packet(SSL_REQUEST))
    assert wire.byte_count(1) == b"N"
    check.error(wire.send(packet(SSL_REQUEST)), "0A000", "unsupported frontend protocol 1234.5679")


@pytest.mark.parametrize("code,name", [(SSL_REQUEST, "SSL"), (GSS_REQUEST, "GSSAPI encryption")])
def test_bytes_behind_an_encryption_request_are_refused(check, code, name):
    """Who is in between could have put them there."""
    wire = raw(check).send(packet(code) + startup(check.role.name, "app"))
    assert wire.byte_count(1) == b"N"
    check.error(wire, "08P01", f"received unencrypted data after {name} request")


def test_endless_encryption_requests_end(check):
    wire = raw(check).send(packet(SSL_REQUEST) + packet(GSS_REQUEST) * 50)
    data = bytearray()
    try:
        while True:
            data += wire.byte_count(1)
    except Closed:
        assert len(data.split(b"E")[0]) <= 2
    check.others()


@pytest.mark.parametrize("code", [80877105, 80877199], ids=["next", "other"])
def test_special_requests_with_a_body(check, code):
    check.ends(raw(check).send(packet(code, b"12345678")))


@pytest.mark.parametrize("code", [SSL_REQUEST, GSS_REQUEST], ids=["ssl", "gss"])
def test_encryption_requests_with_a_body_are_answered(check, code):
    wire = raw(check).send(packet(code, b"12345678"))
    assert wire.byte_count(1) == b"N"
    wire.login(check.role.name, check.role.password, "app")
    assert wire.value("select 1") == "1"


@pytest.mark.parametrize("value,sqlstate", [("bogus", "22023"), ("o", "22023"), ("database", "0A000"),
                                            ("TR", "0A000")])
def test_replication_is_refused(check, value, sqlstate):
    wire = raw(check).startup(check.role.name, "app", replication=value)
    check.error(wire, sqlstate, "replication")


# parameters

@pytest.mark.parametrize("options", ["-c=", "--=", "-c", "--", "-c =1", "-c x", "-", "=", "-c ="])
def test_options_that_set_nothing(check, options):
    if check.pooler.agents and options == "--":     # the end of the options, for PostgreSQL
        raw(check).login(check.role.name, check.role.password, "app", options=options)
        return
    wire = raw(check).startup(check.role.name, "app", options=options)
    frames = wire.frames_until("E", "R")
    if frames[-1].kind == "R":
        wire = raw(check)
        with pytest.raises(Refused) as refused:
            wire.login(check.role.name, check.role.password, "app", options=options)
        assert refused.value.fields["C"] in ("42601", "42704", "08P01", "0A000", "42602")
        wire.until_closed()
    else:
        assert frames[-1].fields()["C"] in ("42601", "42704", "08P01", "0A000", "42602")
    check.others()


def test_an_unsupported_startup_parameter_is_named(check):
    if check.pooler.agents:     # the server says it itself, at the end of the login
        with pytest.raises(Refused, match='unrecognized configuration parameter "some_thing"'):
            raw(check).login(check.role.name, check.role.password, "app", some_thing="1")
        check.others()
    else:
        wire = raw(check).startup(check.role.name, "app", some_thing="1")
        check.error(wire, "0A000", "unsupported startup parameter: some_thing")


# after the login

LENGTHS = [0, 1, 3, 2**31, 2**31 + 4, 2**32 - 1]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", "QPBdS")
def test_messages_of_impossible_length(check, kind, length):
    wire = inside(check).send(kind.encode() + struct.pack("!I", length) + b"\0" * 16)
    check.silent(wire, "invalid message length")


@pytest.mark.parametrize("length", [2**30 + 4, 2**31 - 1])
def test_messages_longer_than_a_server_takes(check, length):
    wire = inside(check).send(b"Q" + struct.pack("!I", length) + b"\0" * 16)
    check.silent(wire, "invalid message length")


@pytest.mark.parametrize("kind", ["S", "H", "c"])
def test_messages_without_a_body_that_have_one(check, kind):
    """PostgreSQL refuses them too; a server must not, when it may be another client's by then."""
    check.ends(inside(check).send(message(kind, b"x" * 60000)))


@pytest.mark.parametrize("kind", ["~", "\0", "A", "R", "Z", "q", "1", "\xff"])
def test_unknown_messages(check, kind):
    wire = inside(check).send(kind.encode("latin-1") + b"\0\0\0\4")
    check.error(wire, VIOLATION, f"^invalid frontend message type {ord(kind)}$")


@pytest.mark.parametrize("kind", ["~", "p"])
def test_unknown_messages_in_a_transaction_undo_it(check, kind):
    wire = inside(check)
    wire.query("begin")
    wire.query("create table half_done(x int)")
    wire.send(kind.encode() + b"\0\0\0\4")
    check.error(wire, VIOLATION)
    assert not check.pooler.cluster.sql(
        "select 1 from pg_class where relname = 'half_done'", dbname="app")


def test_a_password_message_after_the_login(check):
    check.error(inside(check).send(message("p", text("secret"))), VIOLATION)


def test_a_startup_packet_after_the_login(check):
    check.error(inside(check).send(startup("postgres", "postgres")), VIOLATION)


def test_copy_messages_outside_of_a_copy_do_nothing(check):
    """The server ignores them, as the protocol says: they may be left over from a failed copy."""
    wire = inside(check)
    wire.send(copy_data(b"1\n") + message("c") + message("f", text("why")) + query("select 1"))
    assert [frame.kind for frame in wire.until_ready()] == ["T", "D", "C", "Z"]
    wire.close()
    check.others()


@pytest.mark.parametrize("bad", [
    message("P"), message("B"), message("E"), message("D"), message("C"), message("Q"), message("F"),
    message("P", b"name only\0"), message("B", b"\0\0\0\1"), message("D", b"Zx\0"), message("Q", b"no end"),
    bind()[:-2] + b"\xff\xff",
], ids=["P", "B", "E", "D", "C", "Q", "F", "P short", "B short", "D kind", "Q no end", "B formats"])
def test_messages_with_a_malformed_body_are_the_servers_to_refuse(check, bad):
    """It says so and goes on after Sync, or ends; either way only for this client."""
    wire = inside(check).send(bad + SYNC)
    frames = wire.frames_until("E")
    assert frames[-1].fields()["C"] in (VIOLATION, "26000", "34000", "08P01", "22P02", "0A000", "42601")
    wire.close()
    check.others()
