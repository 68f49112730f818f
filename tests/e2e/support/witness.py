"""A client that was there before an attack, and goes on getting its events while it lasts."""

import itertools
import statistics
import threading
import time

from support.arvados import insert_log
from support.relay import Relay

_numbers = itertools.count(1)


class Witness:
    """Writes an event, waits until its client has it, and so on, from entering to leaving; leaving fails if an event was
    lost or came later than `bound` seconds after it was written. `delays` is what it measured."""

    def __init__(self, relay: Relay, bound: float = 2, pause: float = 0.02) -> None:
        self.delays: list[float] = []
        self._relay = relay
        self._bound = bound
        self._pause = pause
        self._client = relay.client()
        self._event_type = f"e2e-witness-{next(_numbers)}"
        self._client.subscribe([["event_type", "in", [self._event_type]]])
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="witness")

    def __enter__(self) -> "Witness":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stopping.set()
        self._thread.join(timeout=30)
        self._client.close()
        if kind is not None:
            return
        assert not self._thread.is_alive(), "the witness hangs"
        assert self._error is None, f"the witness noticed: {self._error}"
        assert self.delays, "the witness saw nothing"
        assert max(self.delays) <= self._bound, f"an event took {max(self.delays):.2f} s, of {len(self.delays)}"

    def _run(self) -> None:
        try:
            with self._relay.database.connect() as connection:
                while not self._stopping.wait(self._pause):
                    started = time.monotonic()
                    written = insert_log(connection, event_type=self._event_type)
                    event = self._client.event(timeout=max(30, self._bound))
                    assert event["id"] == written, f"expected {written}, got {event['id']}"
                    self.delays.append(time.monotonic() - started)
        except BaseException as error:  # noqa: BLE001: told in __exit__, in the test's thread
            self._error = error

    def wait_for(self, count: int, timeout: float | None = None) -> None:
        """Until that many more events have come."""
        target = len(self.delays) + count
        deadline = time.monotonic() + (max(30, self._bound) if timeout is None else timeout)
        while len(self.delays) < target:
            assert self._error is None, f"the witness noticed: {self._error}"
            assert time.monotonic() < deadline, f"the witness got {len(self.delays)} events, wanted {target}"
            time.sleep(0.01)

    def p99(self, last: int) -> float:
        """Of the last so many events."""
        return statistics.quantiles(self.delays[-last:], n=100)[98]
