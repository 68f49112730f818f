"""A database whose defaults would have its values look otherwise: they are read like any others."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from conftest import RelayMaker
from support.arvados import ArvadosDatabase
from support.institute import Institute
from support.records import new_record, read_record, update_record
from support.relay import Relay
from support.v1 import v1_client
from support.wait import until

ODD = {"datestyle": "German, DMY", "intervalstyle": "iso_8601", "timezone": "Asia/Kathmandu", "extra_float_digits": "-10",
       "bytea_output": "escape", "client_encoding": "LATIN1"}


@pytest.fixture
def odd(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> Iterator[Relay]:
    """The connection of the tests was there before, and has the usual settings."""
    database.connection.execute("set timezone = 'UTC'")
    for name, value in ODD.items():
        database.connection.execute(f"alter database {database.name} set {name} = '{value}'".encode())
    yield make_relay(database, source).start()


def seconds_from_now(seconds: float) -> datetime:
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


def test_events(odd: Relay) -> None:
    """As they happen, and again: their times, and conditions on times; text that is not in Latin-1."""
    with odd.client() as client:
        client.subscribe()
        first = odd.database.log(event_at="2026-03-04 05:06:07.5", properties=json.dumps({"text": "żółw"}, ensure_ascii=False))
        live = client.event()
    assert (live["id"], live["event_at"], live["properties"]["text"]) == (first, "2026-03-04T05:06:07.5Z", "żółw")
    old = odd.database.log(created_at="2020-02-01 00:00:00", event_at="2020-02-01 00:00:00")
    odd.stop()
    odd.database.connection.execute("delete from logs where id < %s", [first])
    odd.start()
    with odd.client() as client:
        client.subscribe(last_log_id=1)
        got = {event["id"]: event for event in client.events(timeout=1)}
        assert got[first] | {"msgID": 0} == live | {"msgID": 0}
        assert got[old]["event_at"] == "2020-02-01T00:00:00Z"
    with odd.client() as client:
        client.subscribe([["created_at", ">=", "2020-01-31T23:59:59Z"], ["created_at", "<", "2020-02-01T00:00:01Z"]], last_log_id=1)
        assert [event["id"] for event in client.events(timeout=1)] == [old]


def test_tokens(odd: Relay) -> None:
    """Those that expire in an hour are good, those that expired an hour ago are not; a time zone is several hours."""
    database = odd.database
    good = database.token(database.admin(), expires_at="now() + interval '1 hour'")
    bad = database.token(database.admin(), expires_at="now() - interval '1 hour'")
    with odd.client(good.v2) as client, odd.client(bad.v2) as other:
        client.subscribe()
        other.subscribe()
        logged = database.log()
        assert client.event()["id"] == logged
        assert other.events(timeout=0.5) == []


def test_rights(odd: Relay) -> None:
    """A group that is in the trash from the day after tomorrow on may be read, one from yesterday on not."""
    institute = Institute(odd.database)
    user = institute.user()
    later, before = (institute.project(user, trash_at=seconds_from_now(86_400 * days).replace(tzinfo=None).isoformat(" "),
                                       is_trashed=days < 0) for days in (2, -1))
    with odd.client(institute.database.token(user).v2) as client:
        client.subscribe()
        wanted = odd.database.log(object_uuid=later, object_owner_uuid=user)

        def told() -> bool:
            odd.database.log(object_uuid=before, object_owner_uuid=user)
            return any(event["id"] == wanted for event in client.events(timeout=0.3))

        until("the event", told)
    institute.close()


@pytest.mark.only_source("slot")
def test_records(odd: Relay) -> None:
    """The snapshot, the changes and the table are the same, to the last digit and microsecond."""
    connection = odd.database.connection
    uuid = new_record(connection, "dz642", progress=0.1 + 0.2, cost=1 / 3, started_at="2026-03-04 05:06:07.000001")
    with v1_client(odd) as client:
        one = client.record(uuid)
        assert one.record == read_record(connection, uuid)
        update_record(connection, uuid, progress=2 / 3, finished_at="2026-10-11 12:13:14.123456")
        change = one.expect("change")
        assert change["record"] == read_record(connection, uuid)
        assert sorted(change["changed"]) == ["finished_at", "progress"]
    token = odd.database.token(odd.database.admin(), expires_at="'2999-03-04 05:06:07.25+00'::timestamptz")
    with v1_client(odd, token.v2, wait=False) as client:
        assert client.expect("auth")["expires_at"] == "2999-03-04T05:06:07.25Z"
        assert client.record(uuid).record == read_record(connection, uuid)
