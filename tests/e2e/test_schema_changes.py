"""Tables and publications that change while the relay runs: a clear state, never a crash or a wrong row, nothing lost."""

from collections.abc import Iterator

import psycopg
import pytest

from conftest import RelayMaker
from support.arvados import CLUSTER, MANAGEMENT_TOKEN, SYSTEM_USER, ArvadosDatabase, insert_log, new_uuid
from support.client import Client, Message
from support.relay import Relay, migrate_up
from support.wait import until

MANAGER = {"Authorization": f"Bearer {MANAGEMENT_TOKEN}"}
FILTER = [["event_type", "in", ["shape"]]]

#: Statements that an Arvados upgrade, or a person, might run: every event before, between and after them arrives as it is.
HARMLESS = {
    "a column more": "alter table logs add column e2e integer default 7",
    "a column more, of many": "alter table logs add column e2e jsonb, add column e2e2 text[], add column e2e3 inet",
    "a column less": "alter table logs drop column summary",
    "a column by another name": "alter table logs rename column summary to abstract",
    "varchar to text": "alter table logs alter column event_type type text, alter column object_uuid type text",
    "bigint to integer": "alter table logs alter column id type integer",
    "timestamp to timestamptz": "alter table logs alter column event_at type timestamptz using event_at at time zone 'UTC'",
    "text to jsonb": "alter table logs alter column properties type jsonb using properties::jsonb",
    "an enum": "create type kind as enum ('shape', 'update', 'e2e-live'); "
               "alter table logs alter column event_type type kind using event_type::kind",
    "a domain": "create domain uuid_text as text; create domain log_number as bigint; "
                "alter table logs alter column object_uuid type uuid_text, alter column id type log_number",
    "a type with a binary form of its own": "alter table logs add column e2e uuid default gen_random_uuid(), "
                                            "add column e2e2 numeric default 1.5",
    "replica identity full": "alter table logs replica identity full",
    "replica identity nothing": "alter table logs replica identity nothing",
    "away and back": "alter table logs rename to logs_away; alter table logs_away rename to logs",
    "another table's columns": "alter table users add column e2e text; alter table users drop column prefs; "
                               "alter table groups rename column description to about",
    "another table dropped": "drop table authorized_keys cascade",
}

#: Statements after which `logs` is no longer read: what has to be said, and how an operator repairs it.
HARMFUL = {
    "not published": ("alter publication walcast drop table logs", "migrate up", None),
    "no publication": ("drop publication walcast", "migrate up", "create publication walcast with "
                       "(publish = 'insert, update, delete, truncate')"),
    "updates alone": ("alter publication walcast set (publish = 'update')", "publish",
                      "alter publication walcast set (publish = 'insert, update, delete, truncate')"),
    "a row filter": ("alter publication walcast drop table logs; "
                     "alter publication walcast add table logs where (id < 0)", "row filter",
                     "alter publication walcast drop table logs"),
    "a column list": ("alter publication walcast drop table logs; "
                      "alter publication walcast add table logs (id, uuid)", "event_type", None),
    "renamed away": ("alter table logs rename to logs_away; "
                     "create table logs (like logs_away including all); drop table logs", "logs",
                     "alter table logs_away rename to logs"),
    "a column that is needed": ("alter table logs rename column event_type to event_kind", "event_type",
                                "alter table logs rename column event_kind to event_type"),
}


def shaped(database: ArvadosDatabase) -> int:
    return shaped_by(database.connection)


def shaped_by(connection: psycopg.Connection) -> int:
    return insert_log(connection, event_type="shape", object_uuid=f"{CLUSTER}-4zz18-shapeshapeshape")


def assert_right(event: Message) -> None:
    assert event["event_type"] == "shape", event
    assert event["object_uuid"] == f"{CLUSTER}-4zz18-shapeshapeshape", event
    assert event["object_owner_uuid"] == SYSTEM_USER, event
    assert event["event_at"] == "2026-01-02T03:04:05.678901Z", event
    assert event["properties"] == {"old_attributes": {"name": "a"}, "new_attributes": {"name": "b"}}, event


def expect(client: Client, ids: list[int]) -> None:
    """Exactly these come next, each as it was written."""
    got = client.events(timeout=15, limit=len(ids))
    assert [event.get("id") for event in got] == ids
    for event in got:
        assert_right(event)


def problems(relay: Relay) -> str:
    status = relay.http("/status.json", headers=MANAGER).json()
    return f"{status['coverage_problem']} {status['source']['problem']}"


def wait_covered(relay: Relay) -> None:
    until("the relay to find all well",
          lambda: "\nwalcast_covered 1\n" in relay.http("/metrics", headers=MANAGER).body, timeout=15)


@pytest.fixture
def client(relay: Relay) -> Iterator[Client]:
    with relay.client() as client:
        client.subscribe(FILTER)
        yield client


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_harmless(relay: Relay, database: ArvadosDatabase, client: Client, change: str) -> None:
    before = shaped(database)
    with database.connect() as other:
        other.execute("begin")
        other.execute(change)  # type: ignore[call-overload]
        within = shaped_by(other)
        other.execute("commit")
    after = [shaped(database) for _ in range(3)]
    expect(client, [before, within, *after])
    client.expect_silence()
    with relay.client() as late:
        late.subscribe(FILTER, last_log_id=before)
        expect(late, [within, *after])


@pytest.mark.parametrize(("change", "says", "repair"), HARMFUL.values(), ids=HARMFUL)
def test_harmful(relay: Relay, database: ArvadosDatabase, client: Client, source: str, change: str, says: str,
                 repair: str | None) -> None:
    """The state says what is wrong; after the repair everything has come once, without a restart."""
    before = shaped(database)
    expect(client, [before])
    wait_covered(relay)
    database.connection.execute(change)  # type: ignore[call-overload]
    missing = "logs_away" in change or "event_kind" in change
    meanwhile = [] if missing else [shaped(database) for _ in range(3)]
    if missing:
        columns = "event_kind" if "event_kind" in change else "event_type"
        table = "logs_away" if "logs_away" in change else "logs"
        for _ in range(3):
            meanwhile.append(database.connection.execute(  # type: ignore[index]
                f"insert into {table} (uuid, owner_uuid, object_uuid, object_owner_uuid, {columns}, event_at, properties, "  # type: ignore[call-overload]
                "created_at, updated_at) values (%(uuid)s, %(user)s, %(object)s, %(user)s, 'shape', "
                "'2026-01-02 03:04:05.678901', '{\"old_attributes\":{\"name\":\"a\"},\"new_attributes\":{\"name\":\"b\"}}', "
                "statement_timestamp() at time zone 'UTC', statement_timestamp() at time zone 'UTC') "
                "returning id, pg_notify('logs', id::text)",
                {"uuid": new_uuid("57u5n"), "user": SYSTEM_USER, "object": f"{CLUSTER}-4zz18-shapeshapeshape"}).fetchone()[0])
    if source == "slot" or missing:
        until("the state to say what is wrong", lambda: says in problems(relay), timeout=15)
        until("health to say so", lambda: relay.http("/_health/db", headers=MANAGER).json()["health"] == "ERROR")
    if repair is not None:
        database.connection.execute(repair)  # type: ignore[call-overload]
    migrate_up(relay)
    afterwards = [shaped(database) for _ in range(3)]
    got = client.events(timeout=20, limit=6)
    for event in got:
        assert_right(event)
    assert sorted(event["id"] for event in got) == sorted(meanwhile + afterwards)
    client.expect_silence(2.5)
    wait_covered(relay)
    assert relay.http("/_health/db", headers=MANAGER).json()["health"] == "OK"
    with relay.client() as late:
        late.subscribe(FILTER, last_log_id=before)
        assert sorted(event["id"] for event in late.events(timeout=3, limit=6)) == sorted(meanwhile + afterwards)


def test_replay_while_the_table_cannot_be_read(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> None:
    """A client that comes back waits until its events can be read: it is not told that there are none."""
    seen, *missed = [shaped(database) for _ in range(4)]  # before the relay's time: they are in the table alone
    relay = make_relay(database, source).start()
    with relay.client() as back:
        database.connection.execute("alter table logs rename to logs_away")
        back.send({"method": "subscribe", "filters": FILTER, "last_log_id": seen})
        until("the query to fail", lambda: "a query failed" in relay.log_text())
        database.connection.execute("alter table logs_away rename to logs")
        assert back.message(10) == {"status": 200}
        expect(back, missed)
        expect(back, [shaped(database)])
        back.expect_silence()


@pytest.mark.parametrize("published", [True, False], ids=["published at once", "left out of the publication"])
def test_table_made_anew(relay: Relay, database: ArvadosDatabase, client: Client, source: str, published: bool) -> None:
    """Another table under the same name, with the same ids going on, as when somebody rebuilds a bloated one."""
    before = shaped(database)
    expect(client, [before])
    wait_covered(relay)
    with database.connection.transaction():
        database.connection.execute("create table logs_new (like logs including all)")
        database.connection.execute("insert into logs_new select * from logs")
        database.connection.execute("alter sequence logs_id_seq owned by logs_new.id")
        database.connection.execute("drop table logs cascade")
        database.connection.execute("alter table logs_new rename to logs")
        if published:
            database.connection.execute("alter publication walcast add table logs")
    written = [shaped(database) for _ in range(3)]
    if source == "slot" and not published:
        until("the state to say it", lambda: "logs is not published: run `walcast migrate up`" in problems(relay), timeout=15)
    migrate_up(relay)
    written += [shaped(database) for _ in range(3)]
    got = client.events(timeout=15, limit=6)
    assert sorted(event["id"] for event in got) == written, "all of the new table, and nothing of the old one again"
    client.expect_silence(2.5)


@pytest.mark.only_source("slot")
def test_partitioned(relay: Relay, database: ArvadosDatabase, client: Client) -> None:
    """A partitioned table has its rows published under the partitions' names: that must be said."""
    wait_covered(relay)  # or the look at the start, which may read rows of the table, is still under way
    with database.connection.transaction():
        database.connection.execute("alter table logs rename to logs_old")
        database.connection.execute("create table logs (like logs_old including defaults) partition by range (id)")
        database.connection.execute("create table logs_all partition of logs default")
        database.connection.execute("alter publication walcast add table logs")
    shaped(database)
    until("the state to say it", lambda: "not an ordinary table" in problems(relay), timeout=15)
    client.expect_silence()


@pytest.mark.only_source("slot")
def test_secret_column_published(relay: Relay, database: ArvadosDatabase, client: Client) -> None:
    """Somebody publishes every token: the state says so, nothing leaves, migrate up repairs it. (close() looks for the
    secrets in the log.)"""
    database.connection.execute("alter publication walcast drop table api_client_authorizations")
    database.connection.execute("alter publication walcast add table api_client_authorizations")
    token = database.token(database.admin())
    expect(client, [shaped(database)])
    until("the state to say it", lambda: "api_client_authorizations.api_token" in problems(relay), timeout=15)
    assert relay.http("/_health/db", headers=MANAGER).json()["health"] == "ERROR"
    assert "\nwalcast_covered 0\n" in relay.http("/metrics", headers=MANAGER).body
    for page in ("/status.json", "/metrics", "/_health/db"):
        assert token.v1 not in relay.http(page, headers=MANAGER).body
    assert any(line["level"] == "error" and "api_token" in line.get("problem", "") for line in relay.log_lines())
    migrate_up(relay)
    wait_covered(relay)
    expect(client, [shaped(database)])


@pytest.mark.only_source("slot")
def test_another_table_not_covered(make_relay: RelayMaker, database: ArvadosDatabase) -> None:
    """No reason for health to fail, but for a word to the operator."""
    relay = make_relay(database, "slot").start()
    database.connection.execute("alter publication walcast drop table groups")
    until("the state to say it", lambda: "not covered: groups" in problems(relay), timeout=15)
    assert relay.http("/_health/db", headers=MANAGER).json()["health"] == "OK"
    migrate_up(relay)
    wait_covered(relay)
