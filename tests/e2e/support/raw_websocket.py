"""A WebSocket client that sends frames no library would send."""

import base64
import os
import socket
import struct

from support.wait import until

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class RawWebSocket:
    """An open WebSocket over a plain socket. Frames go out as told, right or wrong; incoming ones are split only."""

    def __init__(self, port: int, target: str, headers: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._buffer = b""
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n".encode())
        until("the answer to the upgrade", lambda: b"\r\n\r\n" in self._buffer or not self._receive(), every=0)
        self.head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        assert self.head.startswith(b"HTTP/1.1 101"), f"no upgrade: {self.head[:200]!r}"

    def __enter__(self) -> "RawWebSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def _receive(self) -> bool:
        """False at the end of the stream."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self._buffer += data
        return bool(data)

    def frame(self, opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = True, reserved: int = 0,
              length: int | None = None) -> None:
        """Sends one frame; `length` is what the header says if it is not the truth."""
        size = len(payload) if length is None else length
        first = (0x80 if fin else 0) | reserved << 4 | opcode
        marked = 0x80 if mask else 0
        if size < 126:
            header = struct.pack("!BB", first, marked | size)
        elif size < 65536:
            header = struct.pack("!BBH", first, marked | 126, size)
        else:
            header = struct.pack("!BBQ", first, marked | 127, size)
        if mask:
            # The key of zeros is a legal key, and leaves the payload as it is.
            header += bytes(4)
        try:
            self.socket.sendall(header + payload)
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed while we were sending: read() tells

    def read(self) -> tuple[int, bytes] | None:
        """The next frame as (opcode, payload), None at the end of the stream."""
        while True:
            if len(self._buffer) >= 2:
                size, at = self._buffer[1] & 0x7F, 2
                if size == 126:
                    size, at = int.from_bytes(self._buffer[2:4], "big"), 4
                elif size == 127:
                    size, at = int.from_bytes(self._buffer[2:10], "big"), 10
                if len(self._buffer) >= at + size and at <= len(self._buffer):
                    opcode, payload = self._buffer[0] & 0x0F, self._buffer[at:at + size]
                    self._buffer = self._buffer[at + size:]
                    return opcode, payload
            if not self._receive():
                return None

    def close_code(self) -> int | None:
        """Reads to the close frame and returns its code; None if the stream ends without one."""
        while (frame := self.read()) is not None:
            if frame[0] == CLOSE:
                return int.from_bytes(frame[1][:2], "big") if len(frame[1]) >= 2 else 1005
        return None
