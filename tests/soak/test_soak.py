"""A relay in use for a long time: clients come and go, writers write, connections to the database are lost, the configuration
is read again. What it holds must not grow, and everybody must have got what is due."""

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import samples
from support.arvados import ArvadosDatabase, insert_log
from support.load import Writer
from support.paths import OUTPUT, SCHEMA
from support.postgres import Postgres
from support.relay import SANITIZED, Relay, migrate_up
from support.wait import until
from visitors import Visitors

SECONDS = float(os.environ.get("WALCAST_SOAK_SECONDS", "45"))
SOURCE = os.environ.get("WALCAST_SOAK_SOURCE", "slot")
LONG = SECONDS >= 900
#: In a long run the encoded events that are kept (16 MiB in each shard) reach their bound within this time.
WARM_UP = SECONDS / 5
SHARDS = 3
PADDING = 1000
#: In a short one they do not, and grow by so much with each event.
BYTES_PER_EVENT = 0 if LONG else SHARDS * (PADDING + 600)
VISITORS = 32
#: Of its first third, a share that may come on top: in a short run the heaps of all threads and the caches still fill.
GROWTH = 0.03 if LONG else 0.12
QUERY_CONNECTIONS = 2


class Trouble(threading.Thread):
    """Takes the relay's connections away, has it read its configuration, writes large transactions and such as are rolled
    back: each now and then, at random, more often in a short run."""

    def __init__(self, relay: Relay, database: ArvadosDatabase) -> None:
        super().__init__(daemon=True, name="trouble")
        self.done = {"reconnects": 0, "reloads": 0, "large": 0, "rollbacks": 0, "scrapes": 0}
        self._relay = relay
        self._database = database
        self._random = random.Random(7)
        self._stop_event = threading.Event()
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            with self._database.connect() as connection:
                while not self._stop_event.wait(self._random.uniform(0, 6 if LONG else 2)):
                    self._make(connection, self._random.choice(sorted(self.done)))
        except Exception as error:  # noqa: BLE001: raised again in stop(), in the test's thread
            self._error = error

    def _make(self, connection: object, what: str) -> None:
        if what == "reconnects":
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
                               "and application_name <> 'e2e'")
        elif what == "reloads":
            self._relay.cluster["SystemLogs"]["LogLevel"] = self._random.choice(["debug", "info"])
            self._relay.reload()
        elif what == "scrapes":
            for path in ("/metrics", "/status.json", "/_health/db", "/nothing"):
                self._relay.http(path)
        else:
            with connection.transaction(force_rollback=what == "rollbacks"):
                for _ in range(500):
                    insert_log(connection, notify=False, event_type="soak-large")
        self.done[what] += 1

    def stop(self) -> None:
        self._stop_event.set()
        self.join(timeout=30)
        if self._error is not None:
            raise self._error


class Soak:
    """What was measured."""

    def __init__(self) -> None:
        self.before: samples.Sample
        self.after: samples.Sample
        self.samples: list[samples.Sample] = []
        self.visitors: Visitors
        self.trouble: Trouble
        self.committed: list[int] = []
        self.exit_status: int | None = None

    @property
    def course(self) -> samples.Course:
        return samples.Course([one for one in self.samples if one.second >= WARM_UP])


def fill(database: ArvadosDatabase, relay: Relay) -> None:
    """More events than the relay remembers, so that from then on it forgets one for each that comes."""
    for first in range(0, 560_000, 20_000):
        database.connection.execute(
            "insert into logs (uuid, owner_uuid, object_uuid, object_owner_uuid, event_type, event_at, created_at, updated_at, "
            "properties) select 'zzzzz-57u5n-soak' || lpad(n::text, 11, '0'), '', 'zzzzz-4zz18-aaaaaaaaaaaaaaa', '', 'soak-fill', "
            "now(), now(), now(), '{}' from generate_series(%s::int, %s::int) as n", [first + 1, first + 20_000])
    relay.wait_live(timeout=120)


def at_rest(relay: Relay) -> samples.Sample:
    """When nobody is connected and the queries' connections have had time to come and go."""
    time.sleep(2)
    return samples.take(relay.process.pid, 0, 0)


@pytest.fixture(scope="module")
def soak() -> Iterator[Soak]:
    cluster = Postgres("soak")
    cluster.start()
    try:
        cluster.execute("create database arvados")
        cluster.load("arvados", SCHEMA)
        directory = OUTPUT / ("soak-sanitized" if SANITIZED else "soak")
        directory.mkdir(parents=True, exist_ok=True)
        for old in directory.glob("*.log"):
            old.unlink()
        yield run(directory, ArvadosDatabase(cluster, "arvados"))
    finally:
        cluster.remove()


def run(directory: Path, database: ArvadosDatabase) -> Soak:
    relay = Relay(directory, database, SOURCE)
    relay.cluster["Walcast"] |= {"Shards": SHARDS, "FeedBytes": "4MiB", "RetentionBytes": "16MiB"}
    migrate_up(relay)
    relay.start()
    made = Soak()
    try:
        fill(database, relay)
        writer = Writer(database, per_second=120, lanes=4, padding=PADDING)
        made.visitors = Visitors(relay.url(), VISITORS, writer.committed, stay=3)
        made.trouble = Trouble(relay, database)
        made.before = at_rest(relay)
        threads = (writer, made.visitors, made.trouble)
        for one in threads:
            one.start()
        watch(made, relay, writer)
        made.trouble.stop()
        made.visitors.stop()
        made.committed = writer.stop()
        relay.wait_live()
        until("the connections to be gone", lambda: connections(relay) == 0)
        made.after = at_rest(relay)
        made.exit_status = relay.stop()
    finally:
        relay.close()
    return made


def connections(relay: Relay) -> int:
    """Of clients: the sockets with the relay's port here."""
    port = f":{relay.port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as file:
        return sum(line.split()[1].endswith(port) and line.split()[3] == "01" for line in file)


def watch(made: Soak, relay: Relay, writer: Writer) -> None:
    started = time.monotonic()
    shown = 0.0
    while (second := time.monotonic() - started) < SECONDS:
        made.samples.append(samples.take(relay.process.pid, second, len(writer.committed)))
        if second >= shown:
            shown += SECONDS / 10
            newest = made.samples[-1]
            print(f"\n{second:5.0f} s: {newest.rss} KiB, {newest.descriptors} descriptors, {newest.threads} threads, "
                  f"{newest.events} events, {made.visitors.counts.visits} visits", end="", flush=True)
        time.sleep(1)
        assert relay.running(), relay.log_tail()


@pytest.mark.timeout(SECONDS + 300)
def test_it_was_a_soak(soak: Soak) -> None:
    """The figures, and that enough happened to mean anything."""
    counts, done = soak.visitors.counts, soak.trouble.done
    print(f"\n{SOURCE}, {SECONDS:.0f} s: {len(soak.committed)} events committed, {counts.events} delivered in {counts.visits} visits "
          f"({counts.resumed} resumed, {counts.crashes} ended by a crash); {done}")
    for what in ("rss", "descriptors", "threads"):
        print(soak.course.line(what))
    print(f"at rest: {soak.before.rss} KiB, {soak.before.descriptors} descriptors, {soak.before.threads} threads before; "
          f"{soak.after.rss} KiB, {soak.after.descriptors}, {soak.after.threads} after")
    assert len(soak.committed) > 40 * SECONDS
    assert counts.visits > 3 * SECONDS
    assert counts.resumed and counts.crashes and done["reconnects"] and done["reloads"]


def test_memory_stays_flat(soak: Soak) -> None:
    course = soak.course
    allowed = 1024 + GROWTH * course.medians("rss")[0] + course.growth("events") * BYTES_PER_EVENT / 1024
    assert course.growth("rss") <= allowed, f"more than {allowed:.0f} KiB: {course.line('rss')}"


def test_descriptors_stay_flat(soak: Soak) -> None:
    assert soak.course.growth("descriptors") <= 4, soak.course.line("descriptors")
    # Connections for queries are made when they are first wanted, and after each loss again.
    assert soak.after.descriptors <= soak.before.descriptors + QUERY_CONNECTIONS, "some are left when everybody is gone"


def test_threads_stay_flat(soak: Soak) -> None:
    assert soak.course.growth("threads") <= 0, soak.course.line("threads")
    assert soak.after.threads == soak.before.threads


def test_everybody_got_what_was_due(soak: Soak) -> None:
    """Once each, in commit order, through all of it; nobody was dropped."""
    assert not soak.visitors.wrong, soak.visitors.wrong[:5]
    assert not soak.visitors.counts.dropped, soak.visitors.counts.dropped[:5]
    assert soak.exit_status == 0
