"""
Stories of a backend's caches: one client has something made there, then another one uses it.
Each is told directly and through a pool of one server, and says itself what is right.
"""

from typing import NamedTuple

from constants import PID
from wire import SYNC, bind, execute, parse, query

SCHEMAS = "create schema one; create schema two; grant all on schema one, two, public to public"
TIMES = 7       # beyond the five custom plans before a generic one
WAYS = ["sql", "protocol"]


class Story(NamedTuple):
    """
    before: by a superuser, in a database of the story's own. steps: (client, SQL or messages,
    answer), clients from 1; without an answer any will do that is no error. Text may hold
    {first} and {second}, the clients' roles, and {owner}, a third one.
    """

    before: list
    steps: list


def answer(wire, step):
    """The first value of the last row, None without rows; of an error its code."""
    wire.send(query(step) if isinstance(step, str) else step + SYNC)
    value = None
    for frame in wire.until_ready():
        if frame.kind == "E":
            return f"error {frame.fields()['C']}"
        if frame.kind == "D":
            value = frame.values()[0]
    return value


def server_of_all(place, wires):
    """The only server's process id; directly each client has its own."""
    pids = {wire.value(PID) for wire in wires}
    assert place.name == "direct" or len(pids) == 1
    return pids.pop()


def stage(place, before, roles, clients=2):
    """Makes what a story needs; returns its clients."""
    cluster, dbname = place.cluster, place.new_database()
    words = {"{first}": roles[0].name, "{second}": roles[-1].name, "{owner}": place.new_role().name}
    for statement in [SCHEMAS, *before]:
        cluster.sql(fill(statement, words), dbname=dbname)
    cluster.connections.pop(dbname).close()
    wires = [place.wire(roles[number % len(roles)], dbname=dbname) for number in range(clients)]
    server_of_all(place, wires)
    return wires, words


def fill(text, words):
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def tell(place, story, roles):
    wires, words = stage(place, story.before, roles)
    for number, (who, what, *expected) in enumerate(story.steps):
        seen = answer(wires[who - 1], fill(what, words) if isinstance(what, str) else what)
        said = f"step {number}, client {who}: {what!r}: {seen}"
        if expected:
            assert seen == expected[0], said
        else:
            assert not str(seen).startswith("error"), said


def prepare(way, sql):
    """A step that prepares."""
    return {"sql": f"prepare p as {sql}", "protocol": parse(sql, "s"), "unnamed": parse(sql)}[way]


def run(way):
    return {"sql": "execute p", "protocol": bind(name="s") + execute(), "unnamed": bind() + execute()}[way]


def prepared(way, sql, first, second):
    """Both clients, after a setting each, prepare the same. first, second: setting, answer."""
    steps = [(who, setting) for who, (setting, _) in ((1, first), (2, second))]
    for who, (_, value) in ((1, first), (2, second)):
        steps += [(who, prepare(way, sql))] + [(who, run(way), value)] * TIMES
    return steps + [(1, run(way), first[1]), (2, run(way), second[1])] * 2


def called(sql, first, second):
    """The clients call something in turns, after a setting each. first, second: setting, answer."""
    steps = [(1, first[0]), (2, second[0])]
    for _ in range(2):
        for who, (_, value) in ((1, first), (2, second)):
            steps += [(who, sql, value)] * TIMES
    return steps


def plpgsql(name, body, declare="", options="", returns="text"):
    """A function's definition."""
    return (f"create function {name} returns {returns} language plpgsql {options} as "
            f"$function$ declare {declare} begin {body} end $function$")
