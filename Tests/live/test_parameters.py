"""Startup parameters and settings that each client finds as it left them."""

import psycopg
import pytest

from versions import MAJOR
from wire import Refused, Wire

VALUES = {
    "client_encoding": ("LATIN1", "UTF8"),
    "application_name": ("first app", "second app"),
    "DateStyle": ("German, DMY", "ISO, YMD"),
    "TimeZone": ("Asia/Tokyo", "America/New_York"),
    "standard_conforming_strings": ("off", "on"),
}


@pytest.mark.parametrize("name", VALUES)
def test_each_client_has_its_startup_value_on_a_shared_server(pool_of_one, transport, name):
    wires = [pool_of_one.wire(transport=transport, **{name: value}) for value in VALUES[name]]
    plain = pool_of_one.wire(transport=transport)
    default = plain.value(f"show {name}")
    for _ in range(3):
        assert [wire.value(f"show {name}") for wire in wires] == list(VALUES[name])
        assert plain.value(f"show {name}") == default
    assert {wire.value("select pg_backend_pid()") for wire in [*wires, plain]} == {
        plain.value("select pg_backend_pid()")}


@pytest.mark.parametrize("name", VALUES)
def test_each_client_keeps_what_it_set_on_a_shared_server(pool_of_one, transport, name):
    wires = [pool_of_one.wire(transport=transport) for _ in VALUES[name]]
    for wire, value in zip(wires, VALUES[name]):
        frames = wire.query(f"set {name} = {value}" if "," in value else f"set {name} = '{value}'")
        assert frames[0].kind in "SC"
    for _ in range(3):
        assert [wire.value(f"show {name}") for wire in wires] == list(VALUES[name])


def test_the_login_reports_the_clients_own_values(pool_of_one, transport):
    pool_of_one.wire(transport=transport).value("select 1")
    wire = pool_of_one.wire(transport=transport, TimeZone="Asia/Tokyo", client_encoding="LATIN1",
                       application_name="mine", DateStyle="German")
    assert wire.parameters["TimeZone"] == "Asia/Tokyo"
    assert wire.parameters["client_encoding"] == "LATIN1"
    assert wire.parameters["application_name"] == "mine"
    assert wire.parameters["DateStyle"].startswith("German")


def test_client_encoding_changes_the_bytes(pool_of_one):
    latin, utf8 = pool_of_one.wire(client_encoding="LATIN1"), pool_of_one.wire(client_encoding="UTF8")
    for _ in range(3):
        assert latin.query("select chr(228)")[-3].body[6:] == b"\xe4"
        assert utf8.query("select chr(228)")[-3].body[6:] == b"\xc3\xa4"


def test_application_name_reaches_pg_stat_activity(pool_of_one):
    first, second = pool_of_one.wire(application_name="one"), pool_of_one.wire(application_name="two")
    ask = "select application_name from pg_stat_activity where pid = pg_backend_pid()"
    for _ in range(3):
        assert (first.value(ask), second.value(ask)) == ("one", "two")


def test_a_value_with_quotes_is_a_value(pool_of_one):
    name = "it's \"quoted\" \\ ; drop table x; --"
    first, second = pool_of_one.wire(application_name=name), pool_of_one.wire(application_name="plain")
    for _ in range(3):
        assert first.value("show application_name") == name
        assert second.value("show application_name") == "plain"


def test_an_unknown_startup_parameter_is_refused_by_name(pooler, transport):
    role = pooler.role()
    with pytest.raises(Refused) as refused:
        pooler.raw(transport).login(role.name, role.password, "app", some_thing="1")
    expected = ("42704", 'unrecognized configuration parameter "some_thing"')
    if not pooler.agents:
        expected = ("0A000", "unsupported startup parameter: some_thing")
    assert (refused.value.fields["C"], refused.value.fields["M"]) == expected


def test_ignore_startup_parameters_lets_them_pass(pooler, transport):
    role = pooler.role()
    pooler.configure(ignore_startup_parameters="some_thing,extra_float_digits")
    wire = pooler.wire(role, transport, some_thing="1", extra_float_digits="3")
    assert wire.value("select 1") == "1"


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_bad_value_gets_the_servers_error(pooler, mode):
    pooler.configure(pool_mode=mode, default_pool_size=1)
    good = pooler.wire()
    good.value("select 1")
    if mode == "session":
        good.close()
    for name, code in (("client_encoding", "22023"), ("TimeZone", "22023"), ("DateStyle", "22023")):
        with pytest.raises((psycopg.Error, AssertionError, Refused)) as caught:
            wire = pooler.wire(**{name: "no_such_value"})
            wire.value("select 1")
        assert code in str(caught.value), caught.value
        assert "invalid value for parameter" in str(caught.value)
    assert pooler.wire().value("select 1") == "1"


def test_session_mode_keeps_every_setting(pooler):
    pooler.configure(pool_mode="session")
    wire = pooler.wire()
    wire.query("set work_mem = '33MB'")
    wire.query("set statement_timeout = '1h'")
    assert wire.rows("select current_setting('work_mem'), current_setting('statement_timeout')") == [
        ["33MB", "1h"]]


def test_parameters_are_right_when_another_server_serves(pooler):
    pooler.configure(pool_mode="transaction", default_pool_size=3)
    holders = [pooler.wire(TimeZone="Asia/Tokyo") for _ in range(2)]
    wire = pooler.wire(TimeZone="America/New_York", application_name="wanderer")
    pids = set()
    for count in range(3):
        for holder in holders[:count]:
            holder.query("begin")
        pids.add(wire.value("select pg_backend_pid()"))
        assert wire.rows("select current_setting('TimeZone'), current_setting('application_name')") == [
            ["America/New_York", "wanderer"]]
    assert len(pids) > 1


def test_a_set_that_is_rolled_back_is_rolled_back_for_its_client(pool_of_one):
    first, second = pool_of_one.wire(TimeZone="Asia/Tokyo"), pool_of_one.wire()
    first.query("begin")
    first.query("set timezone = 'America/New_York'")
    first.query("rollback")
    second.value("select 1")
    assert first.value("show timezone") == "Asia/Tokyo"


@pytest.mark.parametrize("name", ["plain", "caf\u00e9 \u0001\n", "x" * 70, "x" * 62 + "\u00e9", "\u65e5" * 30],
                         ids=["plain", "bytes", "long", "cut", "many"])
def test_the_login_tells_the_name_that_postgresql_takes(pooler, transport, name):
    if MAJOR < 16 and not pooler.agents and not name.isascii():
        pytest.skip("the launcher spells names as PostgreSQL 16 does")
    pooler.configure(pool_mode="transaction")
    role = pooler.role()
    direct = Wire({"host": "127.0.0.1", "port": pooler.cluster.port})
    with direct:
        direct.login(role.name, role.password, pooler.database, application_name=name)
        right = direct.parameters["application_name"]
        shown = direct.value("select application_name from pg_stat_activity where pid = pg_backend_pid()")
    # the launcher sends it to servers by SET, which takes 63 bytes of what it is spelled like
    right = right if pooler.agents else right[:63]
    for spelling in ["application_name", "application_name", "Application_Name"]:
        wire = pooler.wire(role, transport, **{spelling: name})
        assert wire.parameters["application_name"] == right == wire.value("show application_name")
        assert shown == wire.value("select application_name from pg_stat_activity where pid = pg_backend_pid()")
