"""Databases that do not suit: another source, or one clear line that says what to do."""

import json
import time

from conftest import RelayMaker
from support.arvados import MANAGEMENT_TOKEN, ArvadosDatabase
from support.http import texts
from support.postgres import Postgres
from support.relay import Relay, migrate_up
from support.wait import until

MANAGER = {"Authorization": f"Bearer {MANAGEMENT_TOKEN}"}


def trouble(relay: Relay, *words: str) -> dict[str, object]:
    """The line at warning or above that has every one of the words in it."""
    def probe() -> dict[str, object] | None:
        for line in relay.log_lines():
            if line["level"] in ("warning", "error") and all(word in json.dumps(line) for word in words):
                return line
        return None

    try:
        return until(f"a warning or an error about {' and '.join(words)}", probe, timeout=15)
    except AssertionError as error:
        raise AssertionError(f"{error}; the log ends:\n{relay.log_tail()}") from None


def assert_listening_because(relay: Relay, word: str) -> None:
    """The source is the listener, the reason is in the log and in /status.json, and events go through."""
    relay.wait_live()
    trouble(relay, "listener", word)
    status = relay.http("/status.json", headers=MANAGER)
    assert "listener" in texts(status.json()), status.body
    assert any(word in text for text in texts(status.json())), f"no reason with {word} in {status.body}"


def test_listener_without_logical_wal(make_relay: RelayMaker, own_database: ArvadosDatabase) -> None:
    """How a stock Arvados site starts: no installer sets wal_level."""
    own_database.configure(wal_level="replica")
    relay = make_relay(own_database, "auto").start(wait=False)
    relay.wait_listening()
    assert_listening_because(relay, "wal_level")


def test_slot_without_logical_wal(make_relay: RelayMaker, own_database: ArvadosDatabase) -> None:
    """The configuration insists on the slot: one clear line, and it keeps trying."""
    own_database.configure(wal_level="replica")
    relay = make_relay(own_database, "slot").start(wait=False)
    trouble(relay, "wal_level", "logical")
    assert relay.running()
    own_database.configure(wal_level="logical")
    relay.wait_live(timeout=30)


def test_listener_without_the_replication_privilege(make_relay: RelayMaker, database: ArvadosDatabase) -> None:
    """The documented role of an Arvados site may read and write all tables, and no more."""
    database.connection.execute("drop role if exists e2e_arvados")
    database.connection.execute("create role e2e_arvados login")
    relay = make_relay(database, "auto", user="e2e_arvados", migrated=False)
    migrate_as_superuser(relay)
    for schema in ("public", "walcast"):
        database.connection.execute(f"grant usage on schema {schema} to e2e_arvados")
        database.connection.execute(f"grant select on all tables in schema {schema} to e2e_arvados")
    relay.start(wait=False)
    relay.wait_listening()
    assert_listening_because(relay, "REPLICATION")
    relay.stop()
    database.connection.execute("drop owned by e2e_arvados; drop role e2e_arvados")


def migrate_as_superuser(relay: Relay) -> None:
    connection = relay.cluster["PostgreSQL"]["Connection"]
    user, connection["user"] = connection["user"], "postgres"
    migrate_up(relay)
    connection["user"] = user


def test_listener_without_migrations(make_relay: RelayMaker, database: ArvadosDatabase) -> None:
    relay = make_relay(database, "auto", migrated=False).start(wait=False)
    relay.wait_listening()
    assert_listening_because(relay, "migrate")


def test_not_an_arvados_database(make_relay: RelayMaker, postgres: Postgres, database: ArvadosDatabase) -> None:
    """One clear line that says so, whichever source; no endless repetition, no silence."""
    postgres.execute("create database e2e_empty template template0")
    relay = make_relay(database, "auto", migrated=False)
    relay.cluster["PostgreSQL"]["Connection"]["dbname"] = "e2e_empty"
    relay.start(wait=False)
    trouble(relay, "logs", "Arvados")
    time.sleep(1)
    about = [line for line in relay.log_lines() if "Arvados" in json.dumps(line) and line["level"] in ("warning", "error")]
    assert len(about) < 10, f"one clear line, not many:\n{relay.log_tail()}"
    stop_if_running(relay)
    postgres.drop("e2e_empty")


def test_no_privilege_on_logs(make_relay: RelayMaker, database: ArvadosDatabase) -> None:
    """A role that may connect but not read: one clear line names the table and says what to grant."""
    database.connection.execute("drop role if exists e2e_nobody")
    database.connection.execute("create role e2e_nobody login")
    relay = make_relay(database, "listener", user="e2e_nobody", migrated=False).start(wait=False)
    trouble(relay, "logs", "grant")
    stop_if_running(relay)
    database.connection.execute("drop owned by e2e_nobody; drop role e2e_nobody")


def stop_if_running(relay: Relay) -> None:
    """A relay that cannot do its work may have ended with an error, or keep trying."""
    if relay.running():
        assert relay.stop() == 0
    else:
        assert relay.wait_exit(1) > 0, "it gave up with status 0"


def test_wrong_password_is_not_logged(make_relay: RelayMaker, database: ArvadosDatabase) -> None:
    """Health says ERROR, HTTP works, and the password is nowhere."""
    relay = make_relay(database, "listener")
    relay.cluster["PostgreSQL"]["Connection"] |= {"user": "e2e_no_such_role", "password": "hunter2hunter2"}
    relay.start(wait=False)
    relay.wait_listening()
    answer = until("health to say ERROR", lambda: a if (a := relay.http("/_health/db", headers=MANAGER)).json()["health"] ==
                   "ERROR" else None)
    assert "hunter2" not in answer.body + relay.log_text() + relay.http("/status.json", headers=MANAGER).body
    assert relay.http("/websocket").body == "not websocket protocol\n"
