"""The topic `events` of protocol v1: the rows of `logs`, as v0 sends them, with tokens."""

from typing import Any

import pytest

from conftest import RelayMaker
from support.arvados import SYSTEM_USER, ArvadosDatabase, insert_log, new_uuid
from support.institute import Institute
from support.postgres import Postgres
from support.records import new_record, update_record
from support.relay import Relay
from support.statements import Statements
from support.v1 import v1_client

pytestmark = pytest.mark.only_source("slot")


def ids_of(changes: list[dict[str, Any]]) -> list[int]:
    return [change["record"]["id"] for change in changes]


def test_as_v0_sends_them(shared_relay: Relay) -> None:
    with v1_client(shared_relay) as client, shared_relay.client() as old:
        events = client.events()
        old.subscribe()
        for columns in ({}, {"event_type": "delete", "properties": "{}"}, {"summary": "s"}):
            shared_relay.database.log(**columns)
            event = old.event()
            del event["msgID"]
            assert events.expect("change", type="insert")["record"] == event


@pytest.mark.parametrize(("filters", "wanted"), [
    ([["event_type", "in", ["a", "b"]]], {"a", "b"}), ([["event_type", "=", "a"]], {"a"}), ([["event_type", "!=", "a"]], {"b", "c"}),
    ([["event_type", "not in", ["a", "c"]]], {"b"}), ([["object_uuid", "is_a", "arvados#collection"], ["event_type", "!=", "b"]], {"a", "c"}),
    ([], {"a", "b", "c"}), (None, {"a", "b", "c"})])
def test_filters(shared_relay: Relay, filters: Any, wanted: set[str]) -> None:
    with v1_client(shared_relay) as client:
        events = client.events(filters)
        written = {kind: shared_relay.database.log(event_type=kind) for kind in "abc"}
        expected = [written[kind] for kind in "abc" if kind in wanted]
        assert ids_of([events.expect("change") for _ in expected]) == expected
        events.expect_silence(0.05)


def test_for_the_same_receivers(shared_relay: Relay) -> None:
    institute = Institute(shared_relay.database)
    user = institute.user()
    project = institute.project(institute.user())
    hidden, shown = institute.collection(project), institute.collection(user)
    with v1_client(shared_relay, institute.database.token(user).v2) as client:
        events = client.events([["event_type", "=", "e2e-grants"]])
        institute.event(hidden)
        due = [institute.event(shown)]
        link = institute.grant(user, project)
        due.append(institute.event(hidden))
        institute.destroy(link)
        institute.event(hidden)
        due.append(institute.event(shown))
        assert ids_of([events.expect("change") for _ in due]) == due
    institute.close()


def test_resume(shared_relay: Relay) -> None:
    """From each of its tokens, also out of the middle of a transaction: everything since, once, then live."""
    database = shared_relay.database
    with v1_client(shared_relay) as client:
        events = client.events([["event_type", "=", "resume"]])
        tokens, ids = [events.token], []
        for size in (1, 3, 1):
            with database.connection.transaction():
                ids += [insert_log(database.connection, event_type="resume") for _ in range(size)]
                database.log(event_type="another")
        tokens += [events.expect("change")["token"] for _ in ids]
    for told, token in enumerate(tokens):
        with v1_client(shared_relay) as client:
            events = client.subscribe("events", filters=[["event_type", "=", "resume"]], after=token)
            assert ids_of([events.expect("change") for _ in ids[told:]]) == ids[told:]
            events.expect("live")
            events.expect_silence(0.02)


def test_a_token_of_other_filters(shared_relay: Relay) -> None:
    with v1_client(shared_relay) as client:
        token = client.events([["event_type", "=", "a"]]).token
        client.subscribe("events", filters=[["event_type", "=", "b"]], after=token).expect_reset("filter")
        uuid = new_record(shared_relay.database.connection)
        client.subscribe("events", after=client.record(uuid).token).expect_reset("filter")


def test_together_with_records(shared_relay: Relay) -> None:
    """Of one transaction each topic has its own; one commit in their tokens."""
    database = shared_relay.database
    uuid = new_record(database.connection)
    with v1_client(shared_relay) as client:
        record, events = client.record(uuid), client.events()
        with database.connection.transaction():
            update_record(database.connection, uuid, name="together")
            number = insert_log(database.connection, object_uuid=uuid, object_owner_uuid=SYSTEM_USER)
        record.expect_changes("name", ["together"])
        assert events.expect("change")["record"]["id"] == number
        assert record.state.at is not None and events.state.at is not None
        assert record.state.at.commit == events.state.at.commit


def test_many(shared_relay: Relay) -> None:
    with v1_client(shared_relay) as client:
        events = client.events([["event_type", "=", "many"]])
        with shared_relay.database.connection.transaction():
            ids = [insert_log(shared_relay.database.connection, event_type="many") for _ in range(1500)]
        assert ids_of([events.expect("change") for _ in ids]) == ids


def test_what_was_hidden_or_not_is_asked_at_once(own_database: ArvadosDatabase, own_postgres: Postgres, make_relay: RelayMaker) -> None:
    """By a relay that has begun anew since: who may read the events of the past is not a question for each of them."""
    own_database.configure(log_statement="'all'", log_min_duration_statement="-1")
    relay = make_relay(own_database, "slot").start()
    institute = Institute(own_database)
    user = institute.user()
    shown = institute.project(user)
    token = own_database.token(user).v2
    mine = [["event_type", "=", "past"]]
    with v1_client(relay, token) as client:
        last = client.events(mine).token
    due = []
    for _ in range(150):
        with institute.transaction() as connection:
            due.append(insert_log(connection, object_uuid=new_record(connection, owner_uuid=shown), event_type="past"))
            insert_log(connection, object_uuid=new_uuid("4zz18"), event_type="past")    # of which the stream says nothing
    assert relay.stop() == 0
    relay.start()
    statements = Statements(own_postgres, "collections")
    with v1_client(relay, token) as client:
        events = client.subscribe("events", filters=mine, after=last)
        assert ids_of([events.expect("change", 30) for _ in due]) == due
        events.expect("live")
    assert statements.count() <= 15
    institute.close()
