"""Record topics: the row of every class as it is in the database, and each change of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.arvados import SYSTEM_USER, new_uuid
from support.records import (NEEDED, Record, class_of, classes, delete_record, insert_record, new_record, read_record,
                             update_record)
from support.relay import Relay
from support.resume_token import place_of
from support.v1 import Subscription, V1Client, v1_client

pytestmark = pytest.mark.only_source("slot")

#: Does not compress to a size that fits in a row.
LARGE = "".join(f"{n * 2654435761 % 4294967296:08x}" for n in range(4000))

#: By class, what is changed: a column and two values of it, in SQL and as they are in a record.
CHANGES: dict[str, tuple[str, Any, Any]] = {
    "57u5n": ("summary", "first", "second"),
    "tpzed": ("prefs", '{"a": {"b": [1, null]}}', '{"a": {"b": [2, true]}}'),
    "j7d0g": ("name", "first", "second"), "o0j2j": ("properties", '{"n": 1.5}', '{"n": {"m": []}}'),
    "4zz18": ("properties", '{"x": ["y"]}', '{"x": "ü\\u2028"}'), "dz642": ("progress", 0.25, 1e-7),
    "xvhdp": ("mounts", '{"/": {"kind": "tmp"}}', '{"/": {"kind": "file"}}'), "7fd4e": ("definition", "first", "second"),
    "oss07": ("scopes", '["a"]', '["b", "c"]'), "gj3su": ("scopes", '["all"]', '["GET /"]'), "2x53u": ("hostname", "first", "second"),
    "fngyi": ("expires_at", "2026-03-04 05:06:07.5", "2026-03-04 05:06:07.000001"), "bi6l4": ("service_port", 25107, 443),
}
#: Where the text of a column is JSON.
NESTED = ("prefs", "properties", "mounts", "scopes")


def shown(column: str, value: Any) -> Any:
    return json.loads(value) if column in NESTED else value.replace(" ", "T") + "Z" if column == "expires_at" else value


def make(relay: Relay, infix: str, **columns: Any) -> str:
    connection = relay.database.connection
    if infix == "gj3su":
        columns = {"api_token": f"neverseen{new_uuid(infix)[-8:]}", "user_id": 1, **columns}
    return new_record(connection, infix, **columns)


@pytest.fixture
def client(shared_relay: Relay) -> Iterator[V1Client]:
    with v1_client(shared_relay) as client:
        yield client


def expect_as_in_the_table(relay: Relay, one: Subscription) -> None:
    assert one.record == read_record(relay.database.connection, one.topic.removeprefix("record/"))


def test_every_class_is_here() -> None:
    assert set(CHANGES) == set(classes()) == set(NEEDED)


@pytest.mark.parametrize("infix", CHANGES)
def test_a_class(shared_relay: Relay, client: V1Client, infix: str) -> None:
    """Snapshot, update, an update that changes nothing, delete, insert again; always as in the table."""
    connection = shared_relay.database.connection
    column, before, after = CHANGES[infix]
    uuid = make(shared_relay, infix, **{column: before})
    one = client.record(uuid)
    expect_as_in_the_table(shared_relay, one)
    assert one.record is not None and set(one.record) == set(class_of(uuid).published)
    assert one.record[column] == shown(column, before)
    update_record(connection, uuid, **{column: after})
    change = one.expect("change", type="update", changed=[column], old={column: shown(column, before)})
    assert change["record"][column] == shown(column, after)
    expect_as_in_the_table(shared_relay, one)
    update_record(connection, uuid, uuid=uuid)
    one.expect("change", type="update", changed=[], old={})
    delete_record(connection, uuid)
    one.expect("change", type="delete", record=None)
    insert_record(connection, uuid, {column: before, **({"api_token": "neverseenagain", "user_id": 1} if infix == "gj3su" else {})})
    one.expect("change", type="insert")
    expect_as_in_the_table(shared_relay, one)
    one.expect_silence(0.1)


@pytest.mark.parametrize("infix", [infix for infix, of in classes().items() if of.secret])
def test_secrets_are_never_sent(shared_relay: Relay, infix: str) -> None:
    """Not when written, not when changed, not when another column is, not in what comes with a snapshot."""
    connection, of = shared_relay.database.connection, classes()[infix]
    values = {name: '{"neverseen": 1}' if name in ("secret_mounts",) else f"neverseen-{name}" for name in of.secret}
    column, _, after = CHANGES[infix]
    uuid = make(shared_relay, infix, **values)
    with v1_client(shared_relay) as client:
        client.send({"op": "subscribe", "id": "s", "topic": f"record/{uuid}"})
        texts = [str(client.websocket.recv(timeout=5)) for _ in range(2)]
        for name in of.secret:
            update_record(connection, uuid, **{name: '{"neverseen": 2}' if name == "secret_mounts" else f"neverseen-again-{name}"})
        update_record(connection, uuid, **{column: after})
        texts += [str(client.websocket.recv(timeout=5)) for _ in range(len(of.secret) + 1)]
        client.refused("bad_request", f"record/{uuid}", select=[of.secret[0]])
    for text in texts:
        assert "neverseen" not in text
        assert not any(f'"{name}"' in text for name in of.secret), text


def test_select(shared_relay: Relay, client: V1Client) -> None:
    """Only what was asked for, and nothing when nothing of it changes."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, "xvhdp", name="a", priority=1, description="d")
    one, two = client.record(uuid, select=["priority", "uuid", "uuid"]), client.record(uuid, select=["name"])
    assert one.record == {"uuid": uuid, "priority": 1}
    assert two.record == {"name": "a"}
    update_record(connection, uuid, description="e")
    update_record(connection, uuid, name="b")
    update_record(connection, uuid, priority=2)
    delete_record(connection, uuid)
    two.expect("change", changed=["name"], old={"name": "a"}, record={"name": "b"})
    one.expect("change", changed=["priority"], record={"uuid": uuid, "priority": 2})
    for subscription in (one, two):
        subscription.expect("change", type="delete", record=None)


@pytest.mark.parametrize(("infix", "column", "value"), [
    ("4zz18", "description", LARGE), ("dz642", "mounts", json.dumps({"large": LARGE})), ("7fd4e", "definition", LARGE)])
def test_large_values_that_do_not_change(shared_relay: Relay, client: V1Client, infix: str, column: str, value: str) -> None:
    """What PostgreSQL leaves out of the log is never turned into null: what is known goes on to be told, or is named."""
    connection = shared_relay.database.connection
    other = {"4zz18": "name", "dz642": "log", "7fd4e": "name"}[infix]
    uuid = new_record(connection, infix, **{column: value, other: "a"})
    states, changes = client.record(uuid), client.subscribe(f"record/{uuid}", snapshot=False)
    changes.expect("live")
    for name in ("b", "c"):
        update_record(connection, uuid, **{other: name})
        change = states.expect("change", changed=[other])
        assert (column in change["record"]) != (column in change.get("unchanged", []))
        expect_as_in_the_table(shared_relay, states)
        change = changes.expect("change")
        assert change["record"].get(column, ...) is not None
    update_record(connection, uuid, **{column: value[:-3] + ('"}' if infix == "dz642" else "")})
    states.expect("change", changed=[column])
    expect_as_in_the_table(shared_relay, states)
    with v1_client(shared_relay) as late:
        expect_as_in_the_table(shared_relay, late.record(uuid))


def test_several_changes_in_one_transaction(shared_relay: Relay, client: V1Client) -> None:
    """Each of them, in order, contiguous; the tokens differ in the index only; what is rolled back to a savepoint never was."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    one = client.record(uuid)
    with connection.transaction():
        update_record(connection, uuid, name="b")
        with connection.transaction(force_rollback=True):
            update_record(connection, uuid, name="never")
        delete_record(connection, uuid)
        insert_record(connection, uuid, {"name": "c"})
        update_record(connection, uuid, name="d")
    got = [one.expect("change") for _ in range(4)]
    assert [(change["type"], (change["record"] or {}).get("name")) for change in got] == [
        ("update", "b"), ("delete", None), ("insert", "c"), ("update", "d")]
    places = [place_of(change["token"]) for change in got]
    assert len({place.commit for place in places}) == 1
    assert len({place.index for place in places}) == 4
    assert len({change["at"] for change in got}) == 1
    expect_as_in_the_table(shared_relay, one)


def test_prepared_and_rolled_back(own_relay_database: Relay) -> None:
    """What was prepared comes when it is committed; what was rolled back never does."""
    relay = own_relay_database
    connection = relay.database.connection
    uuid = new_record(connection, name="a")
    with v1_client(relay) as client, relay.database.connect() as other:
        one = client.record(uuid)
        for name, end in (("never", "rollback"), ("b", "commit")):
            other.execute("begin")
            update_record(other, uuid, name=name)
            other.execute("prepare transaction 'e2e-v1'")
            one.expect_silence(0.1)
            assert client.record(uuid).record == one.record
            other.execute(f"{end} prepared 'e2e-v1'".encode())
        one.expect_changes("name", ["b"])


@pytest.fixture
def own_relay_database(own_database: Any, make_relay: Any) -> Relay:
    own_database.configure(max_prepared_transactions="10")
    relay: Relay = make_relay(own_database, "slot").start()
    return relay


@pytest.mark.parametrize(("infix", "statement"), [
    ("dz642", "update containers set priority = 17 where uuid = %s"),
    ("4zz18", "update collections set trash_at = now(), is_trashed = true where uuid = %s"),
    ("4zz18", "update collections set replication_confirmed = 2, replication_confirmed_at = now() where uuid = %s"),
    ("xvhdp", "update container_requests set cumulative_cost = 0.1 where uuid = %s")], ids=["priority", "trash", "keep-balance", "cost"])
def test_without_a_row_in_logs(shared_relay: Relay, client: V1Client, infix: str, statement: str) -> None:
    connection = shared_relay.database.connection
    uuid = new_record(connection, infix)
    one = client.record(uuid)
    connection.execute(statement.encode(), [uuid])
    one.expect("change", type="update")
    expect_as_in_the_table(shared_relay, one)


def test_truncate(shared_relay: Relay, client: V1Client) -> None:
    """All rows of the table are gone."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, "2x53u", hostname="a")
    one = client.record(uuid)
    connection.execute("truncate virtual_machines")
    one.expect("change", type="delete")
    client.refused("not_found", f"record/{uuid}")
    insert_record(connection, uuid, {"hostname": "b"})
    one.expect_changes("hostname", ["b"])


def test_without_a_snapshot(shared_relay: Relay, client: V1Client) -> None:
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    one = client.subscribe(f"record/{uuid}", snapshot=False)
    one.expect("live")
    update_record(connection, uuid, name="b")
    one.expect_changes("name", ["b"])
    client.refused("not_found", "record/zzzzz-4zz18-000000000000000", snapshot=False)


def odd_rows() -> list[Record]:
    return [
        {"name": "quote \" backslash \\ newline \n tab \t nul-like \x01 \u2028 \U0001f98a", "description": ""},
        {"properties": '{"big": 123456789012345678901234567890, "small": 1e-300, "deep": ' + "[" * 90 + "]" * 90 + "}"},
        {"properties": "[]"}, {"properties": "null"}, {"properties": None, "file_size_total": 2 ** 53 + 1},
        {"file_size_total": -(2 ** 63)}, {"trash_at": "infinity"}, {"trash_at": "0044-03-15 12:00:00 BC"},
        {"trash_at": "12345-01-02 03:04:05"}, {"storage_classes_desired": '["default", "ä"]'}]


@pytest.mark.parametrize("row", odd_rows(), ids=lambda row: str(row)[:40])
def test_odd_values(shared_relay: Relay, client: V1Client, row: Record) -> None:
    """Valid JSON, whatever the row holds; a snapshot and a change say the same."""
    connection = shared_relay.database.connection
    uuid = new_record(connection)
    one = client.record(uuid)
    update_record(connection, uuid, **row)
    one.expect("change")
    with v1_client(shared_relay) as other:
        assert other.record(uuid).record == one.record
    fresh = new_record(connection, **row)
    snapshot = client.record(fresh).record
    assert snapshot is not None and one.record is not None
    for column in row:
        assert snapshot[column] == one.record[column]


@pytest.mark.parametrize("text", ["", "not json", "{", "--- \na: 1\n", "--- {}\n", "[1,2,", '"a string"', "\u2028"])
def test_text_that_may_be_json(shared_relay: Relay, client: V1Client, text: str) -> None:
    """JSON and YAML are nested, anything else stays text."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, "dz642", mounts=text)
    one = client.record(uuid)
    assert one.record is not None
    expected: Any = {"a": 1} if "a: 1" in text else {} if text.startswith("--- {}") else "a string" if "string" in text else text
    assert one.record["mounts"] == expected or (text == "" and one.record["mounts"] in ("", None))


def test_not_one_write_of_the_system_user_is_lost_on_a_hot_record(shared_relay: Relay, client: V1Client) -> None:
    connection = shared_relay.database.connection
    uuid = new_record(connection, owner_uuid=SYSTEM_USER)
    one = client.record(uuid)
    for number in range(500):
        update_record(connection, uuid, replication_confirmed=number)
    one.expect_changes("replication_confirmed", list(range(500)))
