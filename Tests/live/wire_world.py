"""The database of the wire oracle: its roles, tables and functions, and what direct sessions see of them."""

import random

from wire import Wire

# Each changes how a literal is read, what a function is compiled to, or what a value looks like.
SETTINGS = {
    "DateStyle": ["ISO, MDY", "ISO, DMY", "German, DMY", "SQL, MDY", "SQL, DMY"],
    "TimeZone": ["UTC", "Asia/Tokyo", "America/New_York", "Europe/Berlin"],
    "IntervalStyle": ["postgres", "sql_standard", "iso_8601"],
    "bytea_output": ["hex", "escape"],
    "extra_float_digits": ["0", "1", "-3"],
    "quote_all_identifiers": ["on", "off"],
    "standard_conforming_strings": ["on", "off"],
    "array_nulls": ["on", "off"],
    "transform_null_equals": ["on", "off"],
    "search_path": ["s0, public", "s1", "s2, s0", "\"$user\", public"],
    "work_mem": ["1MB", "2MB", "3MB", "5MB"],
}
# Those by which no literal is read: they only matter to what is folded.
FOLDED = ["bytea_output", "extra_float_digits", "quote_all_identifiers"]

# Expressions whose value depends on the settings under which they are read or folded.
LITERALS = {
    "date": "to_char('01.02.2020'::date, 'YYYY-MM-DD')",
    "zone": "extract(epoch from '2026-12-25 00:00'::timestamptz)::text",
    "span": "extract(epoch from '-1 02:03:04'::interval)::text",
    "bytes": "decode('4142ff', 'hex')::text",
    "float": "(0.1::float8 + 0.2::float8)::text",
    "quote": "quote_ident('abc')",
    "string": r"length('a\\b')::text",
    "nulls": "coalesce(('{null}'::text[])[1], 'none')",
    "equals": "((null = null) is true)::text",
    "tenant": "public.tenant()",
}

# Bodies of PL/pgSQL functions, beside one for each literal.
BODIES = {
    "type": "declare v t.a%type; begin return pg_typeof(v)::text; end",
    "row": "declare r t%rowtype; begin select * into r from t; return pg_typeof(r.a)::text || r.a::text; end",
    "path": "declare r text; begin select a::text into r from t; return r; end",
    "rows": "declare r text; begin select string_agg(x, ',' order by x) into r from public.notes; "
            "return r; end",
    "fold": "declare r text; begin select public.secret() into r; return r; "
            "exception when insufficient_privilege then return 'denied'; end",
    "line": "declare r text; begin select public.secret_sql() into r; return r; "
            "exception when insufficient_privilege then return 'denied'; end",
    **{name: f"begin return {expression}; end" for name, expression in LITERALS.items()},
}

# What a session can see of itself at any time; with no cache in between in a simple query.
PLAIN = {
    "session_user": "session_user::text",
    "current_user": "current_user::text",
    "id": "current_setting('my.id')",
    "application_name": "current_setting('application_name')",
    "is_superuser": "current_setting('is_superuser')",
    "login": "(select usename::text from pg_stat_activity where pid = pg_backend_pid())",
    "rows": "(select string_agg(x, ',' order by x) from public.notes)",
    "path": "(select a::text from t)",
    "type": "(select pg_typeof(a)::text from t)",
    **{name: f"current_setting('{name}')" for name in SETTINGS},
}
# The same through what a backend keeps. Those with {v}, a or b, are for one environment of a client only:
# a direct session, too, goes on with what it has made in another one.
KEPT = {
    **{f"f_{name}": f"public.f_{name}_{{v}}()" for name in BODIES},
    "domain": "pg_input_is_valid('50', 'public.limited_{v}')::text",
}
# One statement that all clients prepare by the same name and text.
SAME = ["date", "zone", "bytes", "float", "quote", "tenant"]
SAME_TEXT = "select " + ", ".join(LITERALS[name] for name in SAME)

TYPES = ["int", "text", "date", "bigint", "name", "numeric", "oid", "bytea"]
VALUES = ["1", "'one'", "'2020-03-04'", "4", "'five'", "6.5", "7", "'eight'"]

TABLES = """
create table notes (owner name, x text);
alter table notes enable row level security;
create policy own on notes using (owner = current_user);
grant select on notes to public;
create table void (who text, n int);
grant insert on void to public;
create function only_mine() returns trigger language plpgsql as $$ begin
  if new.who <> current_setting('my.id') then
    raise exception '% copied in the session of %', new.who, current_setting('my.id') using errcode = 'ZZ001';
  end if;
  return null;
end $$;
create trigger only_mine before insert on void for each row execute function only_mine();
create function tenant() returns text immutable language plpgsql as $$ begin
  return current_setting('my.id', true); end $$;
create function secret() returns text immutable language plpgsql as $$ begin return 'secret'; end $$;
create function secret_sql() returns text language sql as $$ select 'secret in SQL'::text $$;
revoke execute on function secret(), secret_sql() from public;
"""
PER_VARIANT = """
create function inside_{v}(n int) returns boolean immutable language sql as 'select n < bound()';
create domain limited_{v} as int check (public.inside_{v}(value));
"""


class Environment:
    """
    A role to SET, or None, values of settings, and what a direct session sees in it: {look: value}. like:
    another one, from which this one often differs in one setting only.
    """

    def __init__(self, roles, numbers, like=None):
        self.role = like.role if like and numbers.random() < 0.6 else numbers.choice(roles)
        self.settings = dict(like.settings) if like else {}
        for name in [numbers.choice([*SETTINGS, *FOLDED * 3])] if like else SETTINGS:
            self.settings[name] = numbers.choice(SETTINGS[name])
        self.expected, self.literals = {}, {}


class Profile:
    """Who a client is: its login, its session's environment, and another one for SET LOCAL."""

    def __init__(self, login, own, local):
        self.login, self.own, self.local = login, own, local


def adopt(environment, identity, local=False, names=SETTINGS):
    """SQL that makes a session, or its transaction, the environment's."""
    values = {**{name: environment.settings[name] for name in names}, "my.id": identity}
    word = "true" if local else "false"
    calls = ", ".join(f"set_config('{name}', '{value}', {word})" for name, value in values.items())
    role = environment.role or "none"
    return f"select {calls}; set {'local ' if local else ''}role {role}"


class World:
    """
    A database and roles for one story. shared: whether the logins have one pool. groups: letters of
    those operations that take part beside the harmless ones, see test_wire_oracle.
    """

    def __init__(self, place, seed, shared, groups, logins=2, tenants=4, profiles=16):
        self.place, self.seed, self.shared, self.groups = place, seed, shared, groups
        self.numbers = random.Random(seed)
        self.database = place.new_database()
        self.logins = [place.new_role() for _ in range(logins)]
        self.changing = [place.new_role() for _ in range(2)]
        self.tenants = [place.new_role().name for _ in range(tenants)]
        self._make()
        self.free = []
        for number in range(profiles):
            self.free.append(self._profile(number))

    # the database

    def direct(self):
        return Wire({"host": "127.0.0.1", "port": self.place.cluster.port})

    def sql(self, statement):
        return self.owner.rows(statement)

    def _make(self):
        self.owner = self.direct().login("postgres", "", self.database)
        self.sql("set check_function_bodies = off")
        self.sql(TABLES)
        names = [role.name for role in self.logins] + self.tenants
        for number, schema in enumerate(["s0", "s1", "s2"] + names):
            self._schema(schema, number)
        for name in names:
            self.sql(f"insert into notes values ('{name}', 'note of {name}')")
        for variant in "ab":
            self.sql(PER_VARIANT.format(v=variant))
            for name, body in BODIES.items():
                self.sql(f"create function f_{name}_{variant}() returns text language plpgsql "
                         f"as $$ {body} $$")
        for role in self.logins:
            self.sql(f"grant {', '.join(self.tenants)} to {role.name}")
        rights = self.tenants[::2] + [role.name for role in self.logins[::2]]
        self.sql(f"grant execute on function secret(), secret_sql() to {', '.join(rights)}")
        for setting in ("escape_string_warning = off", "log_min_messages = fatal"):
            self.sql(f"alter database {self.database} set {setting}")
        self.owner.close()

    def _schema(self, name, number):
        kind, value = TYPES[number % len(TYPES)], VALUES[number % len(VALUES)]
        self.sql(f"create schema {name}; grant usage on schema {name} to public;"
                 f"create table {name}.t (a {kind}); insert into {name}.t values ({value});"
                 f"grant select on {name}.t to public;"
                 f"create function {name}.bound() returns int immutable language sql "
                 f"as 'select {number * 20}'")

    def backends(self):
        """What the story's backends do."""
        return self.place.cluster.sql(
            "select pid, usename, state, wait_event, application_name, state_change::time::text, "
            f"left(query, 60) from pg_stat_activity where datname = '{self.database}' order by usename, pid")

    def end(self):
        """Ends the backends that the story's clients have left."""
        for role in self.logins + self.changing:
            self.place.end_backends(role)
        self.place.cluster.sql(f"drop database {self.database} with (force)")

    # profiles and their twins on direct connections

    def _profile(self, number):
        login = self.logins[number // 3 % len(self.logins)]
        roles = [None, *self.tenants]
        like = self.numbers.choice(self.free) if number % 3 else None
        own = Environment(roles, self.numbers, like and like.own)
        local = Environment(roles, self.numbers, like and like.local)
        with self.direct() as twin:
            twin.login(login.name, login.password, self.database, application_name="@")
            self._learn(twin, own, "a", adopt(own, "@"))
            twin.rows("begin")
            self._learn(twin, local, "b", adopt(local, "@.local", local=True))
        return Profile(login, own, local)

    def _learn(self, twin, environment, variant, setup):
        """What the looks give in the environment; @ stands for the client's own name."""
        twin.rows(setup)
        environment.looks = dict(PLAIN)
        if "C" in self.groups:
            environment.looks |= {name: look.format(v=variant) for name, look in KEPT.items()}
        values = twin.rows("select " + ", ".join(environment.looks.values()))[0]
        environment.expected = dict(zip(environment.looks, values))
        values = twin.rows("select " + ", ".join(LITERALS.values()))[0]
        environment.literals = dict(zip(LITERALS, values))

    def take(self, numbers):
        """A profile that no other client has now."""
        return self.free.pop(numbers.randrange(len(self.free)))

    def give_back(self, profile):
        self.free.append(profile)
