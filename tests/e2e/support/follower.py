"""A v0 client in a thread that keeps its place with last_log_id, as Arvados' Python client does."""

import threading
import time

from websockets.exceptions import WebSocketException

from support.client import Client, Closed, difference
from support.load import Writer
from support.relay import Relay


class Follower(threading.Thread):
    """Follows the events of a Writer across any number of disconnects. `ids` is what it was sent, in order."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(daemon=True, name="follower")
        self.ids: list[int] = []
        self.close_codes: list[int | None] = []
        self.connects = 0
        self._relay = relay
        self._stop_event = threading.Event()
        self._subscribed = threading.Event()
        self._error: Exception | None = None

    def __enter__(self) -> "Follower":
        self.start()
        assert self._subscribed.wait(10), "the follower got no connection"
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self) -> None:
        while not self._stop_event.is_set():
            try:
                with self._relay.client() as client:
                    self._follow(client)
            except Closed as closed:
                self.close_codes.append(closed.code)
            except (OSError, EOFError, TimeoutError, WebSocketException):
                time.sleep(0.05)  # the relay is away
            except Exception as error:  # noqa: BLE001: raised again in stop(), in the test's thread
                self._error = error
                return

    def _follow(self, client: Client) -> None:
        client.subscribe(Writer.FILTER, last_log_id=self.ids[-1] if self.ids else None)
        self.connects += 1
        self._subscribed.set()
        while not self._stop_event.is_set():
            self.ids += [event["id"] for event in client.events(timeout=0.05, limit=1)]

    def move_to(self, relay: Relay) -> None:
        """From the next connection on it follows this relay."""
        self._relay = relay

    def wait_for(self, count: int, timeout: float = 20) -> None:
        """Until that many more events have come than now."""
        target = len(self.ids) + count
        deadline = time.monotonic() + timeout
        while len(self.ids) < target:
            assert self._error is None, f"the follower failed: {self._error}"
            assert time.monotonic() < deadline, (
                f"the follower got {len(self.ids)} of {target} events within {timeout:g} s, in {self.connects} connections")
            time.sleep(0.01)

    def wait_until(self, log_id: int, timeout: float = 20) -> None:
        """Until this event has come, and a moment longer, for what should not come after it."""
        deadline = time.monotonic() + timeout
        while log_id not in self.ids[-2000:]:
            assert self._error is None, f"the follower failed: {self._error}"
            assert time.monotonic() < deadline, (
                f"event {log_id} did not come within {timeout:g} s; {len(self.ids)} came, the last ones {self.ids[-3:]}")
            time.sleep(0.02)
        time.sleep(0.4)

    def stop(self) -> list[int]:
        self._stop_event.set()
        self.join(timeout=20)
        assert not self.is_alive(), "the follower hangs"
        if self._error is not None:
            raise self._error
        return self.ids

    def assert_exactly_once(self, committed: list[int]) -> None:
        """Everything from the first event it was sent to the last one committed: once each, in commit order."""
        assert self.ids, "no event came at all"
        expected = committed[committed.index(self.ids[0]):]
        assert self.ids == expected, difference(expected, self.ids)

    def assert_once_each(self, committed: list[int]) -> None:
        """Everything from the first event it was sent to the last one committed: once each, in whatever order."""
        assert self.ids, "no event came at all"
        expected = committed[committed.index(self.ids[0]):]
        assert sorted(self.ids) == sorted(expected), difference(expected, self.ids)
