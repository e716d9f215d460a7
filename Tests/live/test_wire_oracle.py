"""
Clients that send all that a client can send, in and out of place, and die in all ways, on few servers. Each
checks now and then who and what it is, against what a direct session sees in the same place.

CARPOOL_ORACLE_SECONDS   how long each test looks
CARPOOL_ORACLE_CHECKS    instead: how many checks each test makes
CARPOOL_ORACLE_SEED      where to begin
CARPOOL_ORACLE_ONLY      which groups of operations take part beside the plain ones: none, or letters (ABC)
CARPOOL_ORACLE_PLACE     direct: PostgreSQL itself, to see that the oracle expects what is right

The groups are about faults that Carpool has had, so that each can be looked for alone:

A   messages that PostgreSQL gives no ReadyForQuery for: Flush and stray messages of COPY, where no pipeline
    or COPY ends them; data that streams on behind a COPY's error or cancel; deaths in a COPY
B   roles that are renamed, made superusers or changed otherwise between two logins
C   what a backend keeps of functions, plans and domains, made under a client's settings or role
D   not by default, as Carpool keeps the server then until the client leaves: a Sync before the data of a COPY
    that fails, or is one of a pipeline
"""

import os
import random
import time

import pytest

from cluster import debian_rules
from constants import ORACLE_SECONDS, ORACLE_SEED
from database_host import DirectHost
from session_model import Wrong
from wire import Closed, Refused
from wire_model import Client
from wire_visitors import Visitors
from wire_world import World

CHECKS = int(os.environ.get("CARPOOL_ORACLE_CHECKS", 0))
GROUPS = os.environ.get("CARPOOL_ORACLE_ONLY", "ABC").replace("none", "")
DIRECT = os.environ.get("CARPOOL_ORACLE_PLACE") == "direct"
STEPS = 20000       # of a story
CLIENTS, HOLDERS = 12, 2      # so many of a pool may keep a server at a time
SLOWEST = 100       # checks a second, for the deadline


@pytest.fixture
def pooled(database, rules):
    """Debian's rules hold, and the owner may come from anywhere."""
    rules("host all postgres 127.0.0.1/32 trust\n" + debian_rules(database.cluster.environment.server_user))
    return database


class Story:
    """The clients of one seed, and their turns: one step at a time, so that a seed tells the same again."""

    def __init__(self, place, seed, shared):
        self.seed, self.trace = seed, []
        self.world = World(place, seed, shared, GROUPS)
        self.clients = [Client(self.world, me, random.Random(seed * 100 + me), self.trace)
                        for me in range(1, CLIENTS + 1)]
        self.visitors = Visitors(self.world, random.Random(seed * 100), self.trace, changes="B" in GROUPS)
        self.turns = random.Random(seed)
        self.steps = 0

    @property
    def checks(self):
        return self.visitors.checks + sum(client.checks for client in self.clients)

    def turn(self):
        self.steps += 1
        actor = self.visitors
        try:
            if self.turns.random() < (0.02 if "B" in GROUPS else 0.003):
                return self.visitors.step()
            actor = self.turns.choice(self.clients)
            actor.step(self.may_hold(actor))
        except (Wrong, Refused, Closed, OSError) as error:
            raise AssertionError(self.told(actor, error)) from error

    def may_hold(self, actor):
        """Some servers of a pool are left to those that keep none."""
        held = sum(other.holds for other in self.clients if other is not actor and other.pool == actor.pool)
        return held < HOLDERS

    def told(self, actor, error):
        parts = {
            "its last steps": [step[:400] for step in actor.steps[-25:]],
            "the last steps of all": [step[:120] for step in self.trace[-25:]],
            "all clients": [client.state for client in self.clients],
            "all backends": self.world.backends(),
        }
        lines = [f"{title}:\n" + "".join(f"  {line}\n" for line in part) for title, part in parts.items()]
        name = f"client {actor.me}" if actor is not self.visitors else "visitor"
        return (f"seed {self.seed}, step {self.steps}, check {self.checks + 1}, {name}: "
                f"{error or repr(error)}\n{''.join(lines)}")

    def end(self):
        for client in self.clients:
            client.close()
        self.world.end()


@pytest.mark.deadline(120 + 3 * ORACLE_SECONDS + CHECKS / SLOWEST)
@pytest.mark.parametrize("rotate", ["off", "on"], ids=["sticky", "rotating"])
@pytest.mark.parametrize("share", ["off", "on"], ids=["own-pools", "shared"])
def test_each_client_is_itself_whatever_is_sent(pooled, share, rotate):
    # one server to go round, or two where nobody gets the one that it had last
    servers = HOLDERS + (2 if rotate == "on" else 1)
    pooled.configure(pool_mode="transaction", default_pool_size=servers, share_roles=share,
                     test_rotate_servers=rotate)
    place = DirectHost(pooled.cluster) if DIRECT else pooled
    seed, steps, checks, spent = ORACLE_SEED, 0, 0, 0.0

    def goes_on():
        return checks < CHECKS if CHECKS else spent < ORACLE_SECONDS

    while goes_on():
        print("seed", seed)
        story = Story(place, seed, share == "on")
        while story.steps < STEPS and goes_on():
            begin, before = time.monotonic(), story.checks
            story.turn()
            spent, checks = spent + time.monotonic() - begin, checks + story.checks - before
        steps, seed = steps + story.steps, seed + 1
        story.end()
    print(f"{steps} steps, {checks} checks, {checks / spent:.0f} a second")
