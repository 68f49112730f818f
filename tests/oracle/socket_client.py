"""A WebSocket client made for reading many small messages, at whatever pace, and for leaving without a word."""

import asyncio
import base64
import json
import os
import socket
import struct
from contextlib import suppress
from typing import Any

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Ended(Exception):
    """The connection is over; `code` is that of the close frame, None if there was none."""

    def __init__(self, why: str, code: int | None = None) -> None:
        super().__init__(why)
        self.code = code


class SocketClient:
    """One connection, driven by coroutines of one event loop. Frames are split, nothing else: the relay sends whole texts."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._over: Ended | None = None

    @classmethod
    async def connect(cls, port: int, target: str, receive_buffer: int | None = None) -> "SocketClient":
        """Throws OSError or Ended. A small `receive_buffer` makes a client that is soon behind."""
        peer = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if receive_buffer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            peer.setblocking(False)
            await asyncio.get_running_loop().sock_connect(peer, ("127.0.0.1", port))
            reader, writer = await asyncio.open_connection(sock=peer, limit=receive_buffer or 1 << 18)
        except BaseException:
            peer.close()
            raise
        client = cls(reader, writer)
        try:
            await client._upgrade(target)
        except BaseException:
            client.abort()
            raise
        return client

    async def _upgrade(self, target: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self._writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Ended(f"before the upgrade: {error}") from None
        if not head.startswith(b"HTTP/1.1 101"):
            raise Ended(f"no upgrade: {head[:60]!r}")

    def send(self, message: dict[str, Any]) -> None:
        self._frame(TEXT, json.dumps(message).encode())

    def _frame(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        header = struct.pack("!BB", 0x80 | opcode, 0x80 | size) if size < 126 else \
            struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        self._writer.write(header + bytes(4) + payload)  # a masking key of zeros is a legal one

    async def texts(self, most: int = 1 << 16) -> list[bytes]:
        """Waits for the next texts, and takes those that are there, from up to `most` bytes at a time; throws Ended."""
        while True:
            if self._over is not None:
                raise self._over
            try:
                data = await self._reader.read(most)
            except OSError as error:
                raise Ended(str(error)) from None
            if not data:
                raise Ended("end of the stream")
            self._buffer += data
            found = self._split()
            if found:
                return found

    def _split(self) -> list[bytes]:
        buffer, at, found = self._buffer, 0, []
        while len(buffer) - at >= 2:
            size, begin = buffer[at + 1] & 0x7F, at + 2
            if size == 126:
                size, begin = int.from_bytes(buffer[at + 2:at + 4], "big"), at + 4
            elif size == 127:
                size, begin = int.from_bytes(buffer[at + 2:at + 10], "big"), at + 10
            if len(buffer) < begin + size:
                break
            opcode, payload = buffer[at] & 0x0F, bytes(buffer[begin:begin + size])
            at = begin + size
            if opcode == TEXT:
                found.append(payload)
            elif opcode == PING:
                self._frame(PONG, payload)
            elif opcode == CLOSE:
                self._over = Ended("close frame", int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005)
        del buffer[:at]
        return found

    def widen(self) -> None:
        """Takes as much as an ordinary client from now on. A small window is good for 20 kB a second, however quickly it is read."""
        with suppress(OSError):  # it is over: the next read tells
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def abort(self) -> None:
        """Leaves without a word."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Leaves as one should."""
        self._frame(CLOSE, struct.pack("!H", 1000))
        self._writer.close()
