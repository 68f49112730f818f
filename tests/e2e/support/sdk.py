"""The real Arvados Python SDK, pointed at a relay."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import arvados
import arvados.events

from support.client import Filter

Event = dict[str, Any]


class Subscriber:
    """What `arvados.events.subscribe` gives, and every frame that it hands to the program, `{}` excepted."""

    def __init__(self, api_host: str, token: str, filters: Filter | None, last_log_id: int | None = None) -> None:
        self.frames: queue.Queue[Event] = queue.Queue()
        api = arvados.api("v1", host=api_host, token=token, cache=False, num_retries=0)
        self.client = arvados.events.subscribe(api, filters, self._on_event, poll_fallback=0, last_log_id=last_log_id)
        assert type(self.client) is arvados.events.EventClient, f"not the WebSocket client: {type(self.client)}"

    def _on_event(self, event: Event) -> None:
        if event:
            self.frames.put(event)

    def __enter__(self) -> "Subscriber":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close(timeout=2)
        self.client.join(timeout=5)

    def frame(self, timeout: float = 10) -> Event:
        try:
            return self.frames.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"the client handed over nothing within {timeout:g} s") from None

    def expect_status(self) -> None:
        frame = self.frame(5)
        assert frame == {"status": 200}, f"the first frame should be the status: {frame}"

    def expect_ids(self, ids: list[int], timeout: float = 10) -> list[Event]:
        events = [self.frame(timeout) for _ in ids]
        assert [event.get("id") for event in events] == ids, f"expected {ids}, got {events}"
        return events

    def expect_silence(self, seconds: float) -> None:
        try:
            frame = self.frames.get(timeout=seconds)
        except queue.Empty:
            return
        raise AssertionError(f"expected silence, got {frame}")

    def collect_until(self, done: Callable[["Collected"], bool], timeout: float, into: "Collected") -> None:
        """Takes frames and adds them to `into` until it is `done`."""
        deadline = time.monotonic() + timeout
        while not done(into):
            left = deadline - time.monotonic()
            assert left > 0, f"not all within {timeout:g} s: {len(into.ids)} events, {into.statuses} times the status"
            try:
                frame = self.frames.get(timeout=left)
            except queue.Empty:
                continue
            if "id" in frame:
                into.ids.append(frame["id"])
                into.since_status += 1
            else:
                assert frame == {"status": 200}, frame
                into.statuses += 1
                into.since_status = 0


@dataclass
class Collected:
    """What a subscriber was handed: the ids of events in order, and how often the status of a subscribe came."""

    ids: list[int] = field(default_factory=list)
    statuses: int = 0
    since_status: int = 0
