"""Clients that come all the time: each connects, becomes a WebSocket, and goes."""

import socket
import threading
from collections import Counter

REQUEST = (b"GET /websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")


class Newcomers:
    """Some threads that connect one client after the other until they are told to stop, and count what becomes of each:
    "answered", "refused" (nobody listens), "reset" (let in, and then dropped without an answer), or something odd."""

    def __init__(self, port: int, threads: int = 3) -> None:
        self.counts: Counter[str] = Counter()
        self._port = port
        self._lock = threading.Lock()
        self._stop_event = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True, name="newcomer") for _ in range(threads)]

    def __enter__(self) -> "Newcomers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> Counter[str]:
        self._stop_event.set()
        for thread in self._threads:
            thread.join(timeout=30)
            assert not thread.is_alive(), "a newcomer got no answer for half a minute"
        return self.counts

    def _run(self) -> None:
        while not self._stop_event.wait(0.003):
            outcome = self._come()
            with self._lock:
                self.counts[outcome] += 1

    def _come(self) -> str:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=20) as one:
                one.sendall(REQUEST)
                answer = one.recv(4096)
        except ConnectionRefusedError:
            return "refused"
        except (ConnectionResetError, BrokenPipeError):
            return "reset"
        except TimeoutError:
            return "unanswered for 20 s"
        if not answer:
            return "reset"
        return "answered" if answer.startswith(b"HTTP/1.1 101 ") else repr(answer[:60])
