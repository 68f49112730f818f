"""Server-sent events as a browser reads them (WHATWG HTML, "Server-sent events"): the bytes, the events, and an EventSource that
connects again with the last id that it was told."""

import json
import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass
from email.message import Message as Headers
from email.parser import Parser
from urllib.parse import quote, urlencode

from support.arvados import SYSTEM_ROOT_TOKEN
from support.relay import Relay
from support.v1_schema import problem_of
from support.v1_state import Message, State, check_message

PATH = "/arvados/v1/events/stream"


class Ended(Exception):
    """The answer is over; `whole`: and says so."""

    def __init__(self, whole: bool) -> None:
        super().__init__("the stream has ended" if whole else "the stream was cut off")
        self.whole = whole


class Refused(Exception):
    """An answer that is no stream: an EventSource fails for good."""

    def __init__(self, status: int, body: str, headers: Headers) -> None:
        super().__init__(f"{status}: {body[:300]}")
        self.status, self.body, self.headers = status, body, headers

    @property
    def code(self) -> str:
        problem = problem_of(json.loads(self.body))
        assert problem is None, problem
        return str(json.loads(self.body)["code"])


class Answer:
    """A request of its own connection, and the bytes of the answer as they come."""

    def __init__(self, relay: Relay, target: str, headers: dict[str, str] | None = None, *, method: str = "GET", version: str = "1.1",
                 receive_buffer: int | None = None, timeout: float = 20) -> None:
        plain = socket.socket()
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(timeout)
        plain.connect(("127.0.0.1", relay.port))
        self.socket = ssl.create_default_context(cafile=relay.tls_ca).wrap_socket(plain, server_hostname="127.0.0.1") \
            if relay.tls_ca else plain
        lines = [f"{method} {target} HTTP/{version}", f"Host: {relay.host}", *(f"{name}: {value}" for name, value in (headers or {}).items())]
        self._raw = b""
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        while b"\r\n\r\n" not in self._raw:
            self._receive(timeout)
        head, _, self._raw = self._raw.partition(b"\r\n\r\n")
        first, _, rest = head.decode().partition("\r\n")
        self.version, self.status = first.split()[0], int(first.split()[1])
        self.headers = Parser().parsestr(rest)
        self._chunked = self.headers.get("Transfer-Encoding") == "chunked"
        self._left = int(self.headers["Content-Length"]) if "Content-Length" in self.headers else None

    def close(self) -> None:
        self.socket.close()

    def _receive(self, timeout: float) -> None:
        self.socket.settimeout(max(timeout, 0.001))
        try:
            got = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLError) as error:
            if isinstance(error, TimeoutError | ssl.SSLWantReadError):
                raise TimeoutError from None
            raise Ended(whole=False) from None
        if not got:
            raise Ended(whole=not self._chunked if hasattr(self, "_chunked") else False)
        self._raw += got

    def read(self, timeout: float) -> bytes:
        """Some of the body; TimeoutError if nothing has come; Ended at its end."""
        deadline = time.monotonic() + timeout
        while True:
            piece = self._take()
            if piece:
                return piece
            self._receive(deadline - time.monotonic())

    def _take(self) -> bytes:
        if not self._chunked:
            if self._left == 0:
                raise Ended(whole=True)
            piece, self._raw = self._raw, b""
            self._left = None if self._left is None else self._left - len(piece)
            return piece
        size, line, rest = self._raw.partition(b"\r\n")
        if not line or len(rest) < int(size, 16) + 2:
            return b""
        if int(size, 16) == 0:
            raise Ended(whole=True)
        piece, self._raw = rest[:int(size, 16)], rest[int(size, 16) + 2:]
        assert rest[int(size, 16):int(size, 16) + 2] == b"\r\n", "a chunk ends as one"
        return piece

    def body(self, timeout: float = 20) -> str:
        """All of it."""
        read = b""
        try:
            while True:
                read += self.read(timeout)
        except Ended:
            return read.decode()


@dataclass
class Event:
    name: str
    data: str
    last_event_id: str


class EventParser:
    """Bytes to events; `last_event_id` and `retry_ms` are those of the stream."""

    def __init__(self) -> None:
        self.last_event_id = ""
        self.retry_ms: int | None = None
        self._buffer = b""
        self._name, self._data, self._id = "", [], ""  # type: str, list[str], str

    def feed(self, data: bytes) -> list[Event]:
        self._buffer += data
        assert b"\r" not in self._buffer, "the relay ends lines with a line feed"
        *lines, self._buffer = self._buffer.split(b"\n")
        return [event for line in lines if (event := self._line(line.decode()))]

    def _line(self, line: str) -> Event | None:
        if not line:
            self.last_event_id = self._id
            event = Event(self._name or "message", "\n".join(self._data), self._id) if self._data else None
            self._name, self._data = "", []
            return event
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isdigit():
            self.retry_ms = int(value)
        else:
            assert name == "", f"a field that nobody knows: {line[:100]}"
        return None


class EventSource:
    """As a page's: reads on, and when the stream ends connects again, by itself, with the last id. Every message is held against
    the schema, and against what its topic may be told next. `patient`: waits between attempts as it was told."""

    def __init__(self, relay: Relay, *topics: str, token: str | None = SYSTEM_ROOT_TOKEN, bearer: str | None = None, patient: bool = False,
                 receive_buffer: int | None = None, version: str = "1.1", **parameters: str) -> None:
        self.relay = relay
        self.topics = topics
        self.patient = patient
        self.receive_buffer, self.version = receive_buffer, version
        query = [("topic", topic) for topic in topics] + list(parameters.items())
        if token is not None and bearer is None:
            query.append(("api_token", token))
        self.target = f"{PATH}?{urlencode(query, quote_via=quote, safe='/')}"
        self.bearer = bearer
        self.parser = EventParser()
        self.states = {topic: State(has_snapshot=topic != "events" and parameters.get("snapshot") != "false",
                                    is_record=topic.startswith("record/"), latest=parameters.get("latest") == "true") for topic in topics}
        for state in self.states.values():
            state.ask(parameters.get("after"))
        self.queue: deque[Message] = deque()
        self.pings: list[Message] = []
        self.connections = 0
        self.answer: Answer | None = None

    def __enter__(self) -> "EventSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self.answer is not None:
            self.answer.close()
        self.answer = None

    @property
    def id(self) -> str:
        return self.parser.last_event_id

    def connect(self, timeout: float = 20) -> None:
        """Once; Refused if the answer is no stream."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self.bearer:
            headers["Authorization"] = f"Bearer {self.bearer}"
        if self.id:
            headers["Last-Event-ID"] = self.id
        answer = Answer(self.relay, self.target, headers, receive_buffer=self.receive_buffer, version=self.version, timeout=timeout)
        if answer.status != 200:
            raise Refused(answer.status, answer.body(), answer.headers)
        assert answer.headers["Content-Type"] == "text/event-stream"
        if self.connections > 0:
            for state in self.states.values():
                state.ask(state.token if state.stage in ("live", "snapshot", "resuming") else None)
        last = self.id
        retry = self.parser.retry_ms
        self.parser = EventParser()
        self.parser.last_event_id = self.parser._id = last
        self.parser.retry_ms = retry
        self.connections += 1
        self.answer = answer

    def drop(self) -> None:
        """The network fails: what has come, and was not looked at, is lost."""
        self.close()
        self.queue.clear()

    def _pump(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while self.answer is None:
            try:
                self.connect(max(0.1, deadline - time.monotonic()))
            except (ConnectionRefusedError, ConnectionResetError, Ended):
                if time.monotonic() > deadline:
                    raise TimeoutError from None
                time.sleep((self.parser.retry_ms or 1000) / 1000 if self.patient else 0.05)
        try:
            events = self.parser.feed(self.answer.read(deadline - time.monotonic()))
        except Ended:
            self.close()
            if self.patient and self.parser.retry_ms:
                time.sleep(self.parser.retry_ms / 1000)
            return
        for event in events:
            message = json.loads(event.data)
            problem = problem_of(message)
            assert problem is None, problem
            assert event.name == message["op"], f"{event.name} carries {message['op']}"
            assert event.last_event_id == self.id or event is not events[-1]
            self._sort(message)

    def _sort(self, message: Message) -> None:
        if message["op"] == "ping":
            self.pings.append(message)
            for state in self.states.values():
                if "token" in message:
                    state.ping(message["token"])
            return
        if "id" in message:
            self.states[message["id"]].take(message)
        self.queue.append(message)

    def next(self, timeout: float = 20) -> Message:
        """The next message but for hello, auth and goodbye, which say nothing about a topic."""
        deadline = time.monotonic() + timeout
        while True:
            while self.queue:
                message = self.queue.popleft()
                if message["op"] not in ("hello", "auth", "goodbye"):
                    return message
            left = deadline - time.monotonic()
            assert left > 0, f"nothing within {timeout:g} s"
            try:
                self._pump(left)
            except TimeoutError:
                continue

    def expect(self, op: str, timeout: float = 20, **has: object) -> Message:
        message = self.next(timeout)
        check_message(message, op, has)
        return message

    def until_live(self, timeout: float = 20) -> None:
        """Every topic is, and nothing is left to look at."""
        deadline = time.monotonic() + timeout
        while self.queue or any(state.stage not in ("live", "over") for state in self.states.values()):
            if self.queue:
                self.queue.popleft()
                continue
            assert time.monotonic() < deadline, {topic: state.stage for topic, state in self.states.items()}
            try:
                self._pump(1)
            except TimeoutError:
                continue

    def expect_silence(self, seconds: float = 0.4) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                self._pump(left)
            except TimeoutError:
                break
        left_over = [message for message in self.queue if message["op"] not in ("hello", "auth")]
        assert not left_over, f"expected silence, got {str(left_over[0])[:400]}"
        self.queue.clear()


def names_of(source: EventSource, uuid: str, count: int, timeout: float = 20) -> list[str | None]:
    """The names in the next so many changes of one record; None is a delete. Others' are passed over."""
    names: list[str | None] = []
    while len(names) < count:
        message = source.next(timeout)
        if message["op"] == "change" and message["id"] == f"record/{uuid}":
            names.append((message["record"] or {}).get("name"))
        else:
            assert message["op"] in ("change", "live", "snapshot"), message
    return names
