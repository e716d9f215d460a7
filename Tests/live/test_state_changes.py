"""
Changes of settings that an agent must notice, by whatever way they come: it looks at the
settings after a transaction only where they may have changed. carpool.test_checks_agents is
on, so that an agent that takes changed ones for unchanged ends its client's connection.
"""

import time

import pytest

from database_host import DatabaseHost
from steps import Case, same_as_direct
from waiting import DEADLINE

CHANGED = "select name, setting, source from pg_settings where source = 'session' order by name"
CUSTOM = "select current_setting('my.{me}', true), current_setting('my.a', true), current_setting('my.b', true)"
FUNCTION = "create function f_{me}() returns void language plpgsql "


def case(*steps, **extra):
    return Case([step for given in steps for step in (given, CHANGED)], watch=[CHANGED], **extra)


def custom(*steps, **extra):
    return Case([step for given in steps for step in (given, CUSTOM)], watch=[CUSTOM], **extra)


CASES = {
    "beside a SET clause": case(
        FUNCTION + "set work_mem = '{n}1MB' as $$ begin set enable_sort = off; end $$", "select f_{me}()",
        "reset all"),
    "over a SET clause": case(
        FUNCTION + "set work_mem = '{n}1MB' as $$ begin set work_mem = '{n}2MB'; end $$", "select f_{me}()",
        "select f_{me}()"),
    "only a SET clause": case(
        FUNCTION + "set work_mem = '{n}1MB' set search_path = '' as $$ begin end $$", "select f_{me}()",
        "set enable_sort = off", "select f_{me}()"),
    "within a caught error": case(
        "do $$ begin begin set work_mem = '{n}1MB'; raise 'x'; exception when others then null; end; end $$",
        "do $$ begin set enable_sort = off; begin set enable_sort = on; set work_mem = '{n}1MB'; raise 'x'; "
        "exception when others then null; end; end $$"),
    "after a caught error": case(
        "do $$ begin begin perform 1/0; exception when others then set work_mem = '{n}1MB'; end; end $$"),
    "in a security definer": case(
        FUNCTION + "security definer as $$ begin perform set_config('work_mem', '{n}1MB', false); end $$",
        "select f_{me}()", "begin", "select f_{me}()", "rollback", "select f_{me}()"),
    "between commits": case(
        "create procedure p_{me}() language plpgsql as $$ begin set work_mem = '{n}1MB'; commit; "
        "perform 1; commit; perform 2; end $$", "call p_{me}()"),
    "before a rollback": case(
        "create procedure p_{me}() language plpgsql as $$ begin set work_mem = '{n}1MB'; commit; "
        "set work_mem = '{n}2MB'; rollback; perform 2; end $$", "call p_{me}()"),
    "released savepoints": case(
        "begin; savepoint s; savepoint t; set work_mem = '{n}1MB'; release t; release s; commit",
        "begin; savepoint s; reset work_mem; release s; savepoint t; select 1/0", "rollback to t", "commit"),
    "a reset of nothing": case("reset work_mem", "set work_mem = default", "reset all", "discard all"),
    "an aborted last statement": case("set work_mem = '{n}1MB'", "begin; set work_mem = '{n}2MB'; select 1/0",
                                      "rollback"),
    "around a reload": case("set work_mem = '{n}1MB'", "select pg_reload_conf()", "set enable_sort = off",
                            "select pg_reload_conf()", "reset work_mem", role_options="superuser"),
    "a name of a rolled back SET": custom("begin", "set my.{me} = 'x'", "rollback"),
    "a name of a caught error": custom(
        "do $$ begin perform set_config('my.{me}', 'x', false); raise 'x'; exception when others then null; "
        "end $$"),
    "a name of a SET clause": custom(
        FUNCTION + "set my.{me} = 'x' as $$ begin end $$", "select f_{me}()"),
    "a name of ALTER ROLE": custom("alter role {role} set my.{me} = 'x'", "alter role {role} reset all"),
    "a library's": Case(
        ["set plpgsql.check_asserts = off", "show plpgsql.check_asserts",
         "begin", "set plpgsql.print_strict_params = on", "do $$ begin end $$", "rollback",
         "show plpgsql.print_strict_params", "show plpgsql.check_asserts",
         "do $$ begin set plpgsql.print_strict_params = on; end $$", "show plpgsql.print_strict_params"],
        watch=["do $$ begin end $$", "show plpgsql.check_asserts"], own_database=True),
}


@pytest.mark.parametrize("name", CASES)
def test_as_on_a_direct_connection(places, name):
    same_as_direct(places, CASES[name])


def test_settings_of_a_prepared_transaction_stay_the_sessions(fresh_cluster):
    cluster = fresh_cluster(pool_mode="transaction", test_rotate_servers="on", default_pool_size=3)
    cluster.sql("alter system set max_prepared_transactions = 2")
    cluster.restart()
    place = DatabaseHost(cluster)
    place.serves()
    role = place.role()
    first, second = place.wire(role), place.wire(role)
    for end in ("commit prepared 'x'", "rollback prepared 'x'"):
        first.query("reset work_mem")
        for sql in ("begin", "set work_mem = '7MB'", "prepare transaction 'x'"):
            first.query(sql)
        assert [first.value("show work_mem") for _ in range(4)] == ["7MB"] * 4
        assert second.value("show work_mem") == "4MB"
        first.query(end)
        assert [first.value("show work_mem") for _ in range(4)] == ["7MB"] * 4


def test_a_name_of_the_file_is_no_sessions(rotating):
    """A reload that makes a custom setting, while a session has settings of its own."""
    role = rotating.role()
    first, second = rotating.wire(role), rotating.wire(role)
    first.query("set enable_sort = off")
    try:
        rotating.cluster.sql("set my.of_the_file = ''")  # else ALTER SYSTEM does not know it
        rotating.cluster.sql("alter system set my.of_the_file = 'x'")
        rotating.cluster.reload()
        for wire in (first, second):
            deadline = time.monotonic() + DEADLINE
            while wire.value("select current_setting('my.of_the_file', true)") != "x":
                assert time.monotonic() < deadline
        first.query("set work_mem = '9MB'")
        assert [first.value("show work_mem") for _ in range(4)] == ["9MB"] * 4
        assert [first.value("show enable_sort") for _ in range(4)] == ["off"] * 4
    finally:
        rotating.cluster.sql("alter system reset my.of_the_file")
        rotating.cluster.reload()


def test_the_self_test_finds_all(rotating):
    """In a transaction that has changed nothing, and in one with the settings that the search would use."""
    cluster = rotating.cluster
    cluster.sql("create extension if not exists pg_carpool", dbname=rotating.database)
    connection = cluster.superuser(rotating.database)
    for changes in ([], ["set seq_page_cost = 2", "set local cpu_tuple_cost = 1", "set random_page_cost = 3"]):
        with connection.transaction(force_rollback=True):
            for change in changes:
                connection.execute(change)
            tested = connection.execute("select mechanism, why from carpool.self_test()").fetchall()
        assert [failed for failed in tested if failed[1]] == []
        assert "changes of settings" in dict(tested)
