"""Visitors of the wire oracle: short logins of roles that an administrator changes between them."""

from session_model import Wrong
from wire import TERMINATE, Closed, Refused, Wire, query

LIBRARY, ITS_SETTING = "plpgsql", "plpgsql.variable_conflict"


class Visitors:
    """Two roles and what is true of them. changes: whether the administrator changes anything."""

    def __init__(self, world, numbers, trace, changes):
        self.world, self.numbers, self.trace, self.changes = world, numbers, trace, changes
        self.roles = world.changing
        self.facts = {role: {"superuser": False, "preloads": False, "work_mem": "4MB", "login": True}
                      for role in self.roles}
        self.oids = {role: self.admin(f"select '{role.name}'::regrole::oid")[0][0] for role in self.roles}
        self.steps = []
        self.checks = 0

    def admin(self, sql):
        return self.world.place.cluster.sql(sql)

    def note(self, text):
        self.steps.append(text)
        self.trace.append(f"visitor: {text}")
        del self.steps[:-40]

    def step(self):
        if self.changes and self.numbers.random() < 0.5:
            self.change()
        self.visit(self.numbers.choice(self.roles))

    # the administrator

    def change(self):
        role = self.numbers.choice(self.roles)
        facts = self.facts[role]
        what = self.numbers.choice(
            ["superuser", "superuser", "rename", "swap", "preloads", "work_mem", "login"])
        if what == "rename":
            return self.rename(role, f"{role.name.split('_v')[0]}_v{self.numbers.randrange(10 ** 6)}")
        if what == "swap":
            return self.swap()
        if what == "work_mem":
            facts[what] = f"{self.numbers.randint(2, 64)}MB"
            sql = f"set work_mem = '{facts[what]}'"
        else:
            facts[what] = yes = not facts[what]
            sql = {"superuser": "superuser" if yes else "nosuperuser", "login": "login" if yes else "nologin",
                   "preloads": f"set session_preload_libraries = '{LIBRARY}'" if yes
                   else "reset session_preload_libraries"}[what]
        self.note(f"alter role {role.name} {sql}")
        self.admin(f"alter role {role.name} {sql}")

    def rename(self, role, name):
        self.note(f"alter role {role.name} rename to {name}")
        self.admin(f"alter role {role.name} rename to {name}")
        role.name = name

    def swap(self):
        """Each has the other's former name."""
        first, second = self.roles
        one, two = first.name, second.name
        self.rename(first, "between")
        self.rename(second, one)
        self.rename(first, two)

    # a visit

    def visit(self, role):
        self.note(f"login as {role.name}, {self.facts[role]}")
        wire = Wire(self.world.place.address())
        try:
            wire.login(role.name, role.password, self.world.database)
        except Refused as refused:
            if self.facts[role]["login"] or refused.fields["C"] != "28000":
                raise Wrong(f"refused: {refused.fields}") from refused
            self.checks += 1
            return
        finally:
            if not wire.key:
                wire.close()
        try:
            self.look(wire, role)
        except Closed as closed:
            raise Wrong(f"closed: {closed}") from closed
        if self.numbers.random() < 0.7:
            wire.send(TERMINATE)
        wire.close()

    def look(self, wire, role):
        facts = self.facts[role]
        told = "on" if facts["superuser"] else "off"
        if not facts["login"]:
            raise Wrong(f"{role.name} may not log in")
        self.same("parameters", [wire.parameters["session_authorization"], wire.parameters["is_superuser"]],
                  [role.name, told])
        seen = self.rows(wire, "select session_user, current_user, current_setting('session_authorization'), "
                               "(select usename from pg_stat_activity where pid = pg_backend_pid()), "
                               "session_user::regrole::oid, current_setting('work_mem')")
        self.same("login", seen, [[*[role.name] * 4, str(self.oids[role]), facts["work_mem"]]])
        self.same("is_superuser", self.rows(wire, "show is_superuser"), [[told]])
        if facts["preloads"]:
            seen = self.rows(wire, f"select count(*) from pg_settings where name = '{ITS_SETTING}'")
            self.same("settings of the preloaded library", seen, [["1"]])
        refused = "" if facts["superuser"] else "42501"
        other = self.numbers.choice(self.world.logins).name
        for sql in (f"set session authorization {other}", "select rolpassword from pg_authid limit 0"):
            self.same(sql, self.code(wire, sql), refused)
            self.code(wire, "reset session authorization")
        self.same("set session authorization to itself",
                  self.code(wire, f"set session authorization {role.name}"), "")

    def same(self, what, seen, expected):
        self.checks += 1
        if seen != expected:
            raise Wrong(f"{what}: expected {expected}, seen {seen}")

    def rows(self, wire, sql):
        frames = wire.query(sql)
        errors = [frame.fields() for frame in frames if frame.kind == "E"]
        if errors:
            raise Wrong(f"{sql}: {errors}")
        return [frame.values() for frame in frames if frame.kind == "D"]

    def code(self, wire, sql):
        """SQLSTATE of its error, or none."""
        codes = [frame.fields()["C"] for frame in wire.send(query(sql)).until_ready() if frame.kind == "E"]
        return codes[0] if codes else ""
