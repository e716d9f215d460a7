"""psql itself: COPY both ways, \\c, Ctrl-C."""

import os
import pty
import select
import signal
import subprocess

import pytest

from programs import program, psql, variables
from waiting import wait_until


@pytest.fixture
def role(pooler):
    pooler.configure(pool_mode="transaction", default_pool_size=2)
    return pooler.new_role()


def test_a_script_runs(pooler, transport, role):
    assert psql(pooler, role, "create table t(x int); insert into t values (1), (2); table t;",
                transport) == "1\n2\n"


def test_copy_both_ways(pooler, transport, role, environment):
    folder = environment.new_folder("copy")
    source, target = folder / "source", folder / "target"
    source.write_text("".join(f"{n}\tword {n}\n" for n in range(20000)))
    psql(pooler, role, f"create table words(id int, word text);\n\\copy words from '{source}'\n"
         f"\\copy words to '{target}'\n", transport)
    assert sorted(target.read_text().splitlines()) == sorted(source.read_text().splitlines())
    assert psql(pooler, role, "copy words(id) from stdin;\n1\n2\n3\n\\.\nselect count(*) from words;\n",
                transport) == "20003\n"
    assert psql(pooler, role, "copy (select 1, 'two') to stdout;", transport) == "1\ttwo\n"


def test_a_failing_copy_leaves_psql_connected(pooler, role):
    script = ("\\set ON_ERROR_STOP 0\ncreate table n(x int);\ncopy n from stdin;\n1\nnonsense\n3\n\\.\n"
              "select 'still', count(*) from n;\n")
    assert psql(pooler, role, script) == "still|0\n"


def test_backslash_c_connects_to_another_database(pooler, transport, role):
    name = pooler.new_database()
    script = f"select current_database();\n\\c {name}\nselect current_database();\n\\c {pooler.database}\n" \
             "select current_database();\n"
    seen = [line for line in psql(pooler, role, script, transport).splitlines() if "connected" not in line]
    assert seen == [pooler.database, name, pooler.database]


def test_describe_commands_work(pooler, transport, role):
    out = psql(pooler, role, "create table seen(x int primary key);\n\\d seen\n\\dt\n\\du\n\\l\n", transport)
    assert "x|integer||not null|" in out and "|seen|table|" in out
    assert role.name in out and pooler.database in out


def test_ctrl_c_ends_the_statement_and_not_psql(pooler, transport, role):
    """At a terminal, where psql goes on after a cancelled statement."""
    terminal, inner = pty.openpty()
    process = subprocess.Popen(
        [program(pooler, "psql"), "-XAtn"], stdin=inner, stdout=inner, stderr=inner,
        env={**variables(pooler, role, transport), "PAGER": "cat"}, start_new_session=True,
    )
    os.close(inner)
    seen = bytearray()

    def read(words):
        while words not in seen:
            assert select.select([terminal], [], [], 20)[0], seen.decode()
            seen.extend(os.read(terminal, 4096))

    try:
        os.write(terminal, b"select pg_sleep(60);\n")
        # (what a login runs may be active before it)
        wait_until(lambda: pooler.cluster.value(
            "select count(*) from pg_stat_activity where state = 'active' "
            f"and usename = '{role.name}' and query like 'select pg_sleep%'") == 1, "the statement runs")
        process.send_signal(signal.SIGINT)
        read(b"canceling statement due to user request")
        os.write(terminal, b"select 'still ' || 'here';\n")
        read(b"still here")
        os.write(terminal, b"\\q\n")
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def test_a_wrong_password_and_an_unknown_database_are_named(pooler, role):
    right, role.password = role.password, "wrong"
    result = psql(pooler, role, "select 1;", check=False)
    assert result.returncode == 2 and "password authentication failed" in result.stderr
    role.password = right
    result = psql(pooler, role, "select 1;", dbname="no_such_database", check=False)
    assert result.returncode != 0 and 'database "no_such_database" does not exist' in result.stderr


def test_programs_of_postgresql_work(pooler, role):
    psql(pooler, role, "create table kept(x int); insert into kept values (42);")
    for command in (["pg_isready"], ["vacuumdb", "-t", f"{role.name}.kept"], ["reindexdb", "-t", "kept"]):
        result = subprocess.run([program(pooler, command[0]), *command[1:]], text=True, capture_output=True,
                                env=variables(pooler, role), timeout=60)
        assert result.returncode == 0, result.stdout + result.stderr


def test_pg_dump_works_in_session_mode(pooler, role):
    pooler.configure(pool_mode="session")
    psql(pooler, role, "create table kept(x int); insert into kept values (42);")
    result = subprocess.run([program(pooler, "pg_dump"), "-n", role.name], text=True, capture_output=True,
                            env=variables(pooler, role), timeout=60)
    assert result.returncode == 0, result.stderr
    assert "COPY" in result.stdout and "42" in result.stdout
