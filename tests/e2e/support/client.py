"""A v0 client: one WebSocket connection, JSON in and out."""

import json
import ssl
import time
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

Filter = list[list[Any]]
Message = dict[str, Any]


def parse(text: str) -> Any:
    """JSON as RFC 8259 has it: Python's own NaN and Infinity are refused."""
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON: {text[:400]}")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise AssertionError(f"too deep for Python's json, so the SDK's thread would die of it: {text[:400]}") from None


class Closed(AssertionError):
    """The relay closed a connection on which a test was waiting."""

    def __init__(self, error: ConnectionClosed) -> None:
        close = error.rcvd
        self.code = close.code if close else None
        super().__init__(f"the relay closed the connection: {error}")


class Client:
    """Idle `{}` frames are dropped everywhere; every wait has an end, and a failure says what came instead."""

    def __init__(self, url: str, tls_ca: str | None = None, headers: dict[str, str] | None = None) -> None:
        context = ssl.create_default_context(cafile=tls_ca) if tls_ca else None
        self.websocket = connect(url, ssl=context, compression=None, max_size=None, max_queue=None, open_timeout=10,
                                 close_timeout=2, ping_interval=None, proxy=None, additional_headers=headers)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.websocket.close()

    def send(self, message: Message | str | bytes) -> None:
        try:
            self.websocket.send(json.dumps(message) if isinstance(message, dict) else message)
        except ConnectionClosed as error:
            raise Closed(error) from None

    def text(self, timeout: float) -> str | None:
        """The next frame that is not `{}`, or None after `timeout` seconds without one."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                frame = self.websocket.recv(timeout=max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                return None
            except ConnectionClosed as error:
                raise Closed(error) from None
            assert isinstance(frame, str), f"a binary frame: {frame[:100]!r}"
            if frame.strip() != "{}":
                return frame

    def message(self, timeout: float = 10) -> Message:
        text = self.text(timeout)
        assert text is not None, f"no frame within {timeout:g} s"
        message = parse(text)
        assert isinstance(message, dict), f"not an object: {text[:200]}"
        return message

    def subscribe(self, filters: Filter | None = None, last_log_id: int | None = None, timeout: float = 10) -> None:
        """Subscribes and takes the 200 from the stream, where it must be the next frame."""
        self.ask("subscribe", filters, last_log_id, 200, timeout)

    def unsubscribe(self, filters: Filter | None = None, status: int = 200) -> None:
        self.ask("unsubscribe", filters, None, status, 10)

    def ask(self, method: str, filters: Filter | None, last_log_id: int | None, status: int, timeout: float) -> None:
        request: Message = {"method": method}
        if filters is not None:
            request["filters"] = filters
        if last_log_id is not None:
            request["last_log_id"] = last_log_id
        self.send(request)
        answer = self.message(timeout)
        assert answer == {"status": status}, f"answer to {json.dumps(request)[:200]}: {json.dumps(answer)[:400]}"

    def events(self, timeout: float, limit: int | None = None) -> list[Message]:
        """What comes until `timeout` seconds have passed without a frame, or `limit` frames are there."""
        got: list[Message] = []
        while limit is None or len(got) < limit:
            text = self.text(timeout)
            if text is None:
                break
            got.append(parse(text))
        return got

    def event(self, timeout: float = 10) -> Message:
        message = self.message(timeout)
        assert "id" in message, f"not an event: {message}"
        return message

    def expect_ids(self, ids: list[int], timeout: float = 10) -> None:
        """Exactly these events come next, in this order."""
        got = [event.get("id") for event in self.events(timeout, limit=len(ids))]
        assert got == ids, difference(ids, got)

    def expect_silence(self, seconds: float = 0.4) -> None:
        got = self.text(seconds)
        assert got is None, f"expected silence, got {got[:400] if got else got}"

    def wait_close(self, timeout: float = 10) -> int | None:
        """Reads until the relay closes the connection; returns its close code, None if there was none."""
        deadline = time.monotonic() + timeout
        try:
            while time.monotonic() < deadline:
                self.text(max(0.01, deadline - time.monotonic()))
        except Closed as closed:
            return closed.code
        raise AssertionError(f"the connection was still open after {timeout:g} s")


def difference(expected: list[int], got: list[Any]) -> str:
    """What is lost, repeated, unasked for or out of order between two lists of log ids, in one sentence."""
    lost = sorted(set(expected) - set(got))
    extra = sorted(set(got) - set(expected), key=str)
    repeated = sorted({i for i in got if got.count(i) > 1}, key=str) if len(got) != len(set(got)) else []
    first = next((n for n, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b), min(len(expected), len(got)))
    return (f"expected {len(expected)} events, got {len(got)}; lost {len(lost)} {lost[:10]}; repeated {len(repeated)} "
            f"{repeated[:10]}; unexpected {len(extra)} {extra[:10]}; the first difference is at {first}: "
            f"expected {expected[first:first + 5]}, got {got[first:first + 5]}")
