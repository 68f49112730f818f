"""What clients send that nobody understands: 400, or the close code of RFC 6455, and no harm to anybody else."""

import json
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from conftest import RelayMaker
from support.arvados import SYSTEM_ROOT_TOKEN, ArvadosDatabase
from support.client import Client
from support.raw_websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawWebSocket
from support.relay import Relay

pytestmark = pytest.mark.only_source("slot")  # sessions do not know the source

SUBSCRIBE = b'{"method":"subscribe"}'
OK = (TEXT, b'{"status":200}')
BAD = (TEXT, b'{"status":400}')
MIB = 1 << 20
Misdeed = Callable[[RawWebSocket], None]


@pytest.fixture
def raw(shared_relay: Relay) -> Iterator[RawWebSocket]:
    with RawWebSocket(shared_relay.port, f"/websocket?api_token={SYSTEM_ROOT_TOKEN}") as websocket:
        yield websocket


@pytest.fixture(autouse=True)
def witness(shared_relay: Relay, shared_database: ArvadosDatabase) -> Iterator[Client]:
    """A client that was connected before the misdeed, and after it gets the next event and nothing else."""
    with shared_relay.client() as client:
        client.subscribe([["event_type", "in", ["e2e-witness"]]])
        yield client
        client.expect_ids([shared_database.log(event_type="e2e-witness")])


# Frames that end the connection, with the code that says why

@pytest.mark.parametrize(("code", "misdeed"), [
    (1002, lambda ws: ws.frame(TEXT, SUBSCRIBE, mask=False)),
    (1002, lambda ws: ws.frame(TEXT, SUBSCRIBE, reserved=4)),
    (1002, lambda ws: ws.frame(TEXT, SUBSCRIBE, reserved=1)),
    (1002, lambda ws: ws.frame(3, b"reserved opcode")),
    (1002, lambda ws: ws.frame(11, b"reserved control opcode")),
    (1002, lambda ws: ws.frame(PING, b"x", fin=False)),
    (1002, lambda ws: ws.frame(PING, b"x" * 126)),
    (1002, lambda ws: ws.frame(CONTINUATION, b"of nothing")),
    (1002, lambda ws: (ws.frame(TEXT, b'{"method":', fin=False), ws.frame(TEXT, b'"subscribe"}'))),
    (1002, lambda ws: ws.frame(CLOSE, b"\x03")),
    (1002, lambda ws: ws.frame(CLOSE, (999).to_bytes(2, "big"))),
    (1007, lambda ws: ws.frame(TEXT, b'{"method":"subscribe","x":"\xff"}')),
    (1007, lambda ws: ws.frame(TEXT, b'{"x":"\xc0\x80"}')),
    (1007, lambda ws: ws.frame(TEXT, b'{"x":"\xed\xa0\x80"}')),
    (1007, lambda ws: ws.frame(TEXT, b'{"x":"\xe2\x82')),
    (1007, lambda ws: (ws.frame(TEXT, b'{"x":"\xe2', fin=False), ws.frame(CONTINUATION, b'"}'))),
    (1009, lambda ws: ws.frame(TEXT, b'"' + b"x" * (2 * MIB) + b'"')),
    (1009, lambda ws: ws.frame(BINARY, b"x" * (2 * MIB + 1))),
    (1009, lambda ws: ws.frame(TEXT, b"", length=1 << 40)),
    (1009, lambda ws: ([ws.frame(TEXT if n == 0 else CONTINUATION, b"x" * MIB, fin=False) for n in range(3)])),
], ids=["not masked", "reserved bit 1", "reserved bit 3", "opcode 3", "opcode 11", "ping in pieces", "a ping too long",
        "continuation of nothing", "a message within a message", "close with one byte", "close with code 999",
        "no UTF-8", "overlong UTF-8", "a surrogate", "UTF-8 cut off", "UTF-8 broken by a frame's end", "2 MiB and 2 bytes",
        "binary, 2 MiB and 1 byte", "a terabyte announced", "3 MiB in pieces"])
def test_closed_with_a_code(raw: RawWebSocket, code: int, misdeed: Misdeed) -> None:
    misdeed(raw)
    assert raw.close_code() == code


# Messages that are refused, or odd but right: the connection lives

@pytest.mark.parametrize("message", [
    '{"method":"nope"}', '{"method":null}', '{"method":["subscribe"]}', '{"method":"subscribe"', '{"method":"subscribe",}',
    "{'method':'subscribe'}", '{"method":"sub\nscribe"}', '{"op":"subscribe"}', "[" * 100_000, '{"a":' * 100_000, "\x00", "NaN",
    '{"method":"subscribe","filters":[[["event_type"]]', '{"method":"unsubscribe","filters":[["event_type","in",["x"]]]}',
    '{"method":"subscribe","last_log_id":1e400}', '{"method":"subscribe","last_log_id":9223372036854775808}',
    '{"method":"subscribe","last_log_id":[1]}', '{"method":"subscribe","filters":[x]}', "\ufeff{}", "-", '"', "\\",
], ids=lambda text: repr(text[:40]))
def test_refused_with_400(raw: RawWebSocket, message: str) -> None:
    raw.frame(TEXT, message.encode())
    assert raw.read() == BAD
    raw.frame(TEXT, SUBSCRIBE)
    assert raw.read() == OK


@pytest.mark.parametrize("message", [
    '{"method":"subscribe","x":' + "[" * 200_000 + "]" * 200_000 + "}",
    '{"method":"subscribe","filters":[["event_type","in",["\\ud800"]]]}',
    '{"method":"subscribe","filters":[["event_type","in",["\\u0000"]]]}',
    '{"method":"subscribe","method":"nope"}',
    '{"method":"subscribe","filters":[[]]}',
    '{"method":"subscribe","filters":[["event_type"],["event_type","in"],["event_type","in","x"],[1,2,3],["","",""]]}',
    '{"method":"subscribe","filters":[["event_type","in",' + json.dumps(["x" * 9] * 100_000) + "]]}",
    '{"method":"subscribe","filters":' + json.dumps([["event_type", "in", ["x"]]] * 40_000) + "}",
    '{"method":"subscribe","filters":[["object_uuid","like","' + "%_" * 50_000 + 'x"]]}',
    '{"method":"subscribe","filters":[["created_at",">=","9999999-99-99T99:99:99Z"]]}',
    '{"method":"subscribe","last_log_id":-9223372036854775808,"filters":[["event_type","in",["never"]]]}',
    '{"method":"subscribe","last_log_id":9223372036854775807}',
], ids=lambda text: repr(text[:70]))
def test_survived(raw: RawWebSocket, shared_database: ArvadosDatabase, message: str) -> None:
    """200 or 400, whichever; then the connection, with a filter of its own, still gets its event within two seconds."""
    raw.frame(TEXT, message.encode())
    assert raw.read() in (OK, BAD)
    raw.frame(TEXT, b'{"method":"subscribe","filters":[["event_type","in",["e2e-after"]]]}')
    assert next_reply(raw) == OK
    started = time.monotonic()
    event = shared_database.log(event_type="e2e-after")
    frame = raw.read()
    while frame is not None and f'"id":{event}' not in frame[1].decode().replace(" ", ""):
        frame = raw.read()
    assert frame is not None, "the connection was closed"
    assert time.monotonic() - started < 2


def next_reply(raw: RawWebSocket) -> tuple[int, bytes] | None:
    """The next frame that is no event: the subscriptions above may match something."""
    frame = raw.read()
    while frame is not None and b'"id"' in frame[1]:
        frame = raw.read()
    return frame


@pytest.fixture
def two_megabytes() -> bytes:
    padding = 2 * MIB - len(SUBSCRIBE) - len(b',"x":""')
    return SUBSCRIBE[:-1] + b',"x":"' + b"x" * padding + b'"}'


def test_a_message_of_just_two_megabytes(raw: RawWebSocket, two_megabytes: bytes) -> None:
    assert len(two_megabytes) == 2 * MIB
    raw.frame(TEXT, two_megabytes)
    assert raw.read() == OK


def test_fragments_with_pings_between(raw: RawWebSocket) -> None:
    raw.frame(TEXT, SUBSCRIBE[:5], fin=False)
    raw.frame(PING, b"one")
    raw.frame(CONTINUATION, b"", fin=False)
    raw.frame(CONTINUATION, SUBSCRIBE[5:9], fin=False)
    raw.frame(PING, b"")
    raw.frame(PONG, b"nobody asked")
    raw.frame(CONTINUATION, SUBSCRIBE[9:])
    assert [raw.read(), raw.read(), raw.read()] == [(PONG, b"one"), (PONG, b""), OK]


def test_a_message_byte_by_byte(raw: RawWebSocket) -> None:
    for n, byte in enumerate(SUBSCRIBE):
        raw.frame(TEXT if n == 0 else CONTINUATION, bytes([byte]), fin=n == len(SUBSCRIBE) - 1)
    assert raw.read() == OK


def test_binary_frames_are_messages_too(raw: RawWebSocket) -> None:
    raw.frame(BINARY, b"\x00\xff\xfe")
    assert raw.read() == BAD
    raw.frame(BINARY, SUBSCRIBE)
    assert raw.read() == OK


def test_close_is_answered(raw: RawWebSocket) -> None:
    raw.frame(CLOSE, (1000).to_bytes(2, "big") + b"bye")
    assert raw.close_code() == 1000


def test_a_thousand_messages_at_once(raw: RawWebSocket) -> None:
    """Each is answered, in order."""
    for n in range(1000):
        raw.frame(TEXT, SUBSCRIBE if n % 3 == 0 else b"nonsense")
    assert [raw.read() for _ in range(1000)] == [OK if n % 3 == 0 else BAD for n in range(1000)]


def test_a_connection_that_breaks_off(shared_relay: Relay) -> None:
    """In the middle of a frame, with a reset instead of a close."""
    for _ in range(30):
        raw = RawWebSocket(shared_relay.port, f"/websocket?api_token={SYSTEM_ROOT_TOKEN}")
        raw.frame(TEXT, SUBSCRIBE, length=len(SUBSCRIBE) + 40)
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        raw.socket.close()


# Connections that say nothing

@pytest.mark.parametrize("words", [b"", b"GET /websocket HTTP/1.1\r\nHost: x\r\n"], ids=["silent", "half a request"])
def test_handshake_timeout(database: ArvadosDatabase, make_relay: RelayMaker, words: bytes) -> None:
    """Closed after HandshakeTimeout; a WebSocket that is open may be silent for as long as it likes."""
    relay = make_relay(database, "listener")
    relay.cluster["Walcast"]["HandshakeTimeout"] = "1s"
    relay.start()
    with relay.client() as client, socket.create_connection(("127.0.0.1", relay.port), timeout=5) as silent:
        started = time.monotonic()
        silent.sendall(words)
        silent.recv(4096)  # an HTTP status or the end, but not a timeout
        took = time.monotonic() - started
        assert 0.7 < took < 3, f"HandshakeTimeout is 1 s, it was closed after {took:.2f} s"
        time.sleep(1)
        client.subscribe()
        client.expect_ids([database.log()])
