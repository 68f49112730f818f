"""Many subscribed clients in a process of their own, so that each side has its own limit of descriptors.

As a program: PORT TARGET COUNT HABIT. It connects, subscribes, prints how many clients it has, and holds them until its
standard input ends. HABIT is what they do then:

    idle     they read whatever comes
    never    they read nothing, with a small receive buffer
    slowly   each reads 2 KiB a second, with a small receive buffer
"""

import base64
import os
import resource
import select
import socket
import subprocess
import sys
import time
from typing import IO

from support.arvados import SYSTEM_ROOT_TOKEN
from support.paths import E2E
from support.relay import Relay


class Crowd:
    """Such a process, usable as a context manager; it is there when all have subscribed."""

    def __init__(self, relay: Relay, count: int, habit: str, timeout: float = 60) -> None:
        self.count = count
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.crowd", str(relay.port), f"/websocket?api_token={SYSTEM_ROOT_TOKEN}", str(count),
             habit], cwd=E2E, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        output = self._process.stdout
        assert output is not None
        ready, _, _ = select.select([output], [], [], timeout)
        said = output.readline().strip() if ready else f"nothing within {timeout:g} s"
        if said != str(count):
            self.end()
            raise AssertionError(f"{count} {habit} clients: {said}")

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def join(port: int, target: str, habit: str) -> socket.socket:
    client = socket.socket()
    if habit != "idle":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.connect(("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    words = b'{"method":"subscribe","filters":[["event_type","in",["e2e-load"]]]}'
    # The key of zeros is a legal key, and leaves the payload as it is.
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
                   + bytes([0x81, 0x80 | len(words), 0, 0, 0, 0]) + words)
    got = b""
    while b'{"status":200}' not in got:
        more = client.recv(4096)
        if not more:
            raise ConnectionError(f"closed after {got[:60]!r}")
        got += more
    client.setblocking(False)
    return client


def live(clients: list[socket.socket], habit: str, until_closed: IO[str]) -> None:
    poll = select.epoll()
    poll.register(until_closed, select.EPOLLIN | select.EPOLLHUP)
    by_number = {client.fileno(): client for client in clients}
    if habit == "idle":
        for number in by_number:
            poll.register(number, select.EPOLLIN)
    while True:
        for number, _ in poll.poll(1 if habit == "slowly" else -1):
            if number == until_closed.fileno():
                return
            if not by_number[number].recv(65536):
                poll.unregister(number)
        if habit == "slowly":
            for client in clients:
                try:
                    client.recv(2048)
                except BlockingIOError:
                    pass


def main(port: int, target: str, count: int, habit: str) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients: list[socket.socket] = []
    try:
        for _ in range(count):
            clients.append(join(port, target, habit))
    except OSError as error:
        print(f"{error} at client {len(clients) + 1}", flush=True)
        time.sleep(1)
        return
    print(count, flush=True)
    live(clients, habit, sys.stdin)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
