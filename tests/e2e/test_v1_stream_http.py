"""Server-sent events as HTTP: what is refused, limits, connections of every kind, curl, readers that are slow."""

import re
import signal
import socket
import subprocess

import pytest

from conftest import RelayMaker
from support.arvados import SYSTEM_ROOT_TOKEN, ArvadosDatabase
from support.certificate import Certificate
from support.event_source import PATH, EventSource, Refused, names_of
from support.records import new_record, update_record
from support.relay import Relay
from support.v1_schema import problem_of
from support.wait import until

pytestmark = pytest.mark.only_source("slot")

NOBODY = "v2/zzzzz-gj3su-000000000000000/nobodyhasthistoken"


# What is refused

@pytest.mark.parametrize(("query", "status", "code"), [
    ("", 400, "bad_request"), ("topic=", 400, "bad_request"), ("topics=events", 400, "bad_request"),
    ("topic=events&topic=events", 400, "bad_request"), ("topic=weather", 404, "unknown_topic"),
    ("topic=record/nonsense", 404, "unknown_topic"), ("topic=record/zzzzz-4zz18-000000000000000", 404, "not_found"),
    ("topic=%00", 404, "unknown_topic"), ("topic=ev%00ents", 404, "unknown_topic"), ("topic=%ff", 400, "bad_request"),
    ("topic=%ed%a0%80", 400, "bad_request"), ("topic=" + "e" * 65, 404, "unknown_topic"), ("topic=" + "e" * 9000, 404, "unknown_topic"),
    ("topic=%22%7d", 404, "unknown_topic"), ("topic=events&snapshot=perhaps", 400, "bad_request"),
    ("topic=events&latest=2", 400, "bad_request"), ("topic=events&filters=all", 400, "bad_request"),
    ("topic=events&filters=[[", 400, "bad_request"), ("topic=events&filters=[1]", 400, "bad_request"),
    ("topic=events&filters=[[]],%22op%22:%22auth%22", 400, "bad_request"), ("topic=events&filters=" + "[" * 9000, 400, "bad_request"),
    ("topic=record/zzzzz-4zz18-000000000000000&select=[7]", 400, "bad_request"),
    ("topic=record/zzzzz-4zz18-000000000000000&select=api_token", 400, "bad_request"),
    ("topic=record/zzzzz-4zz18-000000000000000&select=,", 400, "bad_request"),
    ("topic=record/zzzzz-4zz18-000000000000000&select=[]", 400, "bad_request"),
    ("topic=record/zzzzz-4zz18-000000000000000&select=%00", 400, "bad_request"),
])
def test_bad_requests(shared_relay: Relay, query: str, status: int, code: str) -> None:
    """An answer in JSON, as the schema has it and as Arvados' clients read it; the connection is good for another one."""
    answer = shared_relay.http(f"{PATH}?{query}", headers={"Authorization": f"Bearer {SYSTEM_ROOT_TOKEN}"})
    assert answer.status == status, answer.body
    problem = problem_of(answer.json())
    assert problem is None, problem
    assert answer.json()["code"] == code, answer.body
    assert answer.json()["errors"] == [answer.json()["message"]]
    assert answer.media_type == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers.get("Connection") != "close"


@pytest.mark.parametrize("token", ["", NOBODY, "nonsense", "%00", "%22"])
def test_bad_tokens(shared_relay: Relay, token: str) -> None:
    answer = shared_relay.http(f"{PATH}?topic=events&api_token={token}")
    assert (answer.status, answer.json()["code"]) == (401, "unauthorized")
    assert token == "" or token not in answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods(shared_relay: Relay, method: str) -> None:
    answer = shared_relay.http(f"{PATH}?topic=events", method, {"Authorization": f"Bearer {SYSTEM_ROOT_TOKEN}"})
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_preflight(shared_relay: Relay) -> None:
    """As Arvados answers a browser that asks before it sends Authorization: to anyone, without a token."""
    answer = shared_relay.http(f"{PATH}?topic=events", "OPTIONS", {
        "Origin": "https://example.org", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"})
    assert (answer.status, answer.body) == (200, "")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Max-Age"] == "86486400"
    assert "GET" in answer.headers["Access-Control-Allow-Methods"]
    for header in ("Authorization", "Content-Type", "Last-Event-ID", "If-None-Match"):
        assert header in answer.headers["Access-Control-Allow-Headers"]


def test_head(shared_relay: Relay) -> None:
    """What GET would say, and nothing behind it."""
    uuid = new_record(shared_relay.database.connection)
    for query, status in ((f"topic=record/{uuid}", 200), ("topic=weather", 404), ("", 400)):
        answer = shared_relay.http(f"{PATH}?{query}", "HEAD", {"Authorization": f"Bearer {SYSTEM_ROOT_TOKEN}"})
        assert (answer.status, answer.body) == (status, "")


@pytest.mark.parametrize("size", [20_000, 1 << 20])
def test_a_huge_query(shared_relay: Relay, size: int) -> None:
    """Beyond what a head may have: refused, at once, and the relay lives."""
    with socket.create_connection(("127.0.0.1", shared_relay.port), timeout=10) as client:
        try:
            client.sendall(f"GET {PATH}?topic={'x' * size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            assert client.recv(4096).startswith(b"HTTP/1.1 431 ")
        except ConnectionResetError:
            pass
    test_head(shared_relay)


@pytest.mark.only_source("listener")
def test_without_a_slot(shared_relay: Relay) -> None:
    answer = shared_relay.http(f"{PATH}?topic=events", headers={"Authorization": f"Bearer {SYSTEM_ROOT_TOKEN}"})
    assert (answer.status, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]


def test_limits(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """Streams are sessions: of a user as many as there may be, each with so many subscriptions."""
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"].update(MaxSessionsPerUser=2, MaxSubscriptions=3)
    relay.start()
    uuids = [new_record(database.connection) for _ in range(4)]
    token = database.token(database.admin()).v2
    with EventSource(relay, *(f"record/{uuid}" for uuid in uuids), token=token) as one, EventSource(relay, "events", token=token) as two:
        seen = [one.next() for _ in range(7)]
        assert [message["code"] for message in seen if message["op"] == "error"] == ["too_many_subscriptions"]
        two.until_live()
        with pytest.raises(Refused) as refused:
            EventSource(relay, "events", token=token).connect()
        assert refused.value.status == 429
        assert refused.value.headers["Retry-After"]
    with EventSource(relay, "events", token=token) as again:
        until("the relay to have noticed who is gone", lambda: _connects(again))


def _connects(source: EventSource) -> bool:
    try:
        source.connect()
    except Refused:
        return False
    return True


# Connections

def test_a_client_that_goes_is_noticed(shared_relay: Relay) -> None:
    """Without anything being sent to it."""
    def streams() -> float:
        return shared_relay.metric("walcast_event_streams")

    before = streams()
    sources = [EventSource(shared_relay, "events") for _ in range(20)]
    for source in sources:
        source.until_live()
    assert streams() == before + 20
    for source in sources:
        source.close()
    until("the streams to be gone", lambda: streams() == before)


def test_http_1_0(shared_relay: Relay) -> None:
    """No chunks; the end of the connection is that of the answer."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    with EventSource(shared_relay, f"record/{uuid}", version="1.0") as source:
        source.until_live()
        assert source.answer is not None and "Transfer-Encoding" not in source.answer.headers
        update_record(connection, uuid, name="b")
        assert names_of(source, uuid, 1) == ["b"]


def test_tls(database: ArvadosDatabase, make_relay: RelayMaker, certificate: Certificate) -> None:
    relay = make_relay(database, "slot", tls=certificate.pair, tls_ca=certificate.ca)
    relay.start()
    uuid = new_record(database.connection, name="a")
    with EventSource(relay, f"record/{uuid}", "events", filters='[["event_type","=","tls"]]') as source:
        source.until_live()
        for number in range(200):
            update_record(database.connection, uuid, name=str(number), description="x" * 20_000)
        assert names_of(source, uuid, 200) == [str(number) for number in range(200)]
        source.drop()
        update_record(database.connection, uuid, name="b")
        assert names_of(source, uuid, 1) == ["b"]
    until("the stream to be gone", lambda: relay.metric("walcast_event_streams") == 0)


def test_pipelined_requests(shared_relay: Relay) -> None:
    """Before a stream they are answered; behind it they never are, and harm nothing."""
    uuid = new_record(shared_relay.database.connection, name="a")
    head = f"Host: x\r\nAuthorization: Bearer {SYSTEM_ROOT_TOKEN}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", shared_relay.port), timeout=10) as client:
        client.sendall(f"GET {PATH}?topic=weather HTTP/1.1\r\n{head}GET /nowhere HTTP/1.1\r\n{head}"
                       f"GET {PATH}?topic=record/{uuid} HTTP/1.1\r\n{head}GET /never HTTP/1.1\r\n{head}".encode())
        got = b""
        while b'"op":"live"' not in got:
            piece = client.recv(65536)
            assert piece, got
            got += piece
        assert re.findall(rb"HTTP/1.1 (\d+) ", got) == [b"404", b"404", b"200"]
        client.sendall(b"x" * 300_000)
        update_record(shared_relay.database.connection, uuid, name="b")
        got = b""
        while b'"op":"change"' not in got:
            got += client.recv(65536)
        assert b"HTTP/1.1" not in got


def test_curl(shared_relay: Relay) -> None:
    """As a newcomer runs it, to its end by Ctrl-C."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    curl = subprocess.Popen(["curl", "-sN", "-H", f"Authorization: Bearer {SYSTEM_ROOT_TOKEN}",
                             f"http://{shared_relay.host}{PATH}?topic=record/{uuid}&select=uuid,name"], stdout=subprocess.PIPE, text=True)
    assert curl.stdout is not None
    lines: list[str] = []
    try:
        while not lines or '"op":"live"' not in lines[-1]:
            lines.append(curl.stdout.readline().rstrip("\n"))
        assert f'"record":{{"uuid":"{uuid}","name":"a"}}' in "\n".join(lines)
        update_record(connection, uuid, name="b")
        while '"op":"change"' not in lines[-1]:
            lines.append(curl.stdout.readline().rstrip("\n"))
    finally:
        curl.send_signal(signal.SIGINT)
        curl.wait(10)
    assert lines[0].startswith("retry: ")
    assert [line.partition(": ")[2] for line in lines if line.startswith("event: ")] == ["hello", "auth", "snapshot", "live", "change"]


# Slow readers

def test_slow_readers(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """Far more than sockets and outbox hold: everything in order when they read, and nobody else waits."""
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"].update(OutboxBytes="64KiB", FeedBytes="128MiB")
    relay.start()
    uuid = new_record(database.connection, replication_confirmed=-1)
    with EventSource(relay, f"record/{uuid}", "events", filters='[["event_type","=","none"]]', receive_buffer=4096) as slow, \
            EventSource(relay, f"record/{uuid}") as other:
        slow.until_live()
        other.until_live()
        memory = relay.memory()
        for number in range(700):
            update_record(database.connection, uuid, replication_confirmed=number, description=f"{number} {'x' * 20_000}")
        assert [other.expect("change")["record"]["replication_confirmed"] for _ in range(700)] == list(range(700))
        assert relay.metric("arvados_ws_sinks_blocked") == 1
        assert relay.memory() < memory + (64 << 20)
        assert [slow.expect("change")["record"]["replication_confirmed"] for _ in range(300)] == list(range(300))
        slow.drop()
        assert [slow.expect("change")["record"]["replication_confirmed"] for _ in range(400)] == list(range(300, 700))


def test_lagging(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"].update(OutboxBytes="64KiB", FeedBytes="1MiB")
    relay.start()
    uuid = new_record(database.connection, replication_confirmed=-1)
    with EventSource(relay, f"record/{uuid}", receive_buffer=4096) as slow:
        slow.until_live()
        for number in range(700):
            update_record(database.connection, uuid, replication_confirmed=number, description=f"{number} {'x' * 20_000}")
        while (slow.states[f"record/{uuid}"].record or {}).get("replication_confirmed") != 699:
            slow.next()
        assert set(slow.states[f"record/{uuid}"].resets) == {"lagging"}
