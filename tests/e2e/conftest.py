"""Fixtures: a private PostgreSQL, databases in it, relays on them."""

import shutil
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.arvados import ArvadosDatabase
from support.certificate import Certificate
from support.institute import Institute
from support.paths import OUTPUT, POSTGRES_BIN, RELAY, SCHEMA
from support.postgres import Postgres
from support.relay import Relay, migrate_up

RelayMaker = Callable[..., Relay]
_names = (f"e2e{number}" for number in itertools.count(1))


def pytest_sessionstart() -> None:
    for needed, hint in ((RELAY, "build it, or set WALCAST_BIN"), (POSTGRES_BIN / "postgres", "set WALCAST_PG_BIN"),
                         (SCHEMA, "it is part of the repository")):
        if not needed.exists():
            pytest.exit(f"{needed} is missing: {hint}", returncode=2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Drops the combinations that `only_source` rules out, so that they do not count as skipped."""
    def wanted(item: pytest.Item) -> bool:
        marker = item.get_closest_marker("only_source")
        parameters = getattr(item, "callspec", None)
        return marker is None or parameters is None or parameters.params.get("source") in (None, *marker.args)

    items[:] = [item for item in items if wanted(item)]


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[Postgres]:
    """A stopped cluster with Arvados' tables in the database `arvados`, to be copied."""
    cluster = Postgres("template")
    cluster.start()
    cluster.execute("create database arvados")
    cluster.load("arvados", SCHEMA)
    cluster.stop()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def postgres(postgres_template: Postgres) -> Iterator[Postgres]:
    """The cluster of most tests: nobody stops it."""
    cluster = Postgres("postgres", postgres_template)
    cluster.start()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def directory() -> Path:
    """Where configuration files and logs go; they are kept for a look afterwards."""
    path = OUTPUT / "relays"
    path.mkdir(parents=True, exist_ok=True)
    for old in path.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    return path


@pytest.fixture(scope="session")
def certificate(directory: Path) -> Certificate:
    return Certificate(directory)


@pytest.fixture(scope="module", params=["slot", "listener"])
def source(request: pytest.FixtureRequest) -> str:
    """Every test that asks for a relay runs with each source."""
    return str(request.param)


def make_database(cluster: Postgres) -> ArvadosDatabase:
    """A new database with Arvados' tables and nothing in them."""
    name = next(_names)
    cluster.execute(f"create database {name} template arvados")
    return ArvadosDatabase(cluster, name)


def drop_database(database: ArvadosDatabase) -> None:
    database.connection.close()
    database.postgres.drop(database.name)


@pytest.fixture(scope="module")
def shared_database(postgres: Postgres, source: str) -> Iterator[ArvadosDatabase]:
    database = make_database(postgres)
    yield database
    drop_database(database)


@pytest.fixture(scope="module")
def shared_relay(shared_database: ArvadosDatabase, source: str, directory: Path) -> Iterator[Relay]:
    """A migrated database and a relay on it, shared by the tests of a module that do it no harm."""
    relay = Relay(directory, shared_database, source)
    migrate_up(relay)
    relay.start()
    yield relay
    relay.close()


@pytest.fixture(scope="module")
def institute(shared_relay: Relay) -> Iterator[Institute]:
    """Users, projects and permissions in the database of `shared_relay`."""
    institute = Institute(shared_relay.database)
    yield institute
    institute.close()


@pytest.fixture
def database(postgres: Postgres) -> Iterator[ArvadosDatabase]:
    """A database for one test, with Arvados' tables and without our migrations."""
    database = make_database(postgres)
    yield database
    drop_database(database)


@pytest.fixture
def make_relay(directory: Path, database: ArvadosDatabase) -> Iterator[RelayMaker]:
    """Makes relays (not yet started) that end with the test: make_relay(database, source, **more).

    It asks for `database` so that relays end before the database goes, in whatever order a test names the two.
    """
    relays: list[Relay] = []

    def make(database: ArvadosDatabase, source: str, migrated: bool = True, **more: object) -> Relay:
        relay = Relay(directory, database, source, **more)  # type: ignore[arg-type]
        relays.append(relay)
        if migrated:
            migrate_up(relay)
        return relay

    yield make
    for relay in relays:
        relay.close()


@pytest.fixture
def relay(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> Relay:
    """A running relay for one test, which may do with it as it likes."""
    return make_relay(database, source).start()


@pytest.fixture
def own_postgres(postgres_template: Postgres) -> Iterator[Postgres]:
    """A cluster for one test, which may stop, kill and configure it as it likes."""
    cluster = Postgres(next(_names), postgres_template)
    cluster.start()
    yield cluster
    cluster.remove()


@pytest.fixture
def own_database(own_postgres: Postgres) -> ArvadosDatabase:
    """The database with Arvados' tables in that cluster."""
    return ArvadosDatabase(own_postgres, "arvados")
