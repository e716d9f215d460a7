"""A new login gets what its settings come to by the rights and catalogs of now, whatever an earlier one got."""

import pytest

from wire import Refused, error_of, query

WHO = "select current_user, session_user, current_setting('is_superuser')"


@pytest.fixture
def group(place):
    """A role to be SET, dropped after the test."""
    role = place.new_role()
    place.cluster.sql(f"alter role {role.name} nologin")
    return role.name


def refusal(place, role, **startup):
    """SQLSTATE of a login, or of its first statement; None where both are fine."""
    try:
        wire = place.wire(role, **startup)
    except Refused as refused:
        return refused.fields["C"]
    frames = wire.send(query("select 1")).frames_until("E", "Z")
    return error_of(frames)["C"] if frames[-1].kind == "E" else None


def test_a_membership_that_is_revoked(place, group):
    role = place.new_role()
    sql = place.cluster.sql
    sql(f"grant {group} to {role.name}")
    sql(f"alter role {role.name} set role = '{group}'")
    old = place.wire(role)
    assert old.rows(WHO) == [[group, role.name, "off"]]
    sql(f"revoke {group} from {role.name}")
    for _ in range(4):
        assert place.wire(role).rows(WHO) == [[role.name, role.name, "off"]]
    sql(f"grant {group} to {role.name}")
    for _ in range(4):
        assert place.wire(role).rows(WHO) == [[group, role.name, "off"]]


def test_a_role_to_be_set_that_becomes_a_superuser(place, group):
    role = place.new_role()
    sql = place.cluster.sql
    sql(f"grant {group} to {role.name}")
    sql(f"alter role {role.name} set role = '{group}'")
    for option, word in [("nosuperuser", "off"), ("superuser", "on"), ("nosuperuser", "off")]:
        sql(f"alter role {group} {option}")
        for _ in range(3):
            wire = place.wire(role)
            assert wire.parameters["is_superuser"] == word
            assert wire.rows(WHO) == [[group, role.name, word]]


REVOKED = {
    "role": ("role={group}", "grant {group} to {role}", "revoke {group} from {role}", "42501"),
    "parameter": ("log_statement_stats=on", "grant set on parameter log_statement_stats to {role}",
                  "revoke set on parameter log_statement_stats from {role}", "42501"),
}


@pytest.mark.parametrize("name", REVOKED)
def test_a_startup_parameter_that_is_allowed_no_more(place, group, name):
    role = place.new_role()
    option, allow, forbid, code = (text.format(group=group, role=role.name) for text in REVOKED[name])
    place.cluster.sql(allow)
    old = place.wire(role, options=f"-c {option}")
    old.query("select 1")
    assert refusal(place, role, options=f"-c {option}") is None
    place.cluster.sql(forbid)
    for _ in range(3):
        assert refusal(place, role, options=f"-c {option}") == code
    assert refusal(place, role) is None


STYLES = {
    "database": ("alter database {database} set datestyle = 'SQL, DMY'", "alter database {database} reset datestyle"),
    "role": ("alter role {role} set datestyle = 'German'", "alter role {role} reset datestyle"),
}


@pytest.mark.parametrize("startup", [{"DateStyle": "ISO"}, {"options": "-c datestyle=ISO"}, {}], ids=str)
@pytest.mark.parametrize("name", STYLES)
def test_half_a_date_style(places, name, startup):
    """What a startup parameter leaves open comes from below the settings of database and role."""
    direct, pooled = places
    seen = []
    for place in (direct, pooled):
        role = place.new_role()
        before, after = (text.format(role=role.name, database=place.database) for text in STYLES[name])
        place.cluster.sql(before)
        try:
            for _ in range(2):
                wire = place.wire(role, **startup)
                seen.append((wire.parameters["DateStyle"], wire.value("select '01-02-2020'::date - '2020-01-01'"),
                             wire.rows("reset datestyle; show datestyle")))
        finally:
            place.cluster.sql(after)
    assert seen[0] == seen[1] == seen[2] == seen[3]
