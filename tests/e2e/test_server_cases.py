"""What arvados-ws's own tests ask of a server, asked of the relay from outside.

Where they need Rails, the rows that Rails would write are written here. In this stage only administrators' tokens and
SystemRootToken see events; every other token gets the same replies and silence.
"""

import json

import pytest

from support.arvados import ANONYMOUS_TOKEN, SYSTEM_USER, ArvadosDatabase, Token, insert_log, new_uuid
from support.client import Client, Filter
from support.load import Writer
from support.relay import Relay


def in_types(*types: str) -> Filter:
    return [["event_type", "in", list(types)]]


@pytest.fixture
def database(shared_database: ArvadosDatabase) -> ArvadosDatabase:
    return shared_database


@pytest.fixture
def admin(database: ArvadosDatabase) -> Token:
    return database.token(database.admin())


@pytest.fixture
def active(database: ArvadosDatabase) -> Token:
    return database.token(database.user())


class Workflow:
    """The events of v0Suite: a workflow is created, something blips, the workflow is updated."""

    def __init__(self, database: ArvadosDatabase, owner: str = SYSTEM_USER) -> None:
        self.uuid = new_uuid("7fd4e")
        self._database = database
        self._owner = owner

    def _log(self, event_type: str, **properties: object) -> int:
        return self._database.log(object_uuid=self.uuid, object_owner_uuid=self._owner, event_type=event_type,
                                  properties=json.dumps(properties))

    def attributes(self, name: str) -> dict[str, object]:
        return {"uuid": self.uuid, "owner_uuid": self._owner, "name": name, "definition": "a long text"}

    def create(self) -> int:
        return self._log("create", old_attributes=None, new_attributes=self.attributes("one"))

    def blip(self) -> int:
        return self._log("blip", beep="boop")

    def update(self) -> int:
        return self._log("update", old_attributes=self.attributes("one"), new_attributes=self.attributes("two"))

    def emit(self) -> list[int]:
        return [self.create(), self.blip(), self.update()]


def witness_sees(relay: Relay, database: ArvadosDatabase, client: Client) -> None:
    """Silence of `client` while an administrator beside it gets an event."""
    with relay.client() as witness:
        witness.subscribe()
        witness.expect_ids(Workflow(database).emit())
    client.expect_silence(0.2)


# v0Suite

def test_filters(shared_relay: Relay, database: ArvadosDatabase, admin: Token) -> None:
    """Equal subscriptions are counted, and go one at a time."""
    with shared_relay.client(admin.v2) as client:
        for _ in range(3):
            client.subscribe(in_types("update"))
        client.subscribe(in_types("create"))
        client.unsubscribe(in_types("blip"), status=400)
        client.unsubscribe(in_types("create"))
        client.unsubscribe(in_types("update"))
        _, _, update = Workflow(database).emit()
        client.expect_ids([update])
        client.unsubscribe(in_types("update"))
        client.unsubscribe(in_types("update"))
        client.unsubscribe(in_types("update"), status=400)
        Workflow(database).emit()
        client.expect_silence()


def test_last_log_id(shared_relay: Relay, database: ArvadosDatabase, admin: Token) -> None:
    """The replay first, then what is new; the reply before both."""
    before = database.log()
    old = Workflow(database).emit()
    with shared_relay.client(admin.v1) as client:
        client.subscribe(last_log_id=before)
        client.expect_ids(old + Workflow(database).emit())
        client.expect_silence()


def test_resume_at_an_event_of_a_moment_ago(shared_relay: Relay, database: ArvadosDatabase) -> None:
    """The id may be in the database before it is in the feed: still neither it nor anything before it comes again."""
    for _ in range(25):
        with shared_relay.client() as client:
            before = database.log()
            after = [database.log(), database.log()]
            client.subscribe(last_log_id=before)
            client.expect_ids([*after, database.log()])


def test_last_log_id_and_filters(shared_relay: Relay, database: ArvadosDatabase, admin: Token) -> None:
    before = database.log()
    ids = [Workflow(database).emit() for _ in range(4)]
    with shared_relay.client(admin.v2) as client:
        client.subscribe(in_types("blip"), last_log_id=before)
        client.expect_ids([blip for _, blip, _ in ids] + [Workflow(database).emit()[1]])
        client.expect_silence()


def test_replay_meets_live_events_without_loss_or_repetition(shared_relay: Relay, database: ArvadosDatabase,
                                                             admin: Token) -> None:
    """arvados-ws does not deduplicate the two: each of many subscribes under load gets one unbroken run."""
    before = database.log()
    with Writer(database, per_second=400, lanes=3) as writer:
        writer.wait_for(30)
        for _ in range(10):
            with shared_relay.client(admin.v2) as client:
                client.subscribe(Writer.FILTER, last_log_id=before)
                wanted = len(writer.committed) + 20
                got = [event["id"] for event in client.events(timeout=5, limit=wanted)]
                writer.wait_for(5)
                assert got == writer.committed[:wanted]


def test_permission(shared_relay: Relay, database: ArvadosDatabase, admin: Token, active: Token) -> None:
    """A user who is no administrator gets the replies and no event, not even of the user's own objects."""
    with shared_relay.client(active.v2) as client, shared_relay.client(admin.v2) as other:
        client.subscribe()
        client.subscribe(in_types("create"), last_log_id=1)
        other.subscribe()
        owner = database.user()
        other.expect_ids(Workflow(database).emit() + Workflow(database, owner).emit())
        client.expect_silence(0.3)
        client.unsubscribe()
        client.unsubscribe(in_types("blip"), status=400)


def test_event_type_delete(shared_relay: Relay, database: ArvadosDatabase, admin: Token, active: Token) -> None:
    with shared_relay.client(admin.v2) as client, shared_relay.client(active.v2) as user:
        client.subscribe(in_types("delete"))
        user.subscribe(in_types("delete"))
        properties = json.dumps({"old_attributes": {"name": "gone"}, "new_attributes": None})
        ids = [database.log(event_type="delete", object_uuid=new_uuid("4zz18"), object_owner_uuid=database.user(),
                            properties=properties) for _ in range(2)]
        events = client.events(timeout=5, limit=2)
        assert [event["id"] for event in events] == ids
        assert all(event["properties"] == {"old_attributes": {"name": "gone"}} for event in events), events
        user.expect_silence(0.3)


def test_event_properties_fields(shared_relay: Relay, database: ArvadosDatabase, admin: Token) -> None:
    """Six attributes and no more; and the filter on object_uuid is honoured, which arvados-ws ignored."""
    request = new_uuid("xvhdp")
    kept = {"is_trashed": False, "name": "a request", "owner_uuid": SYSTEM_USER, "portable_data_hash": None,
            "requesting_container_uuid": new_uuid("dz642"), "state": "Committed"}
    with shared_relay.client(admin.v2) as client:
        client.subscribe([["object_uuid", "=", request]])
        Workflow(database).emit()
        wanted = database.log(event_type="create", object_uuid=request, properties=json.dumps(
            {"old_attributes": None, "new_attributes": {**kept, "mounts": {"/": {}}, "priority": 1}}))
        event = client.event()
    assert event["id"] == wanted, event
    assert event["properties"] == {"new_attributes": kept}
    assert event["object_kind"] == "arvados#containerRequest"


def test_trashed_collection(shared_relay: Relay, database: ArvadosDatabase, admin: Token) -> None:
    collection = new_uuid("4zz18")
    with shared_relay.client(admin.v2) as client:
        client.subscribe(in_types("update"))
        database.log(object_uuid=collection, properties=json.dumps(
            {"old_attributes": {"is_trashed": False}, "new_attributes": {"is_trashed": True}}))
        event = client.event()
    assert event["properties"] == {"old_attributes": {"is_trashed": False}, "new_attributes": {"is_trashed": True}}
    assert event["object_uuid"] == collection


def test_send_bad_json(shared_relay: Relay, admin: Token) -> None:
    with shared_relay.client(admin.v2) as client:
        client.send("\x1d]beep\n")
        assert client.message() == {"status": 400}
        client.subscribe()


def test_subscribe(shared_relay: Relay, database: ArvadosDatabase, admin: Token) -> None:
    with shared_relay.client(admin.v2) as client:
        client.send({"21": 12})
        assert client.message() == {"status": 400}
        client.subscribe([])
        client.expect_ids(Workflow(database).emit())


# Service tests

def test_event_source(shared_relay: Relay, database: ArvadosDatabase) -> None:
    """18 connections get every event in commit order, which is not the order of ids."""
    clients = [shared_relay.client() for _ in range(18)]
    try:
        for client in clients:
            client.subscribe()
        committed = []
        with database.connect() as late, late.transaction():
            low = insert_log(late)
            committed += [database.log() for _ in range(20)]
        committed.append(low)
        for client in clients:
            client.expect_ids(committed)
    finally:
        for client in clients:
            client.close()


def test_events_of_one_transaction_keep_their_order(shared_relay: Relay, database: ArvadosDatabase) -> None:
    with shared_relay.client() as client:
        client.subscribe()
        with database.connection.transaction():
            ids = [database.log() for _ in range(50)]
        client.expect_ids(ids)


def test_rolled_back_events_are_not_sent(shared_relay: Relay, database: ArvadosDatabase) -> None:
    with shared_relay.client() as client:
        client.subscribe()
        with database.connect() as connection:
            connection.execute("begin")
            insert_log(connection)
            connection.execute("rollback")
        client.expect_ids([database.log()])


def test_detail(shared_relay: Relay, database: ArvadosDatabase) -> None:
    """properties.text and everything beside it is passed on."""
    properties = {"text": "2013-11-07_23:33:41 zzzzz-8i9sb-ahd7cie8jah9qui 29610 1 stderr Tue\n", "node": "c97", "n": [1.5]}
    with shared_relay.client() as client:
        client.subscribe()
        database.log(event_type="stderr", properties=json.dumps(properties))
        assert client.event()["properties"] == properties


def test_detail_properties(shared_relay: Relay, database: ArvadosDatabase) -> None:
    """No properties are empty ones; a row whose properties cannot be read is skipped, and only that one."""
    with shared_relay.client() as client:
        client.subscribe()
        none = database.log(properties=None)
        database.log(properties="{\"unclosed\": [")
        good = database.log(properties='{"new_attributes":{"name":"x"}}')
        events = client.events(timeout=5, limit=2)
    assert [event["id"] for event in events] == [none, good]
    assert [event["properties"] for event in events] == [{}, {"new_attributes": {"name": "x"}}]


@pytest.mark.parametrize("who", ["nobody", "anonymous", "anonymous v2", "active", "inactive"])
def test_check_says_no(shared_relay: Relay, database: ArvadosDatabase, who: str, active: Token) -> None:
    tokens = {"nobody": None, "anonymous": ANONYMOUS_TOKEN, "anonymous v2": f"v2/zzzzz-gj3su-anonymouspublic/{ANONYMOUS_TOKEN}",
              "active": active.v2, "inactive": database.token(database.user(is_active=False)).v2}
    with shared_relay.client(tokens[who]) as client:
        client.subscribe()
        witness_sees(shared_relay, database, client)


def test_check_says_yes_to_administrators(shared_relay: Relay, database: ArvadosDatabase, admin: Token) -> None:
    """For collections, for a portable data hash as object, and for objects nobody has."""
    with shared_relay.client(admin.v1) as client:
        client.subscribe()
        objects = [new_uuid("4zz18"), "1f4b0bc7583c2a7f9102c395f4ffc5e3+45", new_uuid("7fd4e")]
        ids = [database.log(object_uuid=name) for name in objects]
        events = client.events(timeout=5, limit=3)
    assert [event["id"] for event in events] == ids
    assert [event["object_kind"] for event in events] == ["arvados#collection", "arvados#collection", "arvados#workflow"]


# The repairs of v0: filters that arvados-ws ignores

@pytest.mark.parametrize(("condition", "wanted"), [
    (["object_uuid", "=", "OBJECT"], True),
    (["object_uuid", "=", "zzzzz-4zz18-otherotherother"], False),
    (["object_uuid", "!=", "OBJECT"], False),
    (["object_uuid", "!=", "zzzzz-4zz18-otherotherother"], True),
    (["object_uuid", "in", ["zzzzz-4zz18-otherotherother", "OBJECT"]], True),
    (["object_uuid", "in", []], False),
    (["object_uuid", "not in", ["OBJECT"]], False),
    (["object_uuid", "not in", ["zzzzz-4zz18-otherotherother"]], True),
    (["object_uuid", "is_a", "arvados#collection"], True),
    (["object_uuid", "is_a", "arvados#container"], False),
    (["object_uuid", "is_a", ["arvados#container", "arvados#collection"]], True),
    (["object_uuid", "like", "zzzzz-4zz18-%"], True),
    (["object_uuid", "like", "zzzzz-7fd4e-%"], False),
    (["object_owner_uuid", "=", SYSTEM_USER], True),
    (["object_owner_uuid", "!=", SYSTEM_USER], False),
    (["object_owner_uuid", "is_a", "arvados#user"], True),
    (["event_type", "=", "update"], True),
    (["event_type", "=", "create"], False),
    (["event_type", "!=", "update"], False),
    (["event_type", "not in", ["create", "delete"]], True),
    (["event_type", "like", "up%"], True),
    (["created_at", ">=", "2020-01-01 00:00:00"], True),
    (["created_at", ">=", "2020-01-01"], True),
    (["created_at", ">=", "2999-01-01"], False),
    (["created_at", "<", "2999-01-01 12:00:00"], True),
], ids=str)
def test_filter(shared_relay: Relay, database: ArvadosDatabase, condition: list[object], wanted: bool) -> None:
    collection = new_uuid("4zz18")
    text = json.dumps([condition]).replace("OBJECT", collection)
    with shared_relay.client() as client:
        client.subscribe(json.loads(text))
        client.subscribe(in_types("e2e-end"))
        event = database.log(object_uuid=collection)
        end = database.log(event_type="e2e-end", object_uuid=new_uuid("dz642"), object_owner_uuid=new_uuid("j7d0g"))
        got = [found["id"] for found in client.events(timeout=5, limit=2 if wanted else 1)]
    # Conditions that exclude something let the closing event through as well, once: a connection's subscriptions are OR.
    assert got == ([event, end] if wanted else [end])


def test_two_subscriptions_are_or(shared_relay: Relay, database: ArvadosDatabase) -> None:
    with shared_relay.client() as client:
        client.subscribe([["object_uuid", "=", first := new_uuid("4zz18")]])
        client.subscribe([["object_uuid", "=", second := new_uuid("4zz18")], ["event_type", "in", ["create", "update"]]])
        ids = [database.log(object_uuid=first), database.log(object_uuid=second)]
        database.log(object_uuid=new_uuid("4zz18"))
        database.log(object_uuid=second, event_type="delete")
        client.expect_ids([*ids, database.log(object_uuid=first, event_type="delete")])
        client.expect_silence()
