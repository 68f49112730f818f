"""Protocol v1: who is let in, what is understood, and what is answered to what is not."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import psycopg
import pytest

from conftest import RelayMaker
from support.arvados import ANONYMOUS_TOKEN, SYSTEM_ROOT_TOKEN, SYSTEM_USER, ArvadosDatabase
from support.client import Closed
from support.clock import LIBRARY, Clock
from support.institute import Institute
from support.paths import OUTPUT
from support.raw_websocket import BINARY, CLOSE, TEXT, RawWebSocket
from support.records import new_record, update_record
from support.relay import Relay
from support.v1 import PATH, V1Client, v1_client
from support.wait import until

pytestmark = pytest.mark.only_source("slot")

NOBODY = "v2/zzzzz-gj3su-000000000000000/nobodyhasthistoken"


@pytest.fixture(scope="module")
def record(shared_relay: Relay) -> str:
    return new_record(shared_relay.database.connection)


@pytest.fixture
def client(shared_relay: Relay) -> Iterator[V1Client]:
    with v1_client(shared_relay) as client:
        yield client


def expect_alive(client: V1Client, record: str) -> None:
    """Nothing is left to read, and a subscription works."""
    client.unsubscribe(client.record(record))
    assert not client.other, list(client.other)


def test_hello(shared_relay: Relay, client: V1Client) -> None:
    assert client.hello["protocol"] == 1
    assert client.hello["limits"] == {"subscriptions": 1000, "frame_bytes": 2 << 20, "sessions_per_user": 4000,
                                      "sessions_per_address": client.hello["limits"]["sessions_per_address"]}
    assert client.hello["heartbeat_s"] == 60


@pytest.mark.only_source("listener")
def test_without_a_slot(shared_relay: Relay) -> None:
    """What cannot be exact is refused, not faked."""
    uuid = new_record(shared_relay.database.connection)
    with v1_client(shared_relay) as client:
        client.refused("unavailable", f"record/{uuid}")
        client.refused("unavailable", "events")
        client.refused("unavailable", f"grants/{shared_relay.database.user()}")


# Tokens

@pytest.mark.parametrize("way", ["api_token", "bearer", "message"])
def test_auth(shared_relay: Relay, record: str, way: str) -> None:
    database = shared_relay.database
    user = database.admin()
    token = database.token(user, expires_at="now() + interval '1 hour'").v2
    client = v1_client(shared_relay, None, wait=False) if way == "message" else \
        v1_client(shared_relay, token, wait=False) if way == "api_token" else v1_client(shared_relay, bearer=token, wait=False)
    with client:
        answer = client.auth(token) if way == "message" else client.expect("auth")
        assert answer["user"] == user
        assert answer["expires_at"].endswith("Z")
        expect_alive(client, record)


def test_the_systems_own_tokens(shared_relay: Relay, record: str) -> None:
    with v1_client(shared_relay, wait=False) as client:
        assert client.expect("auth", user=SYSTEM_USER)["expires_at"] is None
        expect_alive(client, record)
    with v1_client(shared_relay, ANONYMOUS_TOKEN, wait=False) as client:
        client.expect("auth")
        client.refused("not_found", f"record/{record}")


@pytest.mark.parametrize("token", [NOBODY, "nonsense", ""])
def test_bad_tokens(shared_relay: Relay, record: str, token: str) -> None:
    """Said once, and again when something is asked for; a good token is taken afterwards."""
    with v1_client(shared_relay, token or None, wait=False) as client:
        if token:
            assert token not in client.expect("error", code="unauthorized")["message"]
        client.refused("unauthorized", f"record/{record}")
        client.send({"op": "auth", "token": NOBODY})
        assert "id" not in client.expect("error", code="unauthorized")
        client.refused("unauthorized", "events")
        client.auth(SYSTEM_ROOT_TOKEN)
        expect_alive(client, record)


def test_auth_again(shared_relay: Relay, record: str) -> None:
    """Subscriptions live on if the new token may read the same."""
    database = shared_relay.database
    user = database.admin()
    with v1_client(shared_relay, database.token(user).v2) as client:
        subscription = client.record(record)
        assert client.auth(database.token(user).v2)["user"] == user
        update_record(database.connection, record, name="after another token")
        subscription.expect_changes("name", ["after another token"])


def test_auth_as_somebody_else(shared_relay: Relay, record: str) -> None:
    """What the new user may not read is silenced; what both may read goes on; with the first token all is restored."""
    database = shared_relay.database
    institute = Institute(database)
    user = database.user()
    both, first = institute.collection(user), record
    with v1_client(shared_relay) as client:
        here, there = client.record(both), client.record(first)
        client.auth(database.token(user).v2)
        while there.state.stage != "silenced":  # until it is known what the new user may read, a reset may tell to wait
            there.next()
        institute.change(first, name="hidden")
        institute.change(both, name="shown")
        while here.state.stage != "live" or here.state.record is None or here.state.record["name"] != "shown":
            here.next()
        there.expect_silence()
        client.auth(SYSTEM_ROOT_TOKEN)
        there.expect("restored")
        assert there.expect_snapshot()["name"] == "hidden"
    institute.close()


def test_a_token_that_expires(shared_relay: Relay, record: str) -> None:
    database = shared_relay.database
    user = database.admin()
    token = database.token(user, expires_at="now() + interval '1.5 s'").v2
    with v1_client(shared_relay, token) as client:
        one, events = client.record(record), client.events()
        one.expect("silenced", timeout=5, reason="token")
        events.expect("silenced", timeout=5, reason="token")
        update_record(database.connection, record, name="unseen")
        one.expect_silence()
        client.refused("unauthorized", f"record/{record}")
        client.auth(database.token(user).v2)
        one.expect("restored")
        assert one.expect_snapshot()["name"] == "unseen"
        events.expect("restored")
        events.expect("live")


def test_a_token_that_is_deleted(shared_relay: Relay, record: str) -> None:
    """In a transaction that changes the record too: that is not sent any more."""
    database = shared_relay.database
    token = database.token(database.admin())
    with v1_client(shared_relay, token.v2) as client:
        one = client.record(record)
        with database.connection.transaction():
            update_record(database.connection, record, name="too late")
            database.connection.execute("delete from api_client_authorizations where uuid = %s", [token.uuid])
        one.expect("silenced", reason="token")
        one.expect_silence()


def test_scopes(shared_relay: Relay, record: str) -> None:
    """A token for some paths reads those."""
    database = shared_relay.database
    other = new_record(database.connection, "7fd4e")
    token = database.token(database.admin(), scopes='["GET /arvados/v1/collections/"]').v2
    with v1_client(shared_relay, token) as client:
        client.record(record)
        client.refused("not_allowed", f"record/{other}")


# Subscriptions

def test_unsubscribe(shared_relay: Relay, client: V1Client, record: str) -> None:
    """Nothing comes behind `end`, and the id may be used again."""
    subscription = client.record(record, id="again")
    client.unsubscribe(subscription)
    update_record(shared_relay.database.connection, record, name="unheard")
    assert client.pump(0.4) is None
    client.record(record, id="again")
    client.send({"op": "unsubscribe", "id": "nobody"})
    client.expect("error", code="not_found", id="nobody")


def test_the_same_record_twice(shared_relay: Relay, client: V1Client, record: str) -> None:
    one, two = client.record(record), client.record(record, select=["uuid", "name"])
    update_record(shared_relay.database.connection, record, name="both")
    one.expect_changes("name", ["both"])
    assert two.expect("change")["record"] == {"uuid": record, "name": "both"}


@pytest.mark.parametrize(("request_", "code"), [
    ({"op": "subscribe", "id": "x", "topic": "record/zzzzz-aaaaa-000000000000000"}, "unknown_topic"),
    ({"op": "subscribe", "id": "x", "topic": "record/nonsense"}, "unknown_topic"),
    ({"op": "subscribe", "id": "x", "topic": "record/"}, "unknown_topic"),
    ({"op": "subscribe", "id": "x", "topic": "weather"}, "unknown_topic"),
    ({"op": "subscribe", "id": "x", "topic": "record/zzzzz-4zz18-000000000000000"}, "not_found"),
    ({"op": "subscribe", "id": "x", "topic": "record/zzzzz-gv0sa-000000000000000"}, "unknown_topic"),
    ({"op": "subscribe", "id": "x", "topic": 7}, "bad_request"),
    ({"op": "subscribe", "id": "x", "topic": "e" * 1025}, "bad_request"),
    ({"op": "subscribe", "id": "x", "topic": "events", "filters": "all"}, "bad_request"),
    ({"op": "subscribe", "id": "x", "topic": "events", "after": 7}, "bad_request"),
    ({"op": "subscribe", "id": "x", "topic": "record/zzzzz-4zz18-000000000000000", "select": ["no_such_column"]}, "bad_request"),
    ({"op": "subscribe", "id": "x", "topic": "record/zzzzz-4zz18-000000000000000", "select": ["api_token"]}, "bad_request"),
    ({"op": "subscribe", "id": "x", "topic": "record/zzzzz-4zz18-000000000000000", "select": "uuid"}, "bad_request"),
    ({"op": "subscribe", "id": "x", "topic": "record/zzzzz-4zz18-000000000000000", "select": []}, "bad_request"),
    ({"op": "subscribe", "id": "x"}, "bad_request"),
    ({"op": "subscribe", "topic": "events"}, "bad_request"),
    ({"op": "subscribe", "id": "", "topic": "events"}, "bad_request"),
    ({"op": "subscribe", "id": "ü" * 33, "topic": "events"}, "bad_request"),
    ({"op": "subscribe", "id": ["x"], "topic": "events"}, "bad_request"),
    ({"op": "unsubscribe"}, "bad_request"),
    ({"op": "dance"}, "bad_request"),
    ({"op": None}, "bad_request"),
    ({"id": "x"}, "bad_request"),
    ({"op": "auth"}, "bad_request"),
    ({"op": "auth", "token": {}}, "bad_request"),
    ("[]", "bad_request"), ("7", "bad_request"), ("null", "bad_request"), ("{", "bad_request"), ("nonsense", "bad_request"),
    ('{"op":"subscribe","id":"x","topic":"events"}}', "bad_request"), ("[" * 100_000, "bad_request"),
    ('{"op":"subscribe","id":"\\ud800","topic":"events"}', "bad_request"),
])
def test_what_is_refused(client: V1Client, record: str, request_: object, code: str) -> None:
    """With the id of what it is about, if that much can be read; the connection lives, and so do other subscriptions."""
    subscription = client.record(record)
    client.send(request_)  # type: ignore[arg-type]
    error = client.expect("error", code=code)
    if isinstance(request_, dict) and request_.get("id") == "x" and "op" in request_:
        assert error["id"] == "x", error
    subscription.expect_silence(0.05)
    expect_alive(client, record)


def test_an_id_that_is_in_use(client: V1Client, record: str) -> None:
    """The first one lives on."""
    subscription = client.record(record, id="mine")
    client.send({"op": "subscribe", "id": "mine", "topic": "events"})
    subscription.expect("error", code="bad_request")
    expect_alive(client, record)
    assert subscription.state.stage == "live"


@pytest.mark.parametrize("text", ["", '{"op":"pong"}', '{"op":"pong","more":[1,{"x":null}]}'])
def test_what_needs_no_answer(client: V1Client, record: str, text: str) -> None:
    client.send(text)
    expect_alive(client, record)


def test_unknown_keys_and_null(client: V1Client, record: str) -> None:
    client.send({"op": "subscribe", "id": "s1", "topic": f"record/{record}", "select": None, "after": None, "snapshot": None,
                 "filters": None, "latest": None, "weather": {"fine": True}})
    messages = [client.websocket.recv(timeout=5) for _ in range(2)]
    assert '"op":"snapshot"' in str(messages[0]) and '"op":"live"' in str(messages[1])


def test_too_many_subscriptions(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"]["MaxSubscriptions"] = 5
    relay.start()
    uuid = new_record(database.connection)
    with v1_client(relay) as client:
        assert client.hello["limits"]["subscriptions"] == 5
        first = client.record(uuid)
        for _ in range(4):
            client.record(uuid)
        client.refused("too_many_subscriptions", f"record/{uuid}")
        client.refused("too_many_subscriptions", "events")
        client.unsubscribe(first)
        client.events()


def test_too_many_sessions(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"]["MaxSessionsPerUser"] = 3
    relay.start()
    token = database.token(database.user()).v2
    with ExitStack() as stack:
        clients = [stack.enter_context(v1_client(relay, token)) for _ in range(3)]
        assert clients[0].hello["limits"]["sessions_per_user"] == 3
        assert v1_client(relay, token, wait=False).wait_close() == 1008
        stack.enter_context(v1_client(relay))


# Frames

def test_a_huge_message(shared_relay: Relay) -> None:
    """Who is still sending may lose the Close frame to the reset that follows; not each time."""
    codes = []
    while 1009 not in codes and len(codes) < 10:
        with v1_client(shared_relay) as client:
            with suppress(Closed):  # which may come before all of it has been sent
                client.send('{"op":"pong","x":"' + "x" * (2 << 20) + '"}')
            codes.append(client.wait_close())
    assert codes[-1] == 1009 and set(codes) <= {1009, None}, codes


def test_binary_frames(client: V1Client, record: str) -> None:
    """As good as text."""
    client.send(f'{{"op":"subscribe","id":"b","topic":"record/{record}"}}'.encode())
    assert '"op":"snapshot"' in str(client.websocket.recv(timeout=5))


@pytest.mark.parametrize("payload", [b'{"op":"\xff"}', b'{"op":"auth","token":"\xc3("}', b"\xed\xa0\x80"])
def test_wrong_utf8(shared_relay: Relay, payload: bytes) -> None:
    """In a text frame RFC 6455 has the connection closed, or it is a bad request; in a binary frame it is one."""
    with RawWebSocket(shared_relay.port, f"{PATH}?api_token={SYSTEM_ROOT_TOKEN}") as raw:
        assert_hello_and_auth(raw)
        raw.frame(BINARY, payload)
        frame = raw.read()
        assert frame is not None and frame[0] == TEXT and b"bad_request" in frame[1], frame
        raw.frame(TEXT, payload)
        frame = raw.read()
        assert frame is not None
        assert (frame[0] == TEXT and b"bad_request" in frame[1]) or (frame[0] == CLOSE and frame[1][:2] == b"\x03\xef"), frame


def assert_hello_and_auth(raw: RawWebSocket) -> None:
    for op in (b'"op":"hello"', b'"op":"auth"'):
        frame = raw.read()
        assert frame is not None and op in frame[1], frame


def test_ping_when_idle(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """Its token is good for every subscription of the connection."""
    relay = make_relay(database, "slot")
    relay.cluster["API"]["SendTimeout"] = "1s"
    relay.start()
    uuid = new_record(database.connection)
    with v1_client(relay) as client:
        assert client.hello["heartbeat_s"] == 1
        one, events = client.record(uuid), client.events()
        deadline = time.monotonic() + 5
        while not any("token" in ping for ping in client.pings) and time.monotonic() < deadline:
            client.pump(1)
        token = next(ping["token"] for ping in client.pings if "token" in ping)
    update_record(database.connection, uuid, name="meanwhile")
    with v1_client(relay) as client:
        one = client.subscribe(f"record/{uuid}", after=token)
        assert {one.next(10)["op"] for _ in range(2)} == {"change", "live"}  # in this order, if the relay has read it by then
        assert one.record is not None and one.record["name"] == "meanwhile"
        events = client.subscribe("events", after=token)
        events.expect("live")


def test_goodbye(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    relay = make_relay(database, "slot").start()
    with v1_client(relay) as client:
        relay.stop_without_waiting()
        assert client.expect("goodbye", reason="restart")["retry_after_ms"] >= 0
        assert client.wait_close() == 1012
    assert relay.wait_exit(10) == 0


@pytest.mark.skipif(not LIBRARY.exists(), reason="needs Debian's package libfaketime")
def test_a_clock_that_is_set_back(own_database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """By an hour: what is done now and then is done all the same, and who is in doubt about its token asks again."""
    relay = make_relay(own_database, "slot")
    clock = Clock(OUTPUT / "clock")
    relay.environment.update(clock.environment)
    relay.cluster["API"]["SendTimeout"] = "1s"
    relay.start()
    connection = own_database.connection
    uuid = new_record(connection, name="a")
    with v1_client(relay, own_database.token(own_database.admin()).v2) as client:
        one = client.record(uuid)
        clock.set(-3600)
        time.sleep(2)
        client.pings.clear()
        until("a ping", lambda: client.pump(0.1) is None and client.pings)
        connection.execute("select pg_terminate_backend(active_pid) from pg_replication_slots where active")
        until("the slot to be gone", lambda: drop_slot(connection, f"walcast_{own_database.name}"), every=0.001)
        one.expect_reset("epoch", 30)
        update_record(connection, uuid, name="b")
        one.expect_changes("name", ["b"])


def drop_slot(connection: psycopg.Connection, name: str) -> bool:
    try:
        connection.execute("select pg_terminate_backend(active_pid) from pg_replication_slots where active")
        connection.execute("select pg_drop_replication_slot(%s)", [name])
    except psycopg.errors.ObjectInUse:
        return False
    return True
