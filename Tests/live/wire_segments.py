"""What a client of the wire oracle sends, up to a ReadyForQuery, and what it has to be answered."""

import time
from dataclasses import dataclass

from wire import (COPY_DONE, FLUSH, SYNC, bind, close, copy_data, copy_fail, describe, execute, function_call,
                  parse, query)
from wire_world import LITERALS, SAME, SAME_TEXT, SETTINGS, adopt

CURRENT_SETTING = 2077      # the function's OID
LOOKS_AT_ONCE = 6


@dataclass
class Segment:
    """
    rows: None for any; codes: SQLSTATEs of which one has to come, "" for none; status: letters; since: the
    row is a time from then to now.
    """

    note: str
    data: bytes
    rows: list | None = None
    codes: tuple = ("",)
    status: str = "I"
    checks: int = 0
    column: str | None = None
    readies: int = 1
    copies: bool = False
    since: float | None = None


def segment(client, note, data, code="", **more):
    """An error leaves a transaction aborted; a simple query drops the unnamed statement."""
    if data[:1] == b"Q":
        client.unnamed = None
    if code and client.status == "T":
        client.status = "E"
    return Segment(f"{note} ({letters(data)})", data, codes=(code,), status=client.status, **more)


def letters(data):
    """The types of the messages."""
    found, at = "", 0
    while at < len(data):
        found += chr(data[at])
        at += 1 + int.from_bytes(data[at + 1:at + 5], "big")
    return found


def some_looks(client, most=LOOKS_AT_ONCE):
    """Expressions, and the values that they have for this client now."""
    looks = client.environment.looks
    names = client.numbers.sample(list(looks), client.numbers.randint(1, most))
    if client.numbers.random() < 0.6 and "id" not in names:
        names[0] = "id"
    return names, ", ".join(looks[name] for name in names), [client.expected(name) for name in names]


def spoiled(client, *messages):
    """The messages of a pipeline with some between them that are allowed there, and change nothing."""
    parts = []
    for part in messages:
        parts.append(part)
        chance = client.numbers.random()
        if chance < 0.2:
            parts.append(FLUSH)
        elif chance < 0.23:
            parts.append(client.numbers.choice([copy_data(b"1\n"), COPY_DONE, copy_fail("stray")]))
    return b"".join(parts) + SYNC


# looks, each by another way


def look_query(client):
    names, sql, values = some_looks(client)
    return [segment(client, f"query {names}", query("select " + sql), rows=[values], checks=len(values))]


def look_literals(client):
    names = client.numbers.sample(list(LITERALS), LOOKS_AT_ONCE)
    values = [client.named(client.environment.literals[name]) for name in names]
    sql = "select " + ", ".join(LITERALS[name] for name in names)
    return [segment(client, f"literals {names}", query(sql), rows=[values], checks=len(values))]


def look_extended(client):
    names, sql, values = some_looks(client)
    client.unnamed = None
    data = spoiled(client, parse("select " + sql), bind(), describe(), execute())
    return [segment(client, f"extended {names}", data, rows=[values], checks=len(values))]


def look_copy(client):
    names, sql, values = some_looks(client)
    return [segment(client, f"copy out {names}", query(f"copy (select {sql}) to stdout"), rows=[values],
                    checks=len(values), copies=True)]


def look_cursor(client):
    if client.status != "T":
        return []
    names, sql, values = some_looks(client)
    return [segment(client, f"cursor {names}", query(f"declare c cursor for select {sql}")),
            segment(client, "fetch, close", query("fetch c; close c"), rows=[values], checks=len(values))]


def look_call(client):
    name = client.numbers.choice(["my.id", "application_name", *SETTINGS])
    value = client.expected("id" if name == "my.id" else name)
    return [segment(client, f"function call {name}", function_call(CURRENT_SETTING, name), rows=[[value]],
                    checks=1)]


def look_two(client):
    """Several statements in one query, and a value that changes."""
    if client.status == "I" and client.numbers.random() < 0.3:
        client.two = str(client.numbers.randrange(10 ** 6))
        return [segment(client, "set my.two", query(f"set my.two = '{client.two}'"))]
    names, sql, values = some_looks(client, 3)
    return [segment(client, f"two queries {names}", query(f"select current_setting('my.two'); select {sql}"),
                    rows=[[client.two], values], checks=1 + len(values))]


# prepared statements


def use_me(client):
    rows = [[client.me_text, client.expected("id"), client.expected("current_user")]]
    return [segment(client, "execute me", query("execute me"), rows=rows, checks=3)]


def use_w(client):
    value = str(client.numbers.randrange(1000))
    rows = [[client.w_text, value, client.expected("id"), str(n)] for n in (1, 2, 3)]
    which = client.numbers.choice([describe(), describe("S", "w")])
    data = spoiled(client, bind([value], name="w"), which, execute())
    if client.may_hold and client.numbers.random() < 0.05:
        client.pinned = True
        data = bind([value], name="w") + which + execute() + query("")
        client.unnamed = None
    return [segment(client, "bind w", data, rows=rows, checks=3, column=client.w_column)]


def use_portal(client):
    """A portal that goes on after a Sync."""
    if client.status != "T":
        return []
    rows = [[client.w_text, "x", client.expected("id"), str(n)] for n in (1, 2, 3)]
    first = bind(["x"], portal="p", name="w") + execute("p", 1) + SYNC
    rest = execute("p") + close("P", "p") + SYNC
    return [segment(client, "portal of w", first, rows=rows[:1], checks=2),
            segment(client, "the rest of it", rest, rows=rows[1:], checks=2)]


def see_statements(client):
    rows = [[client.me_sql], [client.w_sql]]
    sql = "select statement from pg_prepared_statements where name in ('me', 'w') order by name"
    return [segment(client, "texts of me, w", query(sql), rows=rows, checks=2)]


def new_me(client):
    gone = segment(client, "deallocate me", query("deallocate me"))
    client.choose_me()
    return [gone, segment(client, client.me_sql, query(client.me_sql))]


def new_w(client):
    client.choose_w()
    return [segment(client, "close, parse w", close("S", "w") + parse(client.w_sql, "w") + SYNC)]


def use_unnamed(client):
    """The unnamed statement is there until another one, or a simple query, comes."""
    if client.unnamed is None:
        text = f"unnamed of {client.identity}, {client.numbers.randrange(10 ** 6)}"
        made = segment(client, "parse unnamed",
                       parse(f"select '{text}', current_setting('my.id')") + SYNC)
        client.unnamed = text
        return [made]
    rows = [[client.unnamed, client.expected("id")]]
    return [segment(client, "bind unnamed", bind() + execute() + SYNC, rows=rows, checks=2)]


def use_same(client):
    """A statement of equal name and text in all clients, in the environment in which it was made."""
    if client.local:
        rows = [[client.named(client.environment.literals[name]) for name in SAME]]
        made = segment(client, "prepare here", query("prepare here as " + SAME_TEXT))
        used = segment(client, "execute, deallocate here", query("execute here; deallocate here"), rows=rows,
                       checks=len(SAME))
        return [made, used]
    rows = [[client.named(client.environment.literals[name]) for name in SAME]]
    if client.numbers.random() < 0.5:
        return [segment(client, "execute same", query("execute same"), rows=rows, checks=len(SAME))]
    data = spoiled(client, bind(name="same2"), execute())
    return [segment(client, "bind same2", data, rows=rows, checks=len(SAME))]


def use_moment(client):
    """'now' is when the client prepared it, not when another one did."""
    if client.moment is None and client.status == "I":
        client.moment = time.time()
        sql = "prepare moment as select extract(epoch from ('{now}'::timestamptz[])[1])"
        return [segment(client, "prepare moment", query(sql))]
    if client.moment is None or client.local:
        return []
    if client.numbers.random() < 0.7:
        return [segment(client, "execute moment", query("execute moment"), since=client.moment, checks=1)]
    client.moment = None
    return [segment(client, "deallocate moment", query("deallocate moment"))]


# transactions


def begin(client):
    if client.status != "I":
        return end(client)
    client.status = "T"
    if client.numbers.random() < 0.5:
        return [segment(client, "begin", query("begin"))]
    client.unnamed = None
    return [segment(client, "begin, extended", parse("begin") + bind() + execute() + SYNC)]


def end(client):
    if client.status == "I":
        return []
    how = client.numbers.choice(["commit", "rollback"])
    client.status, client.local = "I", False
    return [segment(client, how, query(how))]


def set_local(client):
    if client.status != "T" or client.local:
        return []
    client.local = True
    local = client.profile.local
    return [segment(client, f"set local …, role {local.role}",
                    query(adopt(local, client.identity + ".local", local=True)))]


# errors

BAD = [
    ("query of an error", lambda: query("select 1/0"), "22012"),
    ("query with a bad syntax", lambda: query("selec 1"), "42601"),
    ("parse with a bad syntax", lambda: parse("selec 1") + bind() + execute() + SYNC, "42601"),
    ("execute of an error", lambda: parse("select 1/$1::int") + bind(["0"]) + execute() + SYNC, "22012"),
    ("bind of no statement", lambda: bind(name="nobody") + execute() + SYNC, "26000"),
    ("describe of no statement", lambda: describe("S", "nobody") + SYNC, "26000"),
    ("execute of no portal", lambda: execute("nobody") + SYNC, "34000"),
    ("too few values", lambda: bind(name="w") + execute() + SYNC, "08P01"),
    ("call of no function", lambda: function_call(4, "x"), "42883"),
]
BEHIND = [query("select 1"), function_call(CURRENT_SETTING, "my.id"), query("select 1") * 3]


def fail(client):
    note, data, code = client.numbers.choice(BAD)
    client.unnamed = None
    return [segment(client, note, data(), code)]


def fail_on(client):
    """PostgreSQL skips all up to the Sync, and so answers no query. Carpool can't tell how many it will."""
    if not client.may_hold:
        return []
    client.unnamed, client.pinned = None, True
    data = bind(name="nobody") + client.numbers.choice(BEHIND) + SYNC
    return [segment(client, "skipped query", data, "26000")]


def refuse(client):
    """In a transaction that has failed."""
    client.unnamed = None
    data = client.numbers.choice([query("select 1"), parse("select 1") + bind() + execute() + SYNC])
    return [segment(client, "in a failed transaction", data, "25P02")]


def nothing(client):
    choices = [SYNC, query(""), close("S", "nobody") + SYNC]
    data = client.numbers.choice(choices + [FLUSH + SYNC] * ("A" in client.world.groups))
    return [segment(client, "nothing", data, rows=[])]


# COPY FROM STDIN: a trigger checks that rows come in the session of their client


def copy_rows(client, bad=False):
    """CopyData messages; a bad row has no number."""
    rows = [f"{client.expected('id')}\t{n}\n" for n in range(client.numbers.randint(1, 5))]
    if bad:
        rows.append(f"{client.expected('id')}\tbad\n")
    return [copy_data(row.encode()) for row in rows]


def stray(client, most=3):
    """Messages that PostgreSQL takes no notice of, and gives no ReadyForQuery for."""
    choices = [FLUSH, copy_data(b"1\n"), COPY_DONE, copy_fail("stray"), copy_data(b"x" * 3000)]
    return b"".join(client.numbers.choice(choices) for _ in range(client.numbers.randint(1, most)))


def copy_in(client):
    """One that succeeds, is given up, or fails at its last row; group A streams on behind the failure."""
    how = client.numbers.choice(["done", "done", "fail", "bad"])
    start = query("copy public.void from stdin") + b"".join(copy_rows(client, how == "bad"))
    if how == "done":
        return [segment(client, "copy in", start + COPY_DONE, checks=1)]
    if how == "fail":
        return [segment(client, "copy in, CopyFail", start + copy_fail("given up"), "57014", checks=1)]
    if "A" in client.world.groups:
        behind = b"".join(copy_rows(client)) * client.numbers.randrange(3)
        start += behind + client.numbers.choice([b"", COPY_DONE, copy_fail("late")])
    return [segment(client, "copy in with a bad row", start, "22P02", checks=1)]


def copy_in_extended(client):
    """
    A Sync ends it, in any case; one before the data is skipped, libpq sends it. Group D: it does so in a
    pipeline, or the COPY fails. Then Carpool can't tell whether that Sync was skipped, and keeps the server.
    """
    bad = client.numbers.random() < 0.4
    unclear = bad or not client.alone
    may = client.may_hold and "D" in client.world.groups or not unclear
    early = client.numbers.choice([b"", FLUSH, SYNC] if may else [b"", FLUSH])
    client.pinned = client.pinned or unclear and early == SYNC
    start = parse("copy public.void from stdin") + bind() + execute() + early
    data = start + b"".join(copy_rows(client, bad)) + COPY_DONE + SYNC
    client.unnamed = None
    return [segment(client, "copy in, extended" + ", with a bad row" * bad, data, "22P02" * bad, checks=1)]


def stray_messages(client):
    """Group A: behind a look, or alone."""
    ahead = look_query(client) if client.numbers.random() < 0.5 else []
    data = stray(client)
    return ahead + [Segment(f"stray {letters(data)}", data, readies=0)]


LOOKS = {look_query: 10, look_extended: 6, look_copy: 2, look_call: 2, look_two: 3, look_cursor: 2,
         look_literals: 3, use_me: 4, use_w: 5, see_statements: 1, use_unnamed: 2, use_portal: 1}
CHANGES = {new_me: 1, new_w: 1, fail: 2, fail_on: 0.3, nothing: 1, copy_in: 2, copy_in_extended: 1,
           set_local: 3, end: 2}
