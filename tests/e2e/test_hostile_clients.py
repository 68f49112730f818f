"""Clients that break off, flood and dawdle: bounded memory and time, and a witness who notices nothing."""

import ctypes
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from conftest import RelayMaker
from support.arvados import MANAGEMENT_TOKEN, SYSTEM_ROOT_TOKEN, ArvadosDatabase
from support.certificate import Certificate
from support.load import Writer
from support.metrics import Metrics
from support.raw_websocket import CONTINUATION, PING, TEXT, RawWebSocket
from support.relay import Relay
from support.wait import until
from support.witness import Witness

pytestmark = pytest.mark.only_source("slot")  # sockets do not know the source

TARGET = f"/websocket?api_token={SYSTEM_ROOT_TOKEN}"
SUBSCRIBE = b'{"method":"subscribe","filters":[["event_type","in",["e2e-load"]]]}'
OK = (TEXT, b'{"status":200}')
MIB = 1 << 20
#: Connections to the database that the relay makes when it first wants them.
QUERY_CONNECTIONS = 4


@pytest.fixture
def relay(database: ArvadosDatabase, make_relay: RelayMaker) -> Relay:
    """One that soon gives up."""
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"]["HandshakeTimeout"] = "1s"
    relay.cluster["API"]["SendTimeout"] = "500ms"
    return relay.start()


@pytest.fixture(autouse=True)
def witness(relay: Relay) -> Iterator[Witness]:
    with Witness(relay) as witness:
        yield witness
        witness.wait_for(5)


def open_sockets(relay: Relay) -> float:
    return Metrics(relay.http("/metrics", headers={"Authorization": f"Bearer {MANAGEMENT_TOKEN}"}).body) \
        .value("arvados_ws_sockets", version="0")


# Peers that are gone without a word

def vanish(peer: socket.socket) -> None:
    """Drops whatever arrives before TCP sees it: nothing is acknowledged or refused, as behind a pulled cable."""
    drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0
    attach_filter = 26  # SO_ATTACH_FILTER
    peer.setsockopt(socket.SOL_SOCKET, attach_filter, struct.pack("HP", 1, ctypes.addressof(drop_all)))


@pytest.mark.parametrize("load", [False, True], ids=["idle", "with a full queue"])
def test_half_open_connections_end(relay: Relay, database: ArvadosDatabase, load: bool) -> None:
    """After ten SendTimeouts without an acknowledgement."""
    before = open_sockets(relay)
    with ExitStack() as stack:
        gone = [stack.enter_context(RawWebSocket(relay.port, TARGET)) for _ in range(20)]
        for one in gone:
            one.frame(TEXT, SUBSCRIBE)
            assert one.read() == OK
            vanish(one.socket)
        if load:
            with Writer(database, per_second=200, padding=40_000) as writer:
                writer.wait_for(50)
        assert open_sockets(relay) == before + 20
        started = time.monotonic()
        until("vanished peers to be given up", lambda: open_sockets(relay) == before, timeout=15)
        assert time.monotonic() - started > 2, "that was too quick for a client that is only slow"


def test_a_silent_client_stays(relay: Relay, database: ArvadosDatabase) -> None:
    """Longer than a peer may be gone: it acknowledges what it is sent, and that is enough."""
    with RawWebSocket(relay.port, TARGET) as silent:
        silent.frame(TEXT, SUBSCRIBE)
        assert silent.read() == OK
        time.sleep(8)
        written = database.log(event_type="e2e-load")
        while (frame := silent.read()) is not None and f'"id":{written},'.encode() not in frame[1]:
            assert frame[1] == b"{}"
        assert frame is not None


# Handshakes that stop half-way

@pytest.mark.parametrize("words", [b"", b"GET /websocket HTTP/1.1\r\nHost: x\r\nX-Long: "], ids=["silent", "half a header"])
def test_unfinished_handshakes(relay: Relay, witness: Witness, words: bytes) -> None:
    with ExitStack() as stack:
        before = len(relay.descriptors())
        started = time.monotonic()
        crowd = [stack.enter_context(socket.create_connection(("127.0.0.1", relay.port), timeout=5)) for _ in range(500)]
        for one in crowd:
            one.sendall(words)
        for one in crowd:
            one.recv(4096)  # the end or a status, not a timeout
        assert time.monotonic() - started < 6
        until("their descriptors to be free", lambda: len(relay.descriptors()) <= before + QUERY_CONNECTIONS)
        witness.wait_for(5)


def test_a_header_byte_by_byte(relay: Relay) -> None:
    """Each byte in time, all of them not."""
    with socket.create_connection(("127.0.0.1", relay.port), timeout=5) as dawdler:
        started = time.monotonic()
        try:
            for byte in b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000:
                dawdler.sendall(bytes([byte]))
                time.sleep(0.02)
                assert time.monotonic() - started < 5, "it may go on for ever"
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert time.monotonic() - started > 0.9


def test_unfinished_tls_handshakes(database: ArvadosDatabase, make_relay: RelayMaker, certificate: Certificate) -> None:
    """Nothing, a part of a ClientHello, all of it and then nothing."""
    relay = make_relay(database, "slot", tls=certificate.pair, tls_ca=certificate.ca)
    relay.cluster["Walcast"] |= {"HandshakeTimeout": "1s", "Slot": f"tls_{database.name}"}
    relay.start()
    outgoing = ssl.MemoryBIO()
    handshake = ssl.create_default_context(cafile=certificate.ca).wrap_bio(ssl.MemoryBIO(), outgoing,
                                                                           server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        handshake.do_handshake()
    hello = outgoing.read()
    with ExitStack() as stack, Witness(relay) as witness:
        before = len(relay.descriptors())
        crowd = [stack.enter_context(socket.create_connection(("127.0.0.1", relay.port), timeout=5)) for _ in range(150)]
        for number, one in enumerate(crowd):
            one.sendall((b"", hello[:40], hello)[number % 3])
        for one in crowd:
            try:
                while one.recv(65536):
                    pass
            except ConnectionResetError:
                pass
        until("their descriptors to be free", lambda: len(relay.descriptors()) <= before + QUERY_CONNECTIONS)
        witness.wait_for(5)


# Requests that are too much

def endless_headers() -> Iterator[bytes]:
    yield b"GET /websocket HTTP/1.1\r\n"
    while True:
        yield b"X-Header: value\r\n" * 1000


def endless_header() -> Iterator[bytes]:
    yield b"GET /websocket HTTP/1.1\r\nX-Header: "
    while True:
        yield b"x" * 16384


def endless_target() -> Iterator[bytes]:
    yield b"GET /"
    while True:
        yield b"x" * 16384


def endless_chunk_extension() -> Iterator[bytes]:
    yield b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;x="
    while True:
        yield b"x" * 16384


def endless_chunks() -> Iterator[bytes]:
    yield b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"1\r\nx\r\n" * 4000


def endless_trailer() -> Iterator[bytes]:
    yield b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    while True:
        yield b"X-Trailer: value\r\n" * 1000


def large_body() -> Iterator[bytes]:
    yield b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1099511627776\r\n\r\n"
    while True:
        yield b"x" * 16384


@pytest.mark.parametrize("bomb", [endless_headers, endless_header, endless_target, endless_chunk_extension, endless_chunks,
                                  endless_trailer, large_body], ids=lambda bomb: bomb.__name__)
def test_http_bomb(relay: Relay, bomb: Callable[[], Iterator[bytes]]) -> None:
    """Ended with 4xx after a bounded number of bytes, several at a time."""
    before = relay.memory()
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as connection:
            sent = 0
            try:
                for piece in bomb():
                    connection.sendall(piece)
                    sent += len(piece)
                    assert sent < 64 * MIB, "taken without end"
            except (BrokenPipeError, ConnectionResetError):
                continue  # it went on sending after the answer
    assert relay.memory() - before < 8 * MIB


# Frames that are too many, or too large

def flood(websocket: RawWebSocket, piece: bytes, most: int) -> tuple[int, bool]:
    """Sends copies of `piece` until the other side takes no more for two seconds; the bytes it took, and whether it
    stopped taking before `most`."""
    websocket.socket.settimeout(2)
    sent = 0
    while sent < most:
        try:
            sent += websocket.socket.send(piece[sent % len(piece):])
        except TimeoutError:
            return sent, True
    return sent, False


def test_ping_flood(relay: Relay, witness: Witness) -> None:
    """Who does not take the answers is not listened to; once it reads, it gets them all."""
    before = relay.memory()
    ping = b"\x89\x80\0\0\0\0"
    with RawWebSocket(relay.port, TARGET) as flooder:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            flooder.socket.setsockopt(socket.SOL_SOCKET, option, 65536)
        sent, stopped = flood(flooder, ping * 10_000, most=256 * MIB)
        assert stopped, "it takes pings without end"
        assert relay.memory() - before < 12 * MIB
        witness.wait_for(5)
        flooder.socket.settimeout(10)
        pongs = 0
        while pongs < sent // len(ping):
            got = flooder.socket.recv(MIB)
            assert got, f"closed after {pongs} of {sent // len(ping)}"
            pongs += got.count(b"\x8a\x00")
    assert relay.memory() - before < 12 * MIB


def test_message_flood_without_reading(relay: Relay, witness: Witness) -> None:
    """The same for what a session answers."""
    before = relay.memory()
    with RawWebSocket(relay.port, TARGET) as flooder:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            flooder.socket.setsockopt(socket.SOL_SOCKET, option, 65536)
        _, stopped = flood(flooder, b"\x81\x81\0\0\0\0x" * 10_000, most=256 * MIB)
        assert stopped, "it takes messages without end"
        witness.wait_for(5)
        assert relay.memory() - before < 12 * MIB


def test_a_message_that_does_not_end(relay: Relay, witness: Witness) -> None:
    """Empty fragments for two seconds from several clients, then the end of the message."""
    before = relay.memory()
    empty = b"\0\x80\0\0\0\0" * 10_000
    with ExitStack() as stack:
        flooders = [stack.enter_context(RawWebSocket(relay.port, TARGET)) for _ in range(4)]
        for one in flooders:
            one.frame(TEXT, SUBSCRIBE[:9], fin=False)
        until_ = time.monotonic() + 2
        while time.monotonic() < until_:
            for one in flooders:
                one.socket.sendall(empty)
        witness.wait_for(5)
        assert relay.memory() - before < 8 * MIB
        for one in flooders:
            one.frame(CONTINUATION, SUBSCRIBE[9:])
            frame = one.read()
            while frame is not None and frame[1] == b"{}":
                frame = one.read()
            assert frame == OK


def test_fragments_count_together(relay: Relay) -> None:
    """A message in small pieces has the limit of one in a single frame."""
    with RawWebSocket(relay.port, TARGET) as websocket:
        websocket.frame(TEXT, b"x" * 1024, fin=False)
        piece = struct.pack("!BBHI", 0, 0x80 | 126, 1024, 0) + b"x" * 1024
        websocket.socket.sendall(piece * 2047)
        websocket.frame(PING, b"")
        frame = websocket.read()
        while frame == (TEXT, b"{}"):
            frame = websocket.read()
        assert frame is not None and frame[0] == 10, f"2 MiB are allowed, got {frame}"
        websocket.frame(CONTINUATION, b"x")
        assert websocket.close_code() == 1009


def test_large_messages_from_many(relay: Relay, witness: Witness) -> None:
    """2 MiB each, 100 clients, again and again: the memory is given back."""
    def message() -> bytes:
        return b"\x81\xff" + (2 * MIB).to_bytes(8, "big") + bytes(4) + b"x" * 2 * MIB

    words = message()
    with ExitStack() as stack:
        clients = [stack.enter_context(RawWebSocket(relay.port, TARGET)) for _ in range(100)]
        before = relay.memory()
        for _ in range(2):
            for one in clients:
                one.socket.sendall(words)
            for one in clients:
                frame = one.read()
                while frame == (TEXT, b"{}"):
                    frame = one.read()
                assert frame == (TEXT, b'{"status":400}')
        witness.wait_for(5)
        assert relay.memory() - before < 24 * MIB


def test_compression_is_not_negotiated(relay: Relay) -> None:
    """So there is no bomb: a frame that says it is compressed is a protocol error."""
    with RawWebSocket(relay.port, TARGET, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n") as websocket:
        assert b"sec-websocket-extensions" not in websocket.head.lower()
        websocket.frame(TEXT, b"\xaa" * 100, reserved=4)
        assert websocket.close_code() == 1002
