"""The proxy does what it says: each fault is seen by the two ends as it would be on a network."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from fault_proxy import FaultProxy
from support.wait import free_port, until


class Server:
    """Accepts connections, and answers each byte with a kilobyte."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.received: list[bytes] = []
        self.ends: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # ends the accept() that waits
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while data := connection.recv(4096):
                self.received.append(data)
                connection.sendall(b"." * 1024 * len(data))
            self.ends.append("end")
        except OSError:
            self.ends.append("reset")
        connection.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    with FaultProxy(free_port(), server.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        assert ask(client) == 1024
        yield client


def ask(client: socket.socket, count: int = 1) -> int:
    """Sends so many bytes; returns how many came back, up to the expected number, the end, or a fifth of a second of silence."""
    client.sendall(b"?" * count)
    return count_bytes(client, 1024 * count)


def count_bytes(client: socket.socket, wanted: int, patience: float = 0.2) -> int:
    client.settimeout(patience)
    got = 0
    with suppress(TimeoutError, ConnectionResetError):
        while got < wanted and (data := client.recv(65536)):
            got += len(data)
    return got


def reset(client: socket.socket) -> bool:
    client.settimeout(2)
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        return True
    return False


def test_passes_everything_on(client: socket.socket) -> None:
    assert ask(client, 500) == 512_000


def test_ends_pass_through(client: socket.socket, server: Server) -> None:
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    assert server.ends == ["end"]


def test_stop_loses_nothing(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.stop()
    assert ask(client) == 0
    proxy.go()
    assert count_bytes(client, 1024) == 1024


def test_stop_keeps_new_connections_waiting(proxy: FaultProxy, server: Server) -> None:
    proxy.stop()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        assert ask(client) == 0
        assert server.received == []
        proxy.go()
        assert count_bytes(client, 1024) == 1024


def test_swallow_loses_and_then_resets(proxy: FaultProxy, client: socket.socket, server: Server) -> None:
    proxy.swallow()
    assert ask(client, 3) == 0
    assert server.received == [b"?"]
    proxy.spit()
    assert reset(client)
    until("the server to see it", lambda: server.ends == ["reset"])


def test_nothing_passes_behind_what_was_lost(proxy: FaultProxy, client: socket.socket, server: Server) -> None:
    """Also between the end of the fault and the end of the connection."""
    proxy.swallow()
    assert ask(client, 3) == 0
    proxy._set(_swallowing=False)
    assert ask(client) == 0
    assert server.received == [b"?"]


def test_a_connection_that_lost_nothing_survives(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.swallow()
    proxy.spit()
    assert ask(client) == 1024


def test_drop_amid_a_message(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.drop_after(1500)
    assert ask(client) == 1024
    assert ask(client) == 476
    assert reset(client) or client.recv(1) == b""


def test_a_drop_that_was_called_off_loses_nothing(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.drop_after(1500)
    assert ask(client) == 1024
    proxy.drop_after(None)
    assert ask(client, 10) == 10_240


def test_delay(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.delay(0.1)
    began = time.monotonic()
    client.sendall(b"?")
    assert count_bytes(client, 1024, patience=2) == 1024
    assert time.monotonic() - began >= 0.2  # there and back
    proxy.delay(0)


def test_throttle(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.throttle(10_240)
    began = time.monotonic()
    client.sendall(b"?" * 4)
    assert count_bytes(client, 4096, patience=2) == 4096
    assert time.monotonic() - began >= 0.3
    proxy.throttle(0)
    assert ask(client, 500) == 512_000


def test_half_close(proxy: FaultProxy, client: socket.socket, server: Server) -> None:
    proxy.half_close()
    assert client.recv(1) == b""
    client.sendall(b"!!")
    until("the server to get it", lambda: b"!!" in server.received)
    proxy.heal()
    until("the server to lose the connection", lambda: server.ends == ["reset"])


def test_cut(proxy: FaultProxy, client: socket.socket, server: Server) -> None:
    proxy.cut()
    assert reset(client)
    until("the server to see it", lambda: server.ends == ["reset"])


def test_refuse(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    assert ask(client) == 1024
    proxy.accept()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as another:
        assert ask(another) == 1024


def test_without_a_server(proxy: FaultProxy, server: Server) -> None:
    server.close()
    # The reset may come before connect has returned.
    with suppress(ConnectionResetError), socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        assert client.recv(1) == b""
