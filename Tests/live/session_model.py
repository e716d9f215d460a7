"""A model of one session's state, the random operations on it, and the check of both."""

import copy
import json

from wire import Wire

SETTINGS = {
    "work_mem": ["1MB", "2MB", "3MB", "5MB"],
    "search_path": ["public", "pg_catalog", "a, b, \"C\"", "\"$user\""],
    "TimeZone": ["Asia/Tokyo", "America/New_York", "UTC"],
    "DateStyle": ["German, DMY", "ISO, YMD", "SQL, MDY"],
    "enable_sort": ["on", "off"],
    "random_page_cost": ["1.25", "7", "4"],
    "statement_timeout": ["1h", "2min"],
    "application_name": ["first", "second", "it''s \"third\""],
    "client_min_messages": ["warning", "error"],
}
CUSTOM = ["my.one", "my.two", "other.three"]
SHOW = {  # as SHOW gives them, where that is not what was set
    "it''s \"third\"": "it's \"third\"",
}

# All that a session can see of its own state, in one row of JSON.
LOOK = """select json_build_object(
 'settings', (select json_object_agg(name, current_setting(name)) from pg_settings where source = 'session'),
 'custom', json_build_array({custom}),
 'user', current_user,
 'statements', (select json_object_agg(name, statement) from pg_prepared_statements),
 'tables', (select json_agg(relname order by relname) from pg_class where relnamespace = pg_my_temp_schema()),
 'rows', json_build_array({rows}),
 'locks', (select json_object_agg(objid,
                                  1) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
 'cursors', (select json_agg(name order by name) from pg_cursors where name <> ''),
 'channels', (select json_agg(c order by c) from pg_listening_channels() c),
 'sequences', json_build_array({sequences}))"""


class Wrong(AssertionError):
    """What a client saw is not what its model says."""


class Transactional:
    """The part of a session that a rollback puts back."""

    def __init__(self):
        self.settings = {}  # by SET
        self.local = {}  # by SET LOCAL, over the former
        self.custom = {}
        self.role = None
        self.tables = {}  # name to number of rows
        self.cursors = {}  # name to a number of its own: a closed one does not come back
        self.channels, self.wanted = set(), set()


class Session:
    """
    One client and its model. numbers: a random.Random; me: its number among the clients;
    sequences: names that all share, though their values are only this session's to see.
    """

    def __init__(self, address, role, database, me, numbers, sequences, other_role):
        self.address, self.role, self.database = address, role, database
        self.me, self.numbers, self.sequences, self.other_role = me, numbers, sequences, other_role
        self.wire = None
        self.steps = []

    def start(self):
        """A new connection, and so a session without state."""
        if self.wire:
            self.wire.close()
        self.startup = {}
        if self.numbers.random() < 0.5:
            self.startup["application_name"] = f"client {self.me}"
        if self.numbers.random() < 0.3:
            self.startup["options"] = "-c geqo_threshold=9"
        self.wire = Wire(self.address).login(
            self.role.name, self.role.password, self.database, **self.startup)
        self.now = Transactional()
        self.savepoints, self.outside = [], None
        self.failed = False
        self.statements, self.values, self.last, self.locks = {}, {}, None, {}
        self.steps = [f"login {self.startup}"]

    # what the model says

    @property
    def in_transaction(self):
        return self.outside is not None

    @property
    def holds(self):
        """It keeps a server, or may."""
        now = self.now
        return self.in_transaction or bool(self.locks or now.tables or now.cursors or now.channels)

    def effective(self):
        return {**self.now.settings, **self.now.local}

    # one step

    def run(self, sql, fails=None):
        """Runs it and returns the rows; an error must be the expected one, in SQLSTATE."""
        self.steps.append(sql)
        frames = self.wire.query(sql)
        errors = [frame.fields() for frame in frames if frame.kind == "E"]
        codes = [error["C"] for error in errors]
        if codes != ([fails] if fails else []):
            raise Wrong(f"{sql}: {errors}")
        status = frames[-1].body.decode()
        if fails and self.in_transaction:
            self.failed = True
        expected = "I" if not self.in_transaction else "E" if self.failed else "T"
        if status != expected:
            raise Wrong(f"{sql}: transaction status {status}, expected {expected}")
        return [frame.values() for frame in frames if frame.kind == "D"]

    def step(self, may_hold):
        """A random operation and the check. may_hold: there is a server to keep, should it need one."""
        if self.failed:
            self.end(self.numbers.choice(["rollback", "commit", "rollback to s"]))
        else:
            names = list(OPERATIONS) if may_hold or self.holds else FREE
            OPERATIONS[self.numbers.choice(names)](self)
        if not self.failed:
            self.check()

    def end(self, how):
        """Ends the transaction, or goes back to its last savepoint."""
        if how == "rollback to s" and not self.savepoints:
            how = "rollback"
        back = how != "commit" or self.failed
        self.failed = False
        if how == "rollback to s":
            gone = self.now
            self.now = copy.deepcopy(self.savepoints[-1])
            self.forget_closed(gone)
            self.run("rollback to s")
            return
        if back:
            gone, self.now = self.now, self.outside
            self.forget_closed(gone)
        self.savepoints, self.outside = [], None
        self.now.local = {}
        self.now.channels = set(self.now.wanted)
        self.run(how)

    def forget_closed(self, gone):
        """CLOSE is not rolled back."""
        mine, others = self.now.cursors, gone.cursors
        self.now.cursors = {name: number for name, number in mine.items() if others.get(name) == number}

    # the check

    def check(self):
        tables, known = sorted(self.now.tables), sorted(self.values)
        custom = [f"current_setting('{name}', true)" for name in CUSTOM]
        rows = [f"(select count(*) from pg_temp.{name})" for name in tables]
        sequences = [f"currval('{self.schema(name)}')" for name in known]
        if self.last is not None:
            sequences.append("lastval()")
        look = LOOK.format(custom=",".join(custom), rows=",".join(rows), sequences=",".join(sequences))
        seen = json.loads(self.run(look)[0][0])
        self.steps.pop()
        expected = {
            "settings": {k: SHOW.get(v, v) for k, v in self.effective().items() if k not in CUSTOM} or None,
            "custom": [self.now.custom.get(name) for name in CUSTOM],
            "user": self.other_role if self.now.role else self.role.name,
            "statements": self.statements or None,
            "tables": tables or None,
            "rows": [self.now.tables[name] for name in tables],
            "locks": {str(key): 1 for key in self.locks} or None,
            "cursors": sorted(self.now.cursors) or None,
            "channels": sorted(self.now.channels) or None,
            "sequences": [self.values[name] for name in known] + ([] if self.last is None else [self.last]),
        }
        # after the end of a first SET PostgreSQL leaves an empty value
        seen["custom"] = [value or None for value in seen["custom"]]
        if seen != expected:
            different = {key: (expected[key], seen[key]) for key in seen if seen[key] != expected[key]}
            raise Wrong(f"expected, seen: {different}")
        self.check_absent()

    def check_absent(self):
        """What it has not done itself fails, as in a new session."""
        if self.in_transaction:
            return
        chance = self.numbers.random()
        if chance < 0.1 and self.last is None:
            self.run("select lastval()", fails="55000")
        elif chance < 0.2:
            for name in self.sequences:
                if name not in self.values:
                    self.run(f"select currval('{self.schema(name)}')", fails="55000")
        elif chance < 0.3:
            for name in STATEMENTS:
                if name not in self.statements:
                    self.run(f"execute {name}", fails="26000")
        elif chance < 0.4 and "application_name" not in self.effective():
            if self.run("show application_name") != [[self.startup.get("application_name", "")]]:
                raise Wrong("application_name of the startup packet")

    def schema(self, name):
        return f"{self.role.name}.{name}"


# Operations. Each changes the session and its model.

STATEMENTS = ["p", "q", "r"]
TABLES = ["t", "u"]
CURSORS = ["c", "d"]


def change_setting(session):
    name = session.numbers.choice(list(SETTINGS))
    value = session.numbers.choice(SETTINGS[name])
    local = session.in_transaction and session.numbers.random() < 0.4
    word = "local " if local else ""
    written = value if "," in value or value.startswith('"') else f"'{value}'"
    session.run(f"set {word}{name} = {written}")
    (session.now.local if local else session.now.settings)[name] = value
    if not local:
        session.now.local.pop(name, None)


def reset_setting(session):
    """Not in a transaction: a SET LOCAL after it leaves the source "session" behind."""
    if session.in_transaction:
        return
    name = session.numbers.choice(list(SETTINGS))
    session.run(f"reset {name}")
    session.now.settings.pop(name, None)
    session.now.local.pop(name, None)


def reset_all(session):
    if session.in_transaction:
        return
    session.run("reset all")
    session.now.settings, session.now.local, session.now.custom = {}, {}, {}


def change_custom(session):
    name = session.numbers.choice(CUSTOM)
    value = f"{session.me}-{session.numbers.randrange(1000)}"
    session.run(f"select set_config('{name}', '{value}', false)")
    session.now.custom[name] = value


def change_role(session):
    """Not while there are tables: the other role has no right to them."""
    if session.now.tables:
        return
    if session.now.role:
        session.run("reset role")
        session.now.role = None
    else:
        session.run(f"set role {session.other_role}")
        session.now.role = session.other_role


def use_statement(session):
    name = session.numbers.choice(STATEMENTS)
    if name not in session.statements:
        text = f"prepare {name} as select 'client {session.me}, {session.numbers.randrange(1000)}'"
        session.run(text)
        session.statements[name] = text
    elif session.numbers.random() < 0.6:
        seen = session.run(f"execute {name}")
        if seen != [[session.statements[name].split("'")[1]]]:
            raise Wrong(f"statement {name}: {seen}")
    elif session.numbers.random() < 0.3:
        session.run("deallocate all")
        session.statements = {}
    else:
        session.run(f"deallocate {name}")
        del session.statements[name]


def take_value(session):
    name = session.numbers.choice(session.sequences)
    value = int(session.run(f"select nextval('{session.schema(name)}')")[0][0])
    session.values[name] = session.last = value


def discard_sequences(session):
    session.run("discard sequences")
    session.values, session.last = {}, None


def use_table(session):
    name = session.numbers.choice(TABLES)
    if session.now.role:
        return
    if name not in session.now.tables:
        session.run(f"create temp table {name}(x int)")
        session.now.tables[name] = 0
    elif session.numbers.random() < 0.6:
        session.run(f"insert into pg_temp.{name} values (1), (2)")
        session.now.tables[name] += 2
    else:
        session.run(f"drop table pg_temp.{name}")
        del session.now.tables[name]


def use_lock(session):
    key = session.me * 10 + session.numbers.randrange(3)
    if key in session.locks and session.numbers.random() < 0.7:
        session.run(f"select pg_advisory_unlock({key})")
        session.locks[key] -= 1
        session.locks = {key: count for key, count in session.locks.items() if count}
    elif session.locks and session.numbers.random() < 0.3:
        session.run("select pg_advisory_unlock_all()")
        session.locks = {}
    else:
        session.run(f"select pg_advisory_lock({key})")
        session.locks[key] = session.locks.get(key, 0) + 1


def use_cursor(session):
    name = session.numbers.choice(CURSORS)
    if name not in session.now.cursors:
        rows = f"select {session.me} from generate_series(1, 50)"
        session.run(f"declare {name} scroll cursor with hold for {rows}")
        session.now.cursors[name] = session.numbers.random()
    elif session.numbers.random() < 0.5:
        if session.run(f"fetch first from {name}") != [[str(session.me)]]:
            raise Wrong(f"cursor {name}")
    else:
        session.run(f"close {name}")
        del session.now.cursors[name]


def use_channel(session):
    name = f"channel_{session.numbers.randrange(2)}"
    if name in session.now.wanted:
        session.run(f"unlisten {name}")
        session.now.wanted.discard(name)
    else:
        session.run(f"listen {name}")
        session.now.wanted.add(name)
    if not session.in_transaction:
        session.now.channels = set(session.now.wanted)


def use_transaction(session):
    if not session.in_transaction:
        session.outside = copy.deepcopy(session.now)
        session.run("begin")
    elif session.numbers.random() < 0.4:
        session.run("savepoint s")
        session.savepoints.append(copy.deepcopy(session.now))
    else:
        session.end(session.numbers.choice(["commit", "commit", "rollback", "rollback to s"]))


def fail(session):
    session.run("select 1/0", fails="22012")


def discard(session):
    if session.in_transaction:
        return
    session.run("discard all")
    session.now = Transactional()
    session.statements, session.values, session.last, session.locks = {}, {}, None, {}


def leave(session):
    session.start()


OPERATIONS = {
    "setting": change_setting, "setting again": change_setting, "reset": reset_setting,
    "reset all": reset_all,
    "custom": change_custom, "role": change_role, "statement": use_statement,
    "statement again": use_statement,
    "sequence": take_value, "discard sequences": discard_sequences, "table": use_table, "lock": use_lock,
    "cursor": use_cursor, "channel": use_channel, "transaction": use_transaction,
    "and again": use_transaction,
    "fail": fail, "discard": discard, "leave": leave,
}
# Those that need a server for their own time only.
FREE = ["setting", "reset", "reset all", "custom", "role", "statement", "sequence", "discard sequences",
        "fail",
        "discard", "leave"]
