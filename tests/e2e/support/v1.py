"""A client of protocol v1: one WebSocket connection, whose every message is held against the schema."""

import json
import ssl
import time
from collections import deque
from typing import Any
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from support.arvados import SYSTEM_ROOT_TOKEN
from support.client import Closed, Filter, parse
from support.relay import Relay
from support.v1_schema import problem_of
from support.v1_state import Message, Record, State, check_message

PATH = "/arvados/v1/events.ws"


class Subscription:
    """One topic: what was asked for, the messages that nobody has looked at yet, and the state that they add up to."""

    def __init__(self, client: "V1Client", request: Message) -> None:
        topic = request["topic"]
        self.id: str = request["id"]
        self.topic: str = topic
        self.state = State(has_snapshot=topic != "events" and request.get("snapshot") is not False,
                           is_record=topic.startswith("record/"), latest=bool(request.get("latest")))
        self.state.ask(request.get("after"))
        self.queue: deque[Message] = deque()
        self._client = client

    @property
    def token(self) -> str:
        assert self.state.token is not None, f"no token of {self.topic} yet"
        return self.state.token

    @property
    def record(self) -> Record | None:
        return self.state.record

    def next(self, timeout: float = 10) -> Message:
        """The next message of this subscription, in the order in which they came."""
        deadline = time.monotonic() + timeout
        while not self.queue:
            left = deadline - time.monotonic()
            assert left > 0, f"nothing about {self.topic} within {timeout:g} s; it is {self.state.stage}"
            self._client.pump(left)
        return self.queue.popleft()

    def expect(self, op: str, timeout: float = 10, **has: Any) -> Message:
        """The next message has this op and these values."""
        message = self.next(timeout)
        check_message(message, op, has)
        return message

    def expect_snapshot(self, timeout: float = 10) -> Any:
        """snapshot and live, with one token; returns the record."""
        snapshot = self.expect("snapshot", timeout)
        self.expect("live", timeout, token=snapshot["token"])
        return snapshot["record"]

    def expect_reset(self, reason: str, timeout: float = 10) -> Any:
        """reset, and the state anew (only `live` where there is none)."""
        self.expect("reset", timeout, reason=reason)
        return self.expect_snapshot(timeout) if self.state.has_snapshot else self.expect("live", timeout)

    def expect_changes(self, column: str, values: list[Any], timeout: float = 10) -> list[Message]:
        """Exactly these values of one column come next, a change each."""
        got = [self.expect("change", timeout) for _ in values]
        assert [change["record"][column] for change in got] == values
        return got

    def expect_silence(self, seconds: float = 0.4) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self.queue:
            self._client.pump(left)
        assert not self.queue, f"expected silence, got {str(self.queue[0])[:400]}"


class V1Client:
    """Sorts messages by subscription; `other` keeps those that are about none. A failure says what came instead."""

    def __init__(self, url: str, headers: dict[str, str] | None = None, tls_ca: str | None = None) -> None:
        context = ssl.create_default_context(cafile=tls_ca) if tls_ca else None
        self.websocket = connect(url, ssl=context, compression=None, max_size=None, max_queue=None, open_timeout=10,
                                 close_timeout=2, ping_interval=None, proxy=None, additional_headers=headers)
        self.other: deque[Message] = deque()
        self.pings: list[Message] = []
        self.subscriptions: dict[str, Subscription] = {}
        self._count = 0
        self.hello = self.expect("hello")

    def __enter__(self) -> "V1Client":
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

    def pump(self, timeout: float) -> Message | None:
        """Reads one message and puts it where it belongs; None if there was none within `timeout` seconds."""
        try:
            frame = self.websocket.recv(timeout=max(0.0, timeout))
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise Closed(error) from None
        assert isinstance(frame, str), f"a binary frame: {frame[:100]!r}"
        message = parse(frame)
        problem = problem_of(message)
        assert problem is None, problem
        assert isinstance(message, dict)
        self._sort(message)
        return message

    def _sort(self, message: Message) -> None:
        if message["op"] == "ping":
            self.pings.append(message)
            for one in self.subscriptions.values():
                if "token" in message:
                    one.state.ping(message["token"])
            return
        of = self.subscriptions.get(message.get("id", ""))
        if of is None:
            assert "id" not in message or message["op"] == "error", f"about a subscription that nobody has: {str(message)[:400]}"
            self.other.append(message)
            return
        if message["op"] != "error" or of.state.stage in ("asked", "resuming"):
            of.state.take(message)
        of.queue.append(message)
        if of.state.stage == "over":
            del self.subscriptions[of.id]

    def expect(self, op: str, timeout: float = 10, **has: Any) -> Message:
        """The next message that is about no subscription."""
        deadline = time.monotonic() + timeout
        while not self.other:
            left = deadline - time.monotonic()
            assert left > 0, f"no {op} within {timeout:g} s"
            self.pump(left)
        message = self.other.popleft()
        assert message["op"] == op, f"expected {op}, got {str(message)[:600]}"
        for key, value in has.items():
            assert message.get(key) == value, f"{key} of {op} is {message.get(key)!r}, not {value!r}"
        return message

    def auth(self, token: str, timeout: float = 10) -> Message:
        self.send({"op": "auth", "token": token})
        return self.expect("auth", timeout)

    def subscribe(self, topic: str, **more: Any) -> Subscription:
        """Sends subscribe, and waits for nothing. `id` is made unless given; None values are left out."""
        self._count += 1
        request = {"op": "subscribe", "id": f"s{self._count}", "topic": topic,
                   **{key: value for key, value in more.items() if value is not None}}
        subscription = Subscription(self, request)
        self.subscriptions[subscription.id] = subscription
        self.send(request)
        return subscription

    def record(self, uuid: str, timeout: float = 10, **more: Any) -> Subscription:
        """Subscribes to a record, and takes snapshot and live."""
        subscription = self.subscribe(f"record/{uuid}", **more)
        subscription.expect_snapshot(timeout)
        return subscription

    def events(self, filters: Filter | None = None, **more: Any) -> Subscription:
        """Subscribes to events, and takes live."""
        subscription = self.subscribe("events", filters=filters, **more)
        subscription.expect("live")
        return subscription

    def refused(self, code: str, topic: str, timeout: float = 10, **more: Any) -> Message:
        """Subscribes, and is answered by this error."""
        return self.subscribe(topic, **more).expect("error", timeout, code=code)

    def unsubscribe(self, subscription: Subscription) -> None:
        """The end comes behind whatever was on its way."""
        self.send({"op": "unsubscribe", "id": subscription.id})
        while subscription.next()["op"] != "end":
            pass

    def wait_close(self, timeout: float = 10) -> int | None:
        """Reads until the relay closes the connection; returns its close code."""
        deadline = time.monotonic() + timeout
        try:
            while time.monotonic() < deadline:
                self.pump(deadline - time.monotonic())
        except Closed as closed:
            return closed.code
        raise AssertionError(f"the connection was still open after {timeout:g} s")


def v1_client(relay: Relay, token: str | None = SYSTEM_ROOT_TOKEN, *, bearer: str | None = None, wait: bool = True) -> V1Client:
    """A connection with the token in its URL, as Bearer, or with none; with `wait` the token is good, and that was said."""
    scheme = "wss" if relay.tls_ca else "ws"
    query = f"?api_token={quote(token, safe='/')}" if token is not None and bearer is None else ""
    client = V1Client(f"{scheme}://{relay.host}{PATH}{query}", {"Authorization": f"Bearer {bearer}"} if bearer else None, relay.tls_ca)
    if wait and (token or bearer):
        client.expect("auth")
    return client
