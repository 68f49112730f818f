"""What the rounds of `events` happen to: a scene, a proxy before its relay, and the clients."""

import threading
import time
from pathlib import Path

import psycopg

from fault_proxy import FaultProxy
from oracle.clients import Clients
from oracle.rows import BEACON, OBJECTS, insert
from oracle.scene import Scene
from oracle.witness import Witness
from support.wait import free_port


class Gap:
    """A time without a slot: what was committed then has no order that anybody knows.

    It begins with the last event that each client had when the slot was dropped (`after`; the commits behind it may be read
    from the table as well) and ends at `until`, a position read when the new slot was there.
    """

    def __init__(self, after: list[int]) -> None:
        self.after = after
        self.until: int | None = None       # None: it never ended
        self._watcher: threading.Thread | None = None

    def watch(self, world: "World") -> None:
        """Looks for the new slot, in the background."""
        self._watcher = threading.Thread(target=self._watch, args=[world], daemon=True, name="gap")
        self._watcher.start()

    def _watch(self, world: "World") -> None:
        deadline = time.monotonic() + 60
        while self.until is None and time.monotonic() < deadline:
            try:
                with world.database.connect() as connection:
                    while self.until is None and time.monotonic() < deadline:
                        row = connection.execute(
                            "select pg_current_wal_insert_lsn() - '0/0' from pg_replication_slots"
                            " where slot_name = %s and confirmed_flush_lsn is not null", [world.slot]).fetchone()
                        self.until = int(row[0]) if row else None
                        time.sleep(0.01)
            except psycopg.Error:
                time.sleep(0.05)  # PostgreSQL is away too

    def join(self) -> None:
        if self._watcher is not None:
            self._watcher.join()


class World(Scene):
    """Some of the clients reach the relay through a proxy."""

    def __init__(self, directory: Path, source: str, seed: int) -> None:
        super().__init__(directory, source)
        self.gaps: list[Gap] = []           # of this round
        self.witness = Witness(self.database)
        self.start_relay()
        self.relay.wait_listening()
        self.relay.wait_live()
        self.proxies["client"] = FaultProxy(free_port(), self.relay.port)
        self.clients = Clients(self.relay.port, self.proxies["client"].port, str(seed))

    def open_gap(self) -> Gap:
        gap = Gap([one.ids[-1] for one in self.clients.followers])
        self.gaps.append(gap)
        return gap

    def beacon(self) -> int:
        """A row that every client wants."""
        return insert(self.connected(), BEACON, OBJECTS[0])[0]

    def close(self) -> None:
        self.clients.close()
        super().close()
