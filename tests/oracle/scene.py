"""What both oracles happen to: a cluster, a relay, and a proxy between them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from fault_proxy import FaultProxy
from support.arvados import ArvadosDatabase
from support.paths import SCHEMA
from support.postgres import Postgres
from support.relay import Relay, migrate_up
from support.wait import free_port, until


class Scene:
    """Made once, kept for all rounds; the relay is not started yet. It reaches PostgreSQL through the proxy `db`."""

    def __init__(self, directory: Path, source: str, epoch: int = 0, **settings: str) -> None:
        self.directory = directory
        # What dies with its parent dies with the thread that started it: so these do, and live as long as the scene.
        self._starters = {name: ThreadPoolExecutor(1, name) for name in ("postgres", "relay")}
        self.problems: list[str] = []       # what a fault found wrong while it was inflicted
        self.postgres = Postgres("oracle")
        # Large transactions are few here: a small memory makes medium ones stream.
        self.postgres.set(max_prepared_transactions="50", logical_decoding_work_mem="'64kB'", autovacuum_naptime="5s",
                          log_min_messages="warning", checkpoint_timeout="30s", max_wal_size="'256MB'", **settings)
        if epoch > 0:
            self.postgres.begin_at_epoch(epoch)
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

    def start_relay(self) -> None:
        self._starters["relay"].submit(self.relay.start, wait=False).result()

    def start_postgres(self) -> None:
        self._starters["postgres"].submit(self.postgres.start).result()

    def configure(self, settings: tuple[tuple[str, object], ...]) -> None:
        """From the relay's next start on; a name is one of the section Walcast, unless it has another section before it."""
        for name, value in settings:
            section, _, key = name.rpartition(".")
            self.relay.cluster[section or "Walcast"][key] = value

    def connected(self) -> psycopg.Connection:
        """The scene's own connection, made again if an outage took it."""
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

    def close(self) -> None:
        try:
            self.relay.close()
        finally:
            for proxy in self.proxies.values():
                proxy.close()
            self.database.connection.close()
            self.postgres.remove()
            for starter in self._starters.values():
                starter.shutdown()
