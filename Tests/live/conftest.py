"""Fixtures of the live tests: clusters, poolers of both hosts, a deadline for every test."""

import faulthandler
import os
import shutil
import signal

import pytest

from bystander import Check
from cluster import BASE_RULES, Cluster, debian_rules
from database_host import DatabaseHost, DirectHost, database_settings
from environment import make_environment
from launcher_host import LauncherHost
from pooler import Pooler

# CARPOOL_TEST_HOSTS: only these
HOSTS = os.environ.get("CARPOOL_TEST_HOSTS", "database launcher").split()
TRANSPORTS = ["tcp", "unix"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Ends a test that hangs: first by an exception, then, a little later, the whole run."""
    marker = item.get_closest_marker("deadline")
    seconds = marker.args[0] if marker else 60

    def expired(*_):
        faulthandler.dump_traceback()
        raise TimeoutError(f"the test took over {seconds} s")

    signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(seconds + 60, exit=True)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows the end of the logs that a failed test wrote."""
    report = yield
    if report.failed and call.when == "call":
        for value in list(getattr(item, "funcargs", {}).values()):
            if isinstance(value, Pooler) and value.cluster:
                report.sections.append((f"log of the {value.name}", value.log_tail()))
    return report


def lent(host):
    """Lends a host to one test, and cleans it afterwards: for `yield from` in a fixture."""
    yield host
    host.clean()


@pytest.fixture(scope="session")
def environment():
    made = make_environment()
    yield made
    if not os.environ.get("CARPOOL_KEEP_LOGS"):
        shutil.rmtree(made.folder, ignore_errors=True)
    shutil.rmtree(made.sockets, ignore_errors=True)


@pytest.fixture(scope="session")
def template(environment):
    """A cluster that is never started: copied for every other one."""
    return Cluster(environment)


def prepare(cluster):
    """The database that most tests use."""
    cluster.sql("create database app")
    return cluster


def make_database_cluster(environment, template, **carpool):
    """A running cluster with Carpool in it."""
    cluster = Cluster(environment, template)
    cluster.pooler_port = environment.new_port()
    cluster.write_settings(
        database_settings(environment, cluster.socket_folder, cluster.pooler_port, **carpool)
    )
    prepare(cluster.start())
    DatabaseHost(cluster).wait_listens()
    return cluster


@pytest.fixture(scope="session")
def database_cluster(environment, template):
    cluster = make_database_cluster(environment, template)
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def plain_cluster(environment, template):
    """PostgreSQL without Carpool, behind the launcher."""
    cluster = prepare(Cluster(environment, template).start())
    yield cluster
    cluster.remove()


@pytest.fixture
def fresh_cluster(environment, template):
    """Makes clusters with Carpool for tests that shut them down or break them."""
    made = []

    def make(**carpool):
        made.append(make_database_cluster(environment, template, **carpool))
        return made[-1]

    yield make
    for cluster in made:
        cluster.remove()


@pytest.fixture
def database(request):
    """Carpool in the database; this session's cluster."""
    yield from lent(DatabaseHost(request.getfixturevalue("database_cluster")))


@pytest.fixture
def launcher(plain_cluster, environment):
    """A pgpool-launch of this test's own."""
    yield from lent(LauncherHost(plain_cluster, environment))


@pytest.fixture(scope="session")
def rotating_cluster(environment, template):
    """Transaction mode; no client gets the server that it had last."""
    cluster = make_database_cluster(
        environment, template, pool_mode="transaction", default_pool_size=4, test_rotate_servers="on"
    )
    yield cluster
    cluster.remove()


@pytest.fixture
def rotating(rotating_cluster):
    """Carpool in the database, in transaction mode, with the servers rotating."""
    yield from lent(DatabaseHost(rotating_cluster))


@pytest.fixture
def places(rotating):
    """The same cluster, directly and through Carpool: what steps.same_as_direct compares."""
    host = DirectHost(rotating.cluster)
    yield host, rotating
    host.clean()


@pytest.fixture(params=["direct", "pooled"])
def place(request, places):
    """Either of both, for a test that says itself what is right."""
    return places[request.param == "pooled"]


@pytest.fixture(params=HOSTS)
def pooler(request):
    """Carpool in either host."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def check(pooler, transport):
    """A pooler with a client in a transaction, which a bad client must not disturb."""
    return Check(pooler, transport)


@pytest.fixture
def pool_of_one(pooler):
    """A pool of one server in transaction mode, in either host."""
    pooler.configure(pool_mode="transaction", default_pool_size=1)
    return pooler


@pytest.fixture
def pool_of_two(pooler):
    """A pool of two servers in transaction mode, in either host."""
    pooler.configure(pool_mode="transaction", default_pool_size=2)
    return pooler


@pytest.fixture
def rules(database):
    """Puts lines before the others of pg_hba.conf; {role} in them is this test's role."""
    role = database.role()

    def write(text):
        database.cluster.write_rules(text.format(role=role.name, app=database.database) + BASE_RULES)
        database.configure()
        return role

    yield write
    write("")


@pytest.fixture
def debian(database, rules):
    """Debian's rules hold: server logins are the cluster's owner's, by peer."""
    rules(debian_rules(database.cluster.environment.server_user))


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    """How clients reach the pooler."""
    return request.param
