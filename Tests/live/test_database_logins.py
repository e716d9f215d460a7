"""Logins in the database: the server's own pg_hba.conf and pg_authid decide."""

import getpass
import threading

import psycopg
import pytest

from cluster import BASE_RULES
from constants import WRONG
from test_logins import transcript
from versions import MAJOR
from waiting import wait_until
from wire import Refused


def refused(database, role, password=None, transport="tcp"):
    with pytest.raises(Refused) as caught:
        database.raw(transport).login(role.name, password or role.password, database.database)
    return caught.value.fields


def test_trust_asks_for_nothing(database, rules, transport):
    role = rules("local all {role} trust\nhost all {role} 127.0.0.1/32 trust\n")
    wire = database.raw(transport).login(role.name, "unused", database.database)
    assert wire.history[0].body == b"\0\0\0\0"
    assert wire.value("select current_user") == role.name


def test_reject_refuses_with_28000(database, rules, transport):
    role = rules("local all {role} reject\nhost all {role} 127.0.0.1/32 reject\n")
    error = refused(database, role, transport=transport)
    assert error["C"] == "28000"
    assert "pg_hba.conf" in error["M"]


def test_no_rule_refuses_with_28000(database, rules):
    role = database.role()
    database.cluster.write_rules(
        BASE_RULES.replace("host all all 127.0.0.1/32 scram-sha-256", "")
    )
    database.configure()
    error = refused(database, role)
    assert error["C"] == "28000"
    assert "no pg_hba.conf entry" in error["M"]


def test_password_asks_in_clear_text(database, rules, transport):
    role = rules("local all {role} password\nhost all {role} 127.0.0.1/32 password\n")
    wire = database.raw(transport).login(role.name, role.password, database.database)
    assert wire.history[0].body == b"\0\0\0\3"
    assert wire.value("select current_user") == role.name
    assert refused(database, role, WRONG, transport)["C"] == "28P01"


def test_md5_with_a_md5_secret(database, rules, transport):
    role = rules("local all {role} md5\nhost all {role} 127.0.0.1/32 md5\n")
    database.cluster.sql("set password_encryption = md5")
    database.cluster.sql(f"alter role {role.name} password '{role.password}'")
    database.cluster.sql("reset password_encryption")
    wire = database.raw(transport).login(role.name, role.password, database.database)
    assert wire.history[0].body[:4] == b"\0\0\0\5"
    assert wire.value("select current_user") == role.name
    assert refused(database, role, WRONG, transport)["C"] == "28P01"


def test_md5_with_a_scram_secret_is_scram(database, rules, transport):
    role = rules("local all {role} md5\nhost all {role} 127.0.0.1/32 md5\n")
    wire = database.raw(transport).login(role.name, role.password, database.database)
    assert wire.history[0].body[:4] == b"\0\0\0\x0a"
    assert wire.value("select current_user") == role.name


def test_scram_offers_scram_alone(database, transport):
    role = database.role()
    wire = database.raw(transport).login(role.name, role.password, database.database)
    assert wire.history[0].body == b"\0\0\0\x0aSCRAM-SHA-256\0\0"


def test_scram_refuses_a_role_with_a_md5_secret(database):
    role = database.role()
    database.cluster.sql("set password_encryption = md5")
    database.cluster.sql(f"alter role {role.name} password '{role.password}'")
    database.cluster.sql("reset password_encryption")
    steps, error = transcript(database, role.name, role.password, database.database)
    assert error["C"] == "28P01"
    assert steps[0] == ("R", b"\0\0\0\x0a")


def test_peer_lets_the_user_of_the_socket_in(database, rules):
    name = getpass.getuser()
    own = not database.cluster.value("select 1 from pg_roles where rolname = %s", name)
    if own:
        database.cluster.sql(f'create role "{name}" login')
    rules(f'local all "{name}" peer\nhost all "{name}" 127.0.0.1/32 trust\n')
    try:
        wire = database.raw("unix").login(name, "unused", database.database)
        assert wire.value("select current_user") == name
        wire.close()
    finally:
        rules("")
        if own:
            database.cluster.sql(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = %s", name
            )
            database.cluster.sql(f'drop role "{name}"')


def test_peer_refuses_another_user(database, rules):
    role = rules("local all {role} peer\n")
    error = refused(database, role, transport="unix")
    assert error["C"] in ("28000", "28P01")


def test_peer_on_the_socket_does_not_keep_servers_out(database):
    """Debian's pg_hba.conf: ordinary roles get in over TCP alone, so do their servers."""
    database.cluster.write_rules(
        "local all postgres trust\nhost all postgres 127.0.0.1/32 trust\n"
        "local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n"
    )
    database.configure()
    role = database.role()
    assert database.wire(role).value("select current_user") == role.name
    restore_rules(database)


def restore_rules(database):
    database.cluster.write_rules(BASE_RULES)
    database.configure()


def test_a_hostssl_rule_never_matches(database, rules):
    role = rules("hostssl all {role} 127.0.0.1/32 trust\n")
    wire = database.raw().login(role.name, role.password, database.database)
    assert wire.history[0].body[:4] == b"\0\0\0\x0a", "the next rule asks for SCRAM"


# 15 takes regular expressions in pg_ident.conf only.
PATTERNS = "/^ap.$ /^{role}$" if MAJOR >= 16 else "{app} {role}"


def test_rules_by_address_database_group_and_regular_expression(database, rules):
    role = rules(
        "host all {role} 10.0.0.0/8 trust\n"
        "host postgres {role} 127.0.0.1/32 trust\n"
        f"host {PATTERNS} 127.0.0.1/32 password\n"
    )
    wire = database.raw().login(role.name, role.password, database.database)
    assert wire.history[0].body == b"\0\0\0\3"
    database.cluster.sql(f"create role {role.name}_group role {role.name}")
    rules("host sameuser,app +{role}_group samehost trust\n")
    wait_until(
        lambda: database.raw().login(role.name, role.password, database.database).history[0].body
        == b"\0\0\0\0", "the group's rule",
    )
    database.cluster.sql(f"drop role {role.name}_group")


def test_a_changed_rule_holds_from_the_next_reload(database, rules):
    role = database.role()
    inside = database.wire(role)
    rules("host all {role} 127.0.0.1/32 reject\n")
    assert refused(database, role)["C"] == "28000"
    assert inside.value("select 1") == "1", "who is in stays in"
    rules("")
    assert database.wire(role).value("select 1") == "1"


def test_a_faulty_file_keeps_the_old_rules_and_is_logged(database, rules):
    role = database.role()
    mark = database.log_mark()
    database.cluster.write_rules("host all all 127.0.0.1/32 nonsense\n")
    database.configure()
    assert database.wire(role).value("select 1") == "1"
    database.cluster.log.wait(r"nonsense", mark)
    wait_until(lambda: [x for x in database.log_lines(mark) if "hba" in x], "the worker's line")


def test_a_password_past_valid_until_is_refused(database):
    role = database.new_role(options="valid until '2001-01-01'")
    assert refused(database, role)["C"] == "28P01"
    database.cluster.sql(f"alter role {role.name} valid until 'infinity'")
    assert database.wire(role).value("select 1") == "1"


def test_nologin_is_told_only_to_who_proved_itself(database):
    role = database.role()
    wrong = transcript(database, role.name, WRONG, database.database)
    database.cluster.sql(f"alter role {role.name} nologin")
    assert transcript(database, role.name, WRONG, database.database) == wrong
    error = refused(database, role)
    assert error["C"] == "28000"
    assert "not permitted to log in" in error["M"]


def test_connect_revoked_is_told_only_to_who_proved_itself(database):
    name = database.new_database()
    database.cluster.sql(f"revoke connect on database {name} from public")
    role = database.role()
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        database.connect(role, dbname=name)
    assert transcript(database, role.name, WRONG, name) == transcript(
        database, role.name, WRONG, database.database
    )
    database.cluster.sql(f"grant connect on database {name} to {role.name}")
    assert database.connect(role, dbname=name).execute("select 1").fetchone() == (1,)


def test_a_database_that_takes_no_connections_is_refused(database):
    name = database.new_database()
    database.cluster.sql(f"alter database {name} allow_connections false")
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        database.connect(database.role(), dbname=name)


def test_direct_sessions_count_in_the_connection_limit(database):
    role = database.new_role(options="connection limit 1")
    direct = psycopg.connect(
        host=str(database.cluster.socket_folder), port=database.cluster.port, user=role.name,
        password=role.password, dbname=database.database,
    )
    wire = database.raw()
    result = []

    def use():
        wire.login(role.name, role.password, database.database)
        result.append(wire.value("select 1"))

    thread = threading.Thread(target=use)
    thread.start()
    assert database.servers(role) == [direct.info.backend_pid]
    direct.close()
    thread.join(20)
    assert result == ["1"]


def test_a_superuser_gets_in_too(database, rules):
    database.cluster.sql("create role chief superuser login password 'secret'")
    try:
        wire = database.raw().login("chief", "secret", database.database)
        assert wire.parameters["is_superuser"] == "on"
        wire.close()
    finally:
        database.cluster.sql(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'chief'"
        )
        database.cluster.sql("drop role chief")


# Lines of pg_ident.conf: {os} is the tests' own user, {role} and x{os} are the roles that it wants to be.
MAPS = [
    "{os} {role}", "{os} other", "other {role}", "{os} all", '{os} "all"', "{os} +{role}_group", "{os} /^{role}$",
    "/^{os}$ {role}", "/^{os}.$ {role}", "/^(.*)$ x\\1", "/^.(.*)$ x\\1", "/^{os}$ x\\1", "/^{os}$ all", "x{os} \\1",
]


@pytest.mark.parametrize("line", MAPS)
def test_os_users_are_the_roles_that_the_map_allows(database, rules, line):
    """As PostgreSQL decides itself about a direct connection."""
    names = {"os": getpass.getuser(), "role": rules("").name}
    namesake = f"x{names['os']}"
    roles = f"{names['role']},{namesake}"
    sql = database.cluster.sql
    sql(f"create role {namesake} login; create role {names['role']}_group role {names['role']}, {namesake}")
    try:
        database.cluster.write_ident(f"m {line.format(**names)}\n")
        rules(f"local all {roles} peer map=m\nhost all {roles} 127.0.0.1/32 trust\n")
        for user in (names["role"], namesake):
            assert enters(database, user, database.port) == enters(database, user, database.cluster.port)
    finally:
        sql(f"drop role {names['role']}_group, {namesake}")
        database.cluster.write_ident(f"owner {database.cluster.environment.server_user} postgres\n")


def enters(database, user, port):
    """Whether it may, by the Unix socket of a port."""
    try:
        psycopg.connect(**{**database.cluster.direct(database.database, user), "port": port}).close()
        return True
    except psycopg.OperationalError:
        return False
