"""What the rounds happen to: a cluster, a relay, a proxy before each of them, and the clients."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from fault_proxy import FaultProxy
from oracle.clients import Clients
from oracle.rows import BEACON, OBJECTS, insert
from oracle.witness import Witness
from support.arvados import ArvadosDatabase
from support.paths import SCHEMA
from support.postgres import Postgres
from support.relay import Relay, migrate_up
from support.wait import free_port, until


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



class World:
    """Made once, kept for all rounds. The relay reaches PostgreSQL through one proxy, some of the clients it through another."""

    def __init__(self, directory: Path, source: str, seed: int) -> None:
        self.directory = directory
        # What dies with its parent dies with the thread that started it: so these do, and live as long as the world.
        self._starters = {name: ThreadPoolExecutor(1, name) for name in ("postgres", "relay")}
        self.problems: list[str] = []       # what a fault found wrong while it was inflicted
        self.gaps: list[Gap] = []           # of this round
        self.postgres = Postgres("oracle")
        # Large transactions are few here: a small memory makes medium ones stream.
        self.postgres.set(max_prepared_transactions="50", logical_decoding_work_mem="'64kB'", autovacuum_naptime="5s",
                          log_min_messages="warning", checkpoint_timeout="30s", max_wal_size="'256MB'")
        self.start_postgres()
        self.postgres.execute("create database arvados")
        self.postgres.load("arvados", SCHEMA)
        self.database = ArvadosDatabase(self.postgres, "arvados")
        self.proxies = {"db": FaultProxy(free_port(), self.postgres.port)}
        self.relay = Relay(directory, self.database, source)
        migrate_up(self.relay)
        self.slot = f"walcast_{self.database.name}"
        cluster = self.relay.cluster
        cluster["PostgreSQL"]["Connection"]["port"] = str(self.proxies["db"].port)
        cluster["SystemLogs"]["LogLevel"] = "info"
        cluster["Walcast"].update(DrainTimeout="1s", RetentionAge="60s", RetentionBytes="64MiB")
        self.witness = Witness(self.database)
        self.start_relay()
        self.relay.wait_listening()
        self.relay.wait_live()
        self.proxies["client"] = FaultProxy(free_port(), self.relay.port)
        self.clients = Clients(self.relay.port, self.proxies["client"].port, str(seed))

    def start_relay(self) -> None:
        self._starters["relay"].submit(self.relay.start, wait=False).result()

    def start_postgres(self) -> None:
        self._starters["postgres"].submit(self.postgres.start).result()

    def configure(self, settings: tuple[tuple[str, object], ...]) -> None:
        """From the relay's next start on."""
        self.relay.cluster["Walcast"].update(settings)

    def open_gap(self) -> Gap:
        gap = Gap([one.ids[-1] for one in self.clients.followers])
        self.gaps.append(gap)
        return gap

    def connected(self) -> psycopg.Connection:
        """The world's own connection, made again if an outage took it."""
        def probe() -> psycopg.Connection | None:
            try:
                self.database.connection.execute("select 1")
            except psycopg.Error:
                try:
                    self.database.reconnect()
                except psycopg.Error:
                    return None
            return self.database.connection

        return until("PostgreSQL to be back", probe, timeout=30)

    def beacon(self) -> int:
        """A row that every client wants."""
        return insert(self.connected(), BEACON, OBJECTS[0])[0]

    def close(self) -> None:
        self.clients.close()
        try:
            self.relay.close()
        finally:
            for proxy in self.proxies.values():
                proxy.close()
            self.database.connection.close()
            self.postgres.remove()
            for starter in self._starters.values():
                starter.shutdown()
