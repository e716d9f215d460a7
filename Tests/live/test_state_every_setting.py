"""
Every setting that a session may change, with odd values, on one backend: the next client has no
error and its own value, and who set it finds what a direct connection would have.
"""

import pytest

from database_host import DirectHost
from wire import Refused, error_of

SETTINGS = (
    "select name, vartype, min_val, max_val, array_to_string(enumvals, ' '), setting from pg_settings "
    "where context in ('user', 'superuser', 'backend', 'superuser-backend') "
    "and name not like 'carpool.%' order by name"
)

# They are about the connection, see docs/SESSION_STATE.md; and a login would take half an hour.
LEFT_OUT = {"tcp_keepalives_count", "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_user_timeout",
            "post_auth_delay"}

NOT_LISTED = {"seed": "0.5", "transaction_isolation": "serializable", "transaction_read_only": "on",
              "transaction_deferrable": "on", "role": "none", "my.own": "x"}


def odd_values(kind, lowest, highest, words, value):
    match kind:
        case "bool":
            return ["off" if value == "on" else "on"]
        case "enum":
            return [words.split()[0], words.split()[-1]]
        case "string":
            return ["nonesuch", "pg_default", "C", ""]
    return [lowest, highest]


def all_odd(host):
    for name, *rest in host.cluster.superuser().execute(SETTINGS).fetchall():
        if name not in LEFT_OUT:
            for value in odd_values(*rest):
                yield name, value
    yield from NOT_LISTED.items()


def said(wire, sql):
    frames = wire.query(sql)
    return [error_of(frames)["C"]] if any(f.kind == "E" for f in frames) else [
        f.values() for f in frames if f.kind == "D"]


def login(host, role, **startup):
    """A client and None, or None and the SQLSTATE of its refusal."""
    try:
        return host.wire(role, **startup), None
    except Refused as refused:
        return None, refused.fields["C"]


class BySet:
    def story(host, role, name, value, between):
        client, _ = login(host, role)
        quoted = value.replace("'", "''")
        yield said(client, f"set {name} = '{quoted}'")
        yield from seen(client, name, between)


class AtStart:
    def story(host, role, name, value, between):
        client, refusal = login(host, role, options=f"-c {name}={value}")
        yield refusal
        if client:
            yield from seen(client, name, between)


class ByRole:
    def story(host, role, name, value, between):
        sql = host.cluster.superuser().execute
        try:
            sql(f"alter role {role.name} set {name} = '{value}'")
        except Exception as refused:
            yield refused.sqlstate
            return
        client, refusal = login(host, role)
        sql(f"alter role {role.name} reset all")
        yield refusal
        if client:
            yield from seen(client, name, between)


def seen(client, name, between):
    yield said(client, f"show {name}")
    between()
    yield said(client, f"show {name}")
    yield said(client, f"reset {name}")
    between()
    yield said(client, f"show {name}")
    client.close()


# Libraries that a role preloads have backends of their own, startup parameters load none; who SETs seed
# keeps its backend.
PRELOADED = {"local_preload_libraries", "session_preload_libraries"}
NOT_BY = {ByRole: PRELOADED, BySet: {"seed"}, AtStart: PRELOADED}


@pytest.mark.deadline(120)
@pytest.mark.parametrize("way", [BySet, AtStart, ByRole], ids=["set", "startup", "role"])
def test_any_setting_hurts_nobody_else(database, way):
    database.configure(pool_mode="transaction", default_pool_size=1)
    direct = DirectHost(database.cluster)
    role = database.new_role(options="superuser")
    clean = direct.wire(role)
    wrong = []
    for name, value in all_odd(database):
        if name in NOT_BY[way]:
            continue
        expected = list(way.story(direct, role, name, value, lambda: None))
        before = said(clean, f"show {name}")
        neighbour = [database.wire(role)]

        def look(name=name, value=value, before=before, neighbour=neighbour):
            if said(neighbour[0], f"show {name}") != before:
                wrong.append(f"{name} = {value!r}: a neighbour sees it")

        found = list(way.story(database, role, name, value, look))
        look()
        neighbour[0].close()
        if expected != found:
            wrong.append(f"{name} = {value!r}: directly {expected}, pooled {found}")
    direct.clean()
    assert wrong == []


def test_a_role_s_library_that_was_taken_back_is_not_missed_any_more(database):
    database.configure(pool_mode="transaction")
    role = database.new_role()
    sql = database.cluster.sql
    sql(f"alter role {role.name} set local_preload_libraries = 'nonesuch'")
    for _ in range(6):
        with pytest.raises(Refused) as refused:
            database.wire(role)
        assert refused.value.fields["C"] == "58P01"
    sql(f"alter role {role.name} reset local_preload_libraries")
    assert database.wire(role).value("select 1") == "1"


# temp_buffers

TEMPORARY = "create temporary table t(x int); insert into t values (1); drop table t"


def pair(host, **startup):
    """Two clients on one backend; the first has used a temporary table there."""
    host.configure(pool_mode="transaction", default_pool_size=1)
    role = host.new_role()
    first = host.wire(role, **startup)
    assert said(first, TEMPORARY) == []
    return role, first


def test_temp_buffers_can_be_set_where_another_used_temporary_tables(database):
    role, first = pair(database)
    pid = first.value("select pg_backend_pid()")
    second = database.wire(role)
    assert said(second, "set temp_buffers = 200") == []
    started = database.wire(role, options="-c temp_buffers=300")
    for _ in range(2):
        assert said(second, "show temp_buffers") == [["1600kB"]]
        assert said(first, "show temp_buffers") == [["8MB"]]
        assert said(started, "show temp_buffers") == [["2400kB"]]
    assert second.value("select pg_backend_pid()") == pid


def test_temp_buffers_stay_where_the_session_has_a_temporary_table(database):
    role, first = pair(database)
    first.query("create temporary table t(x int); insert into t values (1)")
    assert said(first, "set temp_buffers = 200") == ["22023"]
    assert said(first, "begin; insert into t values (1)") == []
    assert said(first, "set temp_buffers = 200") == ["22023"]


@pytest.mark.parametrize("way", ["set", "startup"])
def test_buffers_of_a_client_s_own_number_are_not_the_next_one_s(database, way):
    database.configure(pool_mode="transaction", default_pool_size=1)
    role = database.new_role()
    second = database.wire(role)
    pid = second.value("select pg_backend_pid()")
    first = database.wire(role, **({"options": "-c temp_buffers=100"} if way == "startup" else {}))
    if way == "set":
        first.query("set temp_buffers = 100")
    assert first.value("select pg_backend_pid()") == pid
    assert said(first, TEMPORARY) == []
    assert second.value("select pg_backend_pid()") != pid
    assert said(first, "show temp_buffers") == [["800kB"]]


# What a setting names may go

@pytest.fixture
def tablespace(database):
    sql = database.cluster.superuser().execute
    sql("set allow_in_place_tablespaces = on")
    sql("create tablespace fleeting location ''")
    sql("grant create on tablespace fleeting to public")
    yield lambda: sql("drop tablespace fleeting")
    sql("select 1")


@pytest.mark.parametrize("name", ["default_tablespace", "temp_tablespaces"])
@pytest.mark.parametrize("way", ["set", "startup", "below", "role"])
def test_a_tablespace_that_is_dropped_ends_nobody(database, tablespace, name, way):
    database.configure(pool_mode="transaction", default_pool_size=1)
    role = database.new_role()
    own = {"set": "fleeting", "startup": "fleeting", "below": "pg_default", "role": "fleeting"}[way]
    startup = {} if way in ("set", "role") else {"options": f"-c {name}={own}"}
    sql = database.cluster.superuser().execute
    if way == "below":
        sql(f"alter system set {name} = 'fleeting'")
        database.reload()
    if way == "role":
        sql(f"alter role {role.name} set {name} = 'fleeting'")
    first = database.wire(role, **startup)
    assert first.value("select 1") == "1"
    if way == "role":
        sql(f"alter role {role.name} reset {name}")
    if way == "set":
        first.query(f"set {name} = 'fleeting'")
    second = database.wire(role)
    others = said(second, f"show {name}")
    assert others == [["fleeting" if way == "below" else ""]]
    tablespace()
    for _ in range(3):
        assert said(first, f"show {name}") == [[own]]
        assert said(second, f"show {name}") == others
    sql(f"alter system reset {name}")
    database.reload()
