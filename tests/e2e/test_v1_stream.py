"""Protocol v1 as server-sent events: the same messages, and ids that an EventSource resumes by, all topics at once."""

import json
import time

import pytest

from conftest import RelayMaker
from support.arvados import SYSTEM_ROOT_TOKEN, ArvadosDatabase, insert_log
from support.event_source import PATH, Answer, Ended, EventSource, Refused, names_of
from support.institute import Institute
from support.records import delete_record, insert_record, new_record, read_record, update_record
from support.relay import Relay
from support.v1 import v1_client
from support.wait import until

pytestmark = pytest.mark.only_source("slot")


def test_state_and_changes(shared_relay: Relay) -> None:
    """Insert, update, delete, and what comes back; an event's id moves with each message."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    with EventSource(shared_relay, f"record/{uuid}") as source:
        assert source.expect("snapshot", id=f"record/{uuid}")["record"] == read_record(connection, uuid)
        source.expect("live")
        ids = [source.id]
        update_record(connection, uuid, name="b")
        source.expect("change", type="update", changed=["name"])
        ids.append(source.id)
        delete_record(connection, uuid)
        source.expect("change", type="delete")
        insert_record(connection, uuid, {"name": "c"})
        source.expect("change", type="insert")
        ids.append(source.id)
        assert len(set(ids)) == 3 and all(0 < len(one) < 120 for one in ids), ids
        assert source.connections == 1


def test_the_head(shared_relay: Relay) -> None:
    """What a proxy and a page need to know; and the first event says how long to wait."""
    uuid = new_record(shared_relay.database.connection)
    answer = Answer(shared_relay, f"{PATH}?topic=record/{uuid}&api_token={SYSTEM_ROOT_TOKEN}", {"Origin": "https://example.org"})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Transfer-Encoding"] == "chunked"
    first = answer.read(5).decode()
    assert first.startswith("retry: ") and 1000 <= int(first.split()[1]) <= 3000, first
    answer.close()


@pytest.mark.parametrize("way", ["api_token", "bearer"])
def test_tokens(shared_relay: Relay, way: str) -> None:
    database = shared_relay.database
    uuid = new_record(database.connection)
    token = database.token(database.admin()).v2
    with EventSource(shared_relay, f"record/{uuid}", **({"token": token} if way == "api_token" else {"bearer": token})) as source:
        source.expect("snapshot")


def test_several_topics(shared_relay: Relay) -> None:
    """Records and events, with filters for the ones and columns for the others."""
    connection = shared_relay.database.connection
    one, two = new_record(connection, name="a"), new_record(connection, "xvhdp", name="x")
    with EventSource(shared_relay, f"record/{one}", f"record/{two}", "events", select='["uuid","name"]',
                     filters='[["event_type","=","streamed"]]') as source:
        source.until_live()
        assert source.states[f"record/{one}"].record == {"uuid": one, "name": "a"}
        with connection.transaction():
            update_record(connection, two, name="y")
            insert_log(connection, event_type="streamed")
            insert_log(connection, event_type="other")
            update_record(connection, one, name="b")
        got = [source.expect("change") for _ in range(3)]
        assert {message["id"] for message in got} == {f"record/{one}", f"record/{two}", "events"}
        source.expect_silence(0.2)
        names = EventSource(shared_relay, f"record/{one}", select="uuid,name")
        assert names.expect("snapshot")["record"] == {"uuid": one, "name": "b"}
        names.close()


def test_options(shared_relay: Relay) -> None:
    """Without a snapshot; from a resume token of a WebSocket; from the id of another stream."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    with EventSource(shared_relay, f"record/{uuid}", snapshot="false", latest="true") as source:
        source.expect("live")
        update_record(connection, uuid, name="b")
        source.expect("change", type="update")
        last = source.id
    with v1_client(shared_relay) as client:
        token = client.record(uuid).token
    update_record(connection, uuid, name="c")
    for after in (token, last):
        if after is last:  # of another request
            with EventSource(shared_relay, f"record/{uuid}", after=after) as source:
                source.expect("reset", reason="filter")
                source.expect("snapshot")
        else:
            with EventSource(shared_relay, f"record/{uuid}", after=after) as source:
                assert names_of(source, uuid, 1) == ["c"]
    with EventSource(shared_relay, f"record/{uuid}", snapshot="false", latest="true", after=last) as source:
        assert names_of(source, uuid, 1) == ["c"]


# Resuming

def test_from_every_id(shared_relay: Relay) -> None:
    """Of three topics, out of the middle of transactions that change all of them: nothing lost, nothing twice."""
    connection = shared_relay.database.connection
    uuids = [new_record(connection, name="0") for _ in range(2)]
    topics = [*(f"record/{uuid}" for uuid in uuids), "events"]
    filters = '[["event_type","=","each"]]'
    with EventSource(shared_relay, *topics, filters=filters) as source:
        source.until_live()
        places: list[tuple[str, int]] = [(source.id, 0)]
        for number in range(1, 4):
            with connection.transaction():
                for step in "ab":
                    for uuid in uuids:
                        update_record(connection, uuid, name=f"{number}{step}")
                    insert_log(connection, event_type="each")
            for _ in range(6):
                source.expect("change")
                places.append((source.id, len(places)))
        delete_record(connection, uuids[1])
        source.expect("change", type="delete")
        ends = {topic: (state.at, state.record) for topic, state in source.states.items()}
    for last, told in places:
        with EventSource(shared_relay, *topics, filters=filters, after=last) as again:
            for state in again.states.values():
                state.ask("somewhere")
            got = 0
            while got < 19 - told or any(state.stage != "live" for state in again.states.values()):
                got += again.next()["op"] == "change"
            assert got == 19 - told
            again.expect_silence(0.02)
            for topic, state in again.states.items():
                assert state.at is None or ends[topic][0] is None or state.at >= ends[topic][0]
                assert not state.changes or state.record == ends[topic][1] or topic == "events"


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_after_a_restart(database: ArvadosDatabase, make_relay: RelayMaker, how: str) -> None:
    """An EventSource comes back by itself: every change once, in order, of each topic."""
    relay = make_relay(database, "slot").start()
    one, two = new_record(database.connection, name="0"), new_record(database.connection, name="0")
    with EventSource(relay, f"record/{one}", f"record/{two}", "events", filters='[["event_type","=","restart"]]') as source:
        source.until_live()
        got: list[str] = []

        def take() -> None:
            message = source.next(30)
            assert message["op"] in ("change", "live"), message
            if message["op"] == "change":
                record = message["record"]
                got.append(f"{message['id']} {record.get('name') or record['properties']['text']}")

        for number in range(1, 31):
            update_record(database.connection, one, name=f"{number}")
            if number % 2 == 0:
                update_record(database.connection, two, name=f"{number}")
            database.log(event_type="restart", properties=json.dumps({"text": str(number)}))
            if number == 10:
                (relay.kill if how == "SIGKILL" else relay.stop)()
            elif number == 12:
                relay.start(wait=False)
            elif number == 20:
                while len(got) < 30:
                    take()
                while source.queue:  # what was read and is not looked at would be lost with the page, not with the connection
                    take()
                source.drop()
        expected = 30 + 15 + 30
        while len(got) < expected or any(state.stage != "live" for state in source.states.values()):
            take()
        assert [line for line in got if line.startswith(f"record/{one} ")] == [f"record/{one} {number}" for number in range(1, 31)]
        assert [line for line in got if line.startswith(f"record/{two} ")] == [f"record/{two} {number}" for number in range(2, 31, 2)]
        assert [line for line in got if line.startswith("events ")] == [f"events {number}" for number in range(1, 31)]
        source.expect_silence(0.2)
        assert source.connections >= 3
        assert not any(state.resets for state in source.states.values())


def test_goodbye(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """A relay that ends says so and ends the answer as it should be; the source waits as long as it was told."""
    relay = make_relay(database, "slot").start()
    uuid = new_record(database.connection, name="a")
    with EventSource(relay, f"record/{uuid}", patient=True) as source:
        source.until_live()
        assert source.answer is not None
        assert relay.stop() == 0
        piece = b""
        with pytest.raises(Ended) as ended:
            while True:
                piece += source.answer.read(5)
        assert ended.value.whole
        assert b'"op":"goodbye"' in piece
        relay.start()
        update_record(database.connection, uuid, name="b")
        source.close()
        assert names_of(source, uuid, 1) == ["b"]


def test_a_topic_that_is_refused(shared_relay: Relay) -> None:
    """The others live, and the error comes again when the source connects again."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    absent = "record/zzzzz-4zz18-000000000000000"
    with EventSource(shared_relay, absent, f"record/{uuid}") as source:
        seen = {(message["op"], message["id"]) for message in (source.next() for _ in range(3))}
        assert seen == {("error", absent), ("snapshot", f"record/{uuid}"), ("live", f"record/{uuid}")}
        source.drop()
        update_record(connection, uuid, name="b")
        seen = {(message["op"], message["id"]) for message in (source.next() for _ in range(3))}
        assert seen == {("error", absent), ("change", f"record/{uuid}"), ("live", f"record/{uuid}")}


def test_a_hundred_topics(shared_relay: Relay) -> None:
    """As many as there may be: the id is bounded, and a browser's header of it is taken."""
    connection = shared_relay.database.connection
    uuids = [new_record(connection, name="a") for _ in range(100)]
    with EventSource(shared_relay, *(f"record/{uuid}" for uuid in uuids)) as source:
        source.until_live()
        for uuid in uuids[::2]:
            update_record(connection, uuid, name="b")
        for _ in range(50):
            source.expect("change")
        assert len(source.id) < 4096
        source.drop()
        for uuid in uuids[::2]:
            update_record(connection, uuid, name="c")
        changes = 0
        while changes < 50 or any(state.stage != "live" for state in source.states.values()):
            changes += source.next()["op"] == "change"
        assert changes == 50
        assert not any(state.resets for state in source.states.values())
    with pytest.raises(Refused) as refused:
        EventSource(shared_relay, *(f"record/{uuid}" for uuid in [*uuids, "zzzzz-4zz18-000000000000000"])).connect()
    assert (refused.value.status, refused.value.code) == (400, "too_many_subscriptions")


@pytest.mark.parametrize("last", ["nonsense", "A" * 91, "%00", "a b", "A" * 5000])
def test_an_id_of_nobodys(shared_relay: Relay, last: str) -> None:
    """Is told so, as a token would be."""
    uuid = new_record(shared_relay.database.connection)
    with EventSource(shared_relay, f"record/{uuid}") as source:
        source.parser._id = source.parser.last_event_id = last
        source.states[f"record/{uuid}"].ask("nonsense")
        source.expect("reset", reason="auth")
        source.expect("snapshot")


def test_a_ping_moves_every_topic(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """So that a quiet topic of a busy stream does not fall behind what is kept; whatever else is sent meanwhile."""
    relay = make_relay(database, "slot")
    relay.cluster["API"]["SendTimeout"] = "1s"
    relay.start()
    busy, quiet = new_record(database.connection, name="a"), new_record(database.connection, name="a")
    with EventSource(relay, f"record/{busy}", f"record/{quiet}") as source:
        source.until_live()
        before = source.states[f"record/{quiet}"].at
        deadline = time.monotonic() + 10
        while source.states[f"record/{quiet}"].at == before and time.monotonic() < deadline:
            update_record(database.connection, busy, name=str(time.monotonic()))
            source.next()
            time.sleep(0.1)
        after = source.states[f"record/{quiet}"].at
        assert after is not None and before is not None and after > before
        source.drop()
        update_record(database.connection, quiet, name="b")
        assert names_of(source, quiet, 1) == ["b"]


# Rights

def test_revocation(shared_relay: Relay) -> None:
    """Silenced at its commit, restored with the state; a source that comes back while silenced is told that there is nothing."""
    institute = Institute(shared_relay.database)
    user, owner = institute.user(), institute.user()
    uuid = institute.collection(owner)
    grant = institute.grant(user, uuid)
    token = institute.database.token(user).v2

    def connected() -> EventSource | None:
        source = EventSource(shared_relay, f"record/{uuid}", "events", token=token)
        try:
            source.connect()
        except Refused:
            return None
        message = source.next()
        while message["op"] == "live" and message["id"] == "events":
            message = source.next()
        if message["op"] == "error":
            source.close()
            return None
        assert message["op"] == "snapshot"
        return source

    with until("the record to be readable", connected) as source:
        source.until_live()
        institute.destroy(grant)
        source.expect("silenced", id=f"record/{uuid}", reason="permission")
        institute.change(uuid, name="unseen")
        source.expect_silence()
        source.drop()
        message = source.next()
        while message["op"] != "error":
            assert message["id"] == "events", message
            message = source.next()
        assert (message["id"], message["code"]) == (f"record/{uuid}", "not_found")
    with until("the record to be readable", lambda: institute.grant(user, uuid) and connected()) as source:
        assert source.states[f"record/{uuid}"].record["name"] == "unseen"  # type: ignore[index]
    institute.close()


def test_a_token_that_expires(shared_relay: Relay) -> None:
    database = shared_relay.database
    uuid = new_record(database.connection)
    token = database.token(database.admin(), expires_at="now() + interval '2 s'").v2
    with EventSource(shared_relay, f"record/{uuid}", "events", token=token) as source:
        source.until_live()
        assert {source.expect("silenced", reason="token")["id"] for _ in range(2)} == {f"record/{uuid}", "events"}
        update_record(database.connection, uuid, name="unseen")
        source.expect_silence()
        source.drop()
        with pytest.raises(Refused) as refused:
            source.next()
        assert (refused.value.status, refused.value.code) == (401, "unauthorized")
        assert refused.value.headers["WWW-Authenticate"] == "Bearer"


def test_another_users_id(shared_relay: Relay) -> None:
    """Is of no use."""
    database = shared_relay.database
    uuid = new_record(database.connection)
    with EventSource(shared_relay, f"record/{uuid}") as source:
        source.until_live()
        last = source.id
    other = database.token(database.admin()).v2
    with EventSource(shared_relay, f"record/{uuid}", after=last, token=other) as source:
        source.expect("reset", reason="auth")
        source.expect("snapshot")


def test_json_on_several_lines(shared_relay: Relay) -> None:
    """A column may hold JSON as somebody has indented it; an event's data is one line."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, "xvhdp", mounts='{\n  "/tmp":\r\n {"kind": "tmp"}}')
    with EventSource(shared_relay, f"record/{uuid}", select="uuid,mounts") as source:
        assert source.expect("snapshot")["record"]["mounts"] == {"/tmp": {"kind": "tmp"}}
