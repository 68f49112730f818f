"""Rows of `logs` that Arvados should not write but anybody can: sent as far as they can be, or skipped; nobody suffers."""

from typing import Any

import pytest

from support.arvados import ArvadosDatabase, insert_log, new_uuid
from support.client import parse
from support.relay import Relay

#: arvados-python-client refuses larger frames, so MaxEventBytes is that by default.
MAX_EVENT = 1 << 20
FILTERS = [["event_type", "in", ["create", "update"]], ["object_uuid", "!=", "x"], ["object_uuid", "is_a", "arvados#collection"],
           ["object_owner_uuid", "like", "%"], ["created_at", ">", "2020-01-01T00:00:00Z"]]

ROWS: dict[str, dict[str, Any]] = {
    "nothing but nulls": dict.fromkeys(["uuid", "owner_uuid", "object_uuid", "object_owner_uuid", "event_type", "event_at",
                                        "properties"]),
    "no owner": {"object_owner_uuid": None, "owner_uuid": None},
    "no type and no properties": {"event_type": None, "properties": None},
    "an unknown kind": {"object_uuid": "zzzzz-xxxxx-aaaaaaaaaaaaaaa"},
    "a uuid too short": {"object_uuid": "zzzzz-4zz18-a"},
    "a uuid too long": {"object_uuid": "zzzzz-4zz18-" + "a" * 200},
    "an empty uuid": {"object_uuid": ""},
    "a uuid of quotes": {"object_uuid": "\"\\'\n\t\x01\x7f<>&"},
    "a uuid of other letters": {"object_uuid": "жжжжж-4zz18-日本語日本語日本語日本語日"},
    "a uuid with a percent": {"object_uuid": "zzzzz-4zz18-%s%n%x%s%n%x%s%"},
    "a log uuid that is none": {"uuid": "not a uuid"},
    "an owner that is none": {"object_owner_uuid": "nobody"},
    "YAML": {"properties": "---\n:old_attributes:\n  name: a\nnew_attributes: {name: b}\n"},
    "YAML with an alias bomb": {"properties": "---\na: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))},
    "YAML with a tag": {"properties": "--- !ruby/object:Gem::Requirement\nrequirements: [x]\n"},
    "YAML that ends early": {"properties": "---\nnew_attributes: {name: [\n"},
    "broken JSON": {"properties": '{"new_attributes":{"name":"b"'},
    "a lone surrogate": {"properties": '{"text":"\\ud800"}'},
    "a NUL": {"properties": '{"text":"a\\u0000b"}'},
    "attributes of other types": {"properties": '{"old_attributes":[1],"new_attributes":"x"}'},
    "names of other types": {"properties": '{"new_attributes":{"name":{"a":[]},"state":5,"is_trashed":"yes"}}'},
    "duplicate keys": {"properties": '{"new_attributes":{"name":"a","name":"b"},"new_attributes":{"name":"c"}}'},
    "numbers beyond a double": {"properties": '{"text":"x","a":1e400,"b":-1e-400,"c":123456789012345678901234567890}'},
    "deep JSON": {"properties": '{"text":"x","a":' + "[" * 100_000 + "]" * 100_000 + "}"},
    "deep attributes": {"properties": '{"new_attributes":{"name":' + "[" * 100_000 + "]" * 100_000 + "}}"},
    "a time long ago": {"event_at": "0001-01-01 00:00:00"},
    "a time before Christ": {"event_at": "4000-01-01 00:00:00 BC"},
    "a time far away": {"event_at": "99999-12-31 23:59:59.999999"},
    "the end of time": {"event_at": "infinity", "created_at": "infinity", "updated_at": "infinity"},
    "the beginning of time": {"event_at": "-infinity", "created_at": "-infinity"},
    "a type of 255 letters": {"event_type": "Ω" * 255},
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_row(shared_relay: Relay, shared_database: ArvadosDatabase, row: dict[str, Any]) -> None:
    """Clients with and without filters get the next event, and of the bad one at most a sound frame."""
    with shared_relay.client() as plain, shared_relay.client() as filtered:
        plain.subscribe()
        for condition in FILTERS:
            filtered.subscribe([condition])
        bad = shared_database.log(**row)
        good = shared_database.log(event_type="create")
        for client in (plain, filtered):
            event = client.event()
            if event["id"] == bad:
                assert_sound(event)
                event = client.event()
            assert event["id"] == good
            client.expect_silence(0.05)


def assert_sound(event: dict[str, Any]) -> None:
    """Every key that Workbench and the SDK read is there, with the type they expect."""
    for key in ("uuid", "object_uuid", "object_owner_uuid", "object_kind", "event_type", "event_at"):
        assert isinstance(event[key], str), f"{key}: {event}"
    assert isinstance(event["properties"], dict), event


def test_a_bad_row_in_a_transaction_of_good_ones(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    with shared_relay.client() as client:
        client.subscribe()
        with shared_database.connection.transaction():
            before = shared_database.log()
            shared_database.log(**ROWS["nothing but nulls"])
            after = shared_database.log()
        client.expect_ids([before, after])


@pytest.mark.parametrize(("shape", "must_come"), [("text", False), ("manifests", True)])
def test_fifty_megabytes(shared_relay: Relay, shared_database: ArvadosDatabase, shape: str, must_come: bool) -> None:
    """A text is cut or its event skipped; attributes that are not sent are no reason to skip anything."""
    if shape == "text":
        properties = '{"text":"' + "x" * 50_000_000 + '"}'
    else:
        manifest = ". d41d8cd98f00b204e9800998ecf8427e+0 0:0:a\\n" * 600_000
        attributes = f'{{"name":"big","manifest_text":"{manifest}","state":null}}'
        properties = f'{{"old_attributes":{attributes},"new_attributes":{attributes}}}'
    collection = new_uuid("4zz18")
    with shared_relay.client() as client:
        client.subscribe()
        big = shared_database.log(properties=properties, object_uuid=collection)
        next_one = shared_database.log()
        text = client.text(timeout=30)
        assert text is not None, "nothing came within 30 s"
        assert len(text.encode()) <= MAX_EVENT, f"a frame of {len(text.encode())} bytes: the Python client refuses it"
        event = parse(text)
        if event["id"] == big:
            assert_sound(event)
            if shape == "manifests":
                kept = {"name": "big", "state": None}
                assert event["properties"] == {"old_attributes": kept, "new_attributes": kept}
            event = client.event()
        else:
            assert not must_come, "the event was skipped, though what is sent of it is small"
        assert event["id"] == next_one
        client.expect_silence()


def test_replay_over_bad_rows(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    """last_log_id goes past them as the live stream does."""
    before = shared_database.log()
    good = []
    for name in ("nothing but nulls", "broken JSON", "the end of time", "YAML with a tag", "a uuid of quotes"):
        shared_database.log(**{**ROWS[name], "event_type": "e2e-bad"})
        good.append(insert_log(shared_database.connection, event_type="e2e-good"))
    with shared_relay.client() as client:
        client.subscribe([["event_type", "in", ["e2e-good", "e2e-bad"]]], last_log_id=before)
        got = client.events(timeout=1)
        assert [event["id"] for event in got if event["event_type"] == "e2e-good"] == good


def test_other_changes_of_logs_are_no_events(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    """Updates and deletes of rows, as by the audit log's own cleanup, and a truncated table."""
    with shared_relay.client() as client:
        client.subscribe()
        event = shared_database.log()
        client.expect_ids([event])
        shared_database.connection.execute("update logs set summary = 'x' where id = %s", [event])
        shared_database.connection.execute("delete from logs where id = %s", [event])
        shared_database.connection.execute("truncate logs")
        client.expect_ids([shared_database.log()])
        client.expect_silence()
