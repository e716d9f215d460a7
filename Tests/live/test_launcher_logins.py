"""Logins of the launcher: auth_file with plain, md5 and SCRAM secrets."""

import pytest

from cluster import Cluster
from constants import WRONG
from scram import md5_secret
from waiting import wait_until
from wire import Refused


def server_secret(launcher, role):
    return launcher.cluster.value("select rolpassword from pg_authid where rolname = %s", role.name)


def with_md5(launcher, role):
    """Gives the role a md5 secret on the server; its md5 rule is up to the test."""
    launcher.cluster.sql("set password_encryption = md5")
    launcher.cluster.sql(f"alter role {role.name} password '{role.password}'")
    launcher.cluster.sql("reset password_encryption")


def works(launcher, role, transport, method):
    wire = launcher.raw(transport).login(role.name, role.password, launcher.database)
    assert wire.history[0].body[:4] == method
    assert wire.value("select current_user") == role.name
    with pytest.raises(Refused) as refused:
        launcher.raw(transport).login(role.name, WRONG, launcher.database)
    assert refused.value.fields["C"] == "28P01"


PASSWORD, MD5, SCRAM = b"\0\0\0\3", b"\0\0\0\5", b"\0\0\0\x0a"


@pytest.mark.parametrize(
    "auth_type, method", [("plain", PASSWORD), ("md5", MD5), ("scram-sha-256", SCRAM)]
)
def test_a_plain_secret_serves_every_method(launcher, transport, auth_type, method):
    launcher.configure(auth_type=auth_type)
    works(launcher, launcher.role(), transport, method)


@pytest.mark.parametrize("auth_type, method", [("plain", PASSWORD), ("md5", MD5)])
def test_a_md5_secret_serves_clear_text_and_md5(launcher, transport, auth_type, method):
    role = launcher.role()
    with_md5(launcher, role)
    launcher.secrets[role.name] = md5_secret(role.name, role.password)
    launcher.configure(auth_type=auth_type)
    with launcher.cluster.rules(f"host all {role.name} 127.0.0.1/32 md5\n"):
        works(launcher, role, transport, method)


@pytest.mark.parametrize("auth_type, method", [("md5", SCRAM), ("scram-sha-256", SCRAM)])
def test_a_scram_secret_of_the_server_serves_both_sides(launcher, transport, auth_type, method):
    role = launcher.role()
    launcher.secrets[role.name] = server_secret(launcher, role)
    launcher.configure(auth_type=auth_type)
    works(launcher, role, transport, method)


def test_trust_lets_listed_users_in_unasked(launcher, transport):
    launcher.configure(auth_type="trust")
    role = launcher.role()
    wire = launcher.raw(transport).login(role.name, "unused", launcher.database)
    assert wire.history[0].body == b"\0\0\0\0"
    assert wire.value("select current_user") == role.name
    with pytest.raises(Refused):
        launcher.raw(transport).login("nobody_at_all", "unused", launcher.database)


def test_a_forced_user_logs_in_with_its_own_password(launcher):
    other = launcher.new_role()
    role = launcher.new_role()
    launcher.configure_database("alias", dbname="app", user=other.name, password=f"'{other.password}'")
    wire = launcher.raw().login(role.name, role.password, "alias")
    assert wire.rows("select current_user, current_database()") == [[other.name, "app"]]


def test_a_changed_auth_file_holds_from_the_next_reload(launcher):
    role = launcher.role()
    inside = launcher.wire(role)
    launcher.secrets[role.name] = "another one"
    launcher.reload()
    with pytest.raises(Refused) as refused:
        launcher.raw().login(role.name, role.password, launcher.database)
    assert refused.value.fields["C"] == "28P01"
    assert inside.value("select 1") == "1"


def test_a_wrong_server_password_is_told_with_the_servers_message(launcher):
    role = launcher.role()
    launcher.secrets[role.name] = "known here alone"
    launcher.start()
    with pytest.raises((Refused, AssertionError), match="password authentication failed"):
        launcher.raw().login(role.name, "known here alone", launcher.database).value("select 1")


def test_a_server_that_is_away_is_told_and_found_again(launcher, environment, template):
    role = launcher.role()
    away = Cluster(environment, template)
    try:
        launcher.configure(server_login_retry="0.1", server_connect_timeout="1", query_wait_timeout="2")
        launcher.database_lines["away"] = f"port={away.port} dbname=postgres"
        launcher.start()
        with pytest.raises((Refused, AssertionError)) as caught:
            launcher.raw().login(role.name, role.password, "away").value("select 1")
        assert "08" in str(caught.value) or "query_wait_timeout" in str(caught.value)
        away.start()
        away.sql(f"create role {role.name} login password '{role.password}'")

        def works():
            try:
                return launcher.raw().login(role.name, role.password, "away").value("select 1") == "1"
            except (Refused, AssertionError):
                return False

        wait_until(works, "the server is found again")
    finally:
        away.remove()
