"""Writers of `logs` rows that know the order of their commits."""

import random
import threading
import time

import psycopg

from support.arvados import ArvadosDatabase, insert_log


class Writer(threading.Thread):
    """Commits events until it is told to stop, and keeps their ids in commit order.

    With `lanes` = 1 ids rise with the commits. With more, that many transactions are open at a time and commit in
    random order, so that low ids commit after high ones, as Arvados' do under concurrency. Commits are made one after
    the other, so their order is known. Usable as a context manager: leaving it stops the writer.
    """

    EVENT_TYPE = "e2e-load"
    FILTER = [["event_type", "in", [EVENT_TYPE]]]

    def __init__(self, database: ArvadosDatabase, per_second: float = 200, lanes: int = 1, padding: int = 0) -> None:
        super().__init__(daemon=True, name="writer")
        self.committed: list[int] = []
        self._pause = 1 / per_second
        self._connections = [database.connect() for _ in range(lanes)]
        self._properties = '{"text":"' + "x" * padding + '"}'
        self._random = random.Random(lanes)
        self._stop_event = threading.Event()
        self._error: Exception | None = None

    def __enter__(self) -> "Writer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self) -> None:
        try:
            if len(self._connections) == 1:
                self._run_in_order(self._connections[0])
            else:
                self._run_out_of_order()
        except Exception as error:  # noqa: BLE001: raised again in stop(), in the test's thread
            self._error = error

    def _insert(self, connection: psycopg.Connection) -> int:
        return insert_log(connection, event_type=self.EVENT_TYPE, properties=self._properties)

    def _run_in_order(self, connection: psycopg.Connection) -> None:
        while not self._stop_event.wait(self._pause):
            self.committed.append(self._insert(connection))

    def _run_out_of_order(self) -> None:
        open_rows: dict[int, int] = {}  # lane -> id
        while True:
            free = [lane for lane in range(len(self._connections)) if lane not in open_rows]
            if self._stop_event.is_set():
                free = []
            for lane in free:
                self._connections[lane].execute("begin")
                open_rows[lane] = self._insert(self._connections[lane])
            if not open_rows:
                return
            # The lane of the highest id more often than not, so that low ids stay behind for a while.
            lane = max(open_rows, key=lambda n: open_rows[n]) if self._random.random() < 0.6 else \
                self._random.choice(list(open_rows))
            self._connections[lane].execute("commit")
            self.committed.append(open_rows.pop(lane))
            self._stop_event.wait(self._pause)

    def wait_for(self, count: int, timeout: float = 20) -> None:
        """Until that many more events are committed than now."""
        target = len(self.committed) + count
        deadline = time.monotonic() + timeout
        while len(self.committed) < target:
            assert self._error is None, f"the writer failed: {self._error}"
            assert time.monotonic() < deadline, f"the writer made too few events: {len(self.committed)} of {target}"
            time.sleep(0.01)

    def stop(self) -> list[int]:
        """Ends the writer and returns the ids in commit order."""
        self._stop_event.set()
        self.join(timeout=20)
        assert not self.is_alive(), "the writer hangs"
        for connection in self._connections:
            connection.close()
        if self._error is not None:
            raise self._error
        return self.committed
