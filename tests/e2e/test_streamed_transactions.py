"""Large transactions that are read while they are in progress (Walcast.StreamTransactions): memory, disk, rollbacks."""

import itertools
import os
import resource
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import RelayMaker
from support.arvados import ArvadosDatabase, insert_log
from support.client import Client, difference
from support.postgres import Postgres
from support.relay import Relay
from support.wait import until

pytestmark = [pytest.mark.only_source("slot"), pytest.mark.timeout(180)]

MIB = 1 << 20
_numbers = itertools.count()
BULK = """
    insert into logs (uuid, owner_uuid, object_uuid, object_owner_uuid, event_type, event_at, properties, created_at, updated_at)
    select 'zzzzz-57u5n-' || %(mark)s || lpad((%(after)s + n)::text, 14, '0'), 'zzzzz-tpzed-000000000000000', 'zzzzz-4zz18-aaaaaaaaaaaaaaa',
           'zzzzz-tpzed-000000000000000', %(mark)s, now(), '{"new_attributes":{"name":"' || repeat('x', %(width)s) || '"}}',
           now() at time zone 'UTC', now() at time zone 'UTC'
    from generate_series(1, %(rows)s) n returning id"""


def bulk(on: psycopg.Connection, mark: str, rows: int, width: int = 200) -> list[int]:
    """Rows of `logs` in one statement; returns their ids. 3,000 rows of 10,000 bytes are 30 MB of stream."""
    after = next(_numbers) * 10_000  # so that uuids are unique
    return [row[0] for row in on.execute(BULK, {"mark": mark, "rows": rows, "width": width, "after": after}).fetchall()]


class Streams:
    """What the relay says of the transactions that it reads while they are in progress."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def source(self) -> dict[str, Any]:
        return dict(self._relay.status()["source"])

    def wait(self, what: str, holds: Any, timeout: float = 30) -> dict[str, Any]:
        """Until `holds` of its part of /status.json, which is returned."""
        def probe() -> dict[str, Any] | None:
            now = self.source()["streams"]
            return now if holds(now) else None

        return until(f"{what}; now {self.source()}", probe, timeout)


def spill_files(relay: Relay) -> list[os.stat_result]:
    """The nameless files that the process has open."""
    assert relay.process is not None
    found = []
    for entry in Path(f"/proc/{relay.process.pid}/fd").iterdir():
        try:
            if "(deleted)" in os.readlink(entry) and "/memfd" not in os.readlink(entry):
                found.append(entry.stat())
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def resident(relay: Relay) -> int:
    assert relay.process is not None
    for line in Path(f"/proc/{relay.process.pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


class Peak(threading.Thread):
    """The most memory that a relay has while this runs."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self._relay = relay
        self._stop_event = threading.Event()

    def __enter__(self) -> "Peak":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_event.set()
        self.join()

    def run(self) -> None:
        while not self._stop_event.wait(0.02):
            self.bytes = max(self.bytes, resident(self._relay))


@pytest.fixture
def own_database(own_postgres: Postgres) -> ArvadosDatabase:
    """With everything beyond 64 kB streamed, and prepared transactions."""
    own_postgres.set(logical_decoding_work_mem="'64kB'", max_prepared_transactions="10")
    own_postgres.restart()
    return ArvadosDatabase(own_postgres, "arvados")


@pytest.fixture
def relay(make_relay: RelayMaker, own_database: ArvadosDatabase, source: str) -> Relay:
    relay = make_relay(own_database, source)
    relay.cluster["Walcast"]["StreamTransactions"] = True
    return relay


@pytest.fixture
def streams(relay: Relay) -> Streams:
    return Streams(relay)


@pytest.fixture
def large(own_database: ArvadosDatabase) -> Iterator[psycopg.Connection]:
    with own_database.connect() as connection:
        yield connection


def expect_events(client: Client, ids: list[int], timeout: float = 30) -> None:
    client.expect_ids(ids, timeout)


# Memory and disk

def test_300_mb_in_bounded_memory(relay: Relay, streams: Streams, own_database: ArvadosDatabase,
                                  large: psycopg.Connection) -> None:
    """It waits on disk and not in memory, before its commit and after; then the disk is free again."""
    relay.start()
    before = resident(relay)
    with relay.client() as client, Peak(relay) as peak:
        client.subscribe([["event_type", "in", ["a", "between"]]])
        large.execute("begin")
        kept = []
        for _ in range(3):
            kept += bulk(large, "a", 2_000, 50_000)
        now = streams.wait("most of it to be on disk", lambda it: it["disk_bytes"] > 220 * MIB)
        assert now["in_progress"] == 1 and now["memory_bytes"] <= 64 * MIB, now
        assert relay.metric("walcast_streams_in_progress") == 1
        assert relay.metric("walcast_stream_disk_bytes") > 220 * MIB
        assert sum(file.st_blocks for file in spill_files(relay)) * 512 > 220 * MIB
        expect_events(client, [insert_log(own_database.connection, event_type="between")])
        large.execute("commit")
        expect_events(client, kept, timeout=60)
    streams.wait("the disk to be free", lambda it: it["disk_bytes"] == 0 and it["in_progress"] == 0)
    assert not spill_files(relay)
    # 64 MiB of streams, 128 MiB of feed, batches on their way, and what malloc keeps
    assert peak.bytes - before < 330 * MIB, f"{(peak.bytes - before) >> 20} MiB more than before"


def test_rolled_back_is_discarded(relay: Relay, streams: Streams, own_database: ArvadosDatabase,
                                  large: psycopg.Connection) -> None:
    """At the ROLLBACK, not some time later: disk and memory are free, and nothing of it is sent."""
    relay.start()
    with relay.client() as client:
        client.subscribe()
        large.execute("begin")
        bulk(large, "g", 2_000, 50_000)
        streams.wait("it to be on disk", lambda it: it["disk_bytes"] > 20 * MIB)
        large.execute("rollback")
        now = streams.wait("the disk to be free", lambda it: it["disk_bytes"] == 0)
        assert (now["in_progress"], now["memory_bytes"], now["aborted"]) == (0, 0, 1), now
        assert not spill_files(relay)
        expect_events(client, [own_database.log()])


def test_savepoints(relay: Relay, streams: Streams, own_database: ArvadosDatabase, large: psycopg.Connection) -> None:
    """Of nested savepoints only what was kept is sent, in order: a rolled back one takes those within it along."""
    relay.start()
    with relay.client() as client:
        client.subscribe()
        large.execute("begin")
        kept = bulk(large, "a", 500)
        large.execute("savepoint s1")
        kept += bulk(large, "b", 500)
        large.execute("savepoint s2")
        bulk(large, "c", 500)
        large.execute("savepoint s3")
        bulk(large, "d", 500)
        large.execute("release s3")
        large.execute("rollback to s2")
        kept += bulk(large, "e", 500)
        large.execute("savepoint s4")
        kept += bulk(large, "f", 500)
        large.execute("release s4")
        large.execute("savepoint s5")
        bulk(large, "g", 500)
        large.execute("rollback to s5")
        between = own_database.log()
        kept += bulk(large, "h", 500)
        expect_events(client, [between])
        streams.wait("it to be streamed", lambda it: it["in_progress"] == 1)
        large.execute("commit")
        expect_events(client, kept)
        expect_events(client, [own_database.log()])


def test_many_in_progress(relay: Relay, streams: Streams, own_database: ArvadosDatabase) -> None:
    """Interleaved, each beyond the server's memory; they commit in another order than they began, and some do not."""
    relay.start()
    with relay.client() as client:
        client.subscribe()
        connections = [own_database.connect() for _ in range(6)]
        rows: list[list[int]] = [[] for _ in connections]
        for connection in connections:
            connection.execute("begin")
        for _ in range(4):
            for number, connection in enumerate(connections):
                rows[number] += bulk(connection, "m", 300)
        streams.wait("all to be in progress", lambda it: it["in_progress"] == 6)
        expected = []
        for number in (4, 1, 5, 0, 3, 2):
            connections[number].execute("rollback" if number in (1, 3) else "commit")
            expected += [] if number in (1, 3) else rows[number]
            connections[number].close()
        expect_events(client, expected)
        assert streams.wait("all to have ended", lambda it: it["in_progress"] == 0)["aborted"] == 2


# A full disk

@pytest.fixture(params=["file limit", "tmpfs"])
def small_disk(request: pytest.FixtureRequest, relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A relay whose spill files have room for 24 MiB. Yields a function that makes room for all."""
    if request.param == "file limit":
        relay.start()
        assert relay.process is not None
        pid = relay.process.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (24 * MIB, resource.RLIM_INFINITY))
        yield lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=1777", "walcast-e2e", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a tmpfs")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    try:
        relay.start()
        yield lambda: subprocess.run(["mount", "-o", "remount,size=1g", str(tmp_path)], check=True)
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def fill_the_disk(streams: Streams, large: psycopg.Connection) -> list[int]:
    """Begins a transaction that is larger than memory and disk together."""
    large.execute("begin")
    rows = [row for _ in range(3) for row in bulk(large, "a", 1_000, 50_000)]
    until("the relay to wait for the disk", lambda: streams.source()["state"] == "waiting for the disk", timeout=30)
    return rows


def test_disk_full_for_a_moment(small_disk: Any, relay: Relay, streams: Streams, own_database: ArvadosDatabase,
                                large: psycopg.Connection) -> None:
    """Reading stops, which status and metrics say; clients stay. With room again it goes on where it stopped."""
    with relay.client() as client:
        client.subscribe()
        rows = fill_the_disk(streams, large)
        said = streams.source()
        assert "takes nothing" in said["problem"] and said["streams"]["disk_full"] >= 1, said
        assert relay.metric("walcast_spill_waiting") == 1 and relay.metric("walcast_spill_disk_full") >= 1
        between = own_database.log()
        small_disk()
        expect_events(client, [between])
        said = streams.source()
        assert said["state"] == "streaming" and said["problem"] == "" and said["reconnects"] == 0, said
        assert relay.metric("walcast_spill_waiting") == 0
        large.execute("commit")
        expect_events(client, rows, timeout=60)
        expect_events(client, [own_database.log()])


def test_disk_full_for_long(small_disk: Any, relay: Relay, streams: Streams, own_database: ArvadosDatabase,
                            large: psycopg.Connection) -> None:
    """No room is made: large transactions are left to the server then, and everybody else's events come."""
    with relay.client() as client:
        client.subscribe()
        rows = fill_the_disk(streams, large)
        between = own_database.log()
        expect_events(client, [between], timeout=40)
        said = streams.source()
        assert said["state"] == "streaming" and "read whole" in said["problem"], said
        assert said["streams"]["disk_bytes"] == 0 and not spill_files(relay), said
        large.execute("commit")
        expect_events(client, rows, timeout=60)
        expect_events(client, [own_database.log()])


@pytest.mark.parametrize("small_disk", ["file limit"], indirect=True)
def test_killed_while_the_disk_is_full(small_disk: Any, relay: Relay, streams: Streams, own_database: ArvadosDatabase,
                                       large: psycopg.Connection) -> None:
    """The next process begins the transaction anew, and has nothing to clean up."""
    with relay.client() as client:
        client.subscribe()
        seen = own_database.log()
        expect_events(client, [seen])
    rows = fill_the_disk(streams, large)
    relay.kill()
    between = own_database.log()
    large.execute("commit")
    relay.start(wait=False)
    relay.wait_listening()
    with relay.client() as client:
        client.subscribe(last_log_id=seen)
        expect_events(client, [between, *rows], timeout=60)


@pytest.mark.parametrize("small_disk", ["file limit"], indirect=True)
def test_terminated_while_the_disk_is_full(small_disk: Any, relay: Relay, streams: Streams,
                                           large: psycopg.Connection) -> None:
    fill_the_disk(streams, large)
    assert relay.stop(timeout=7) == 0


def test_no_directory_for_spill_files(relay: Relay, own_database: ArvadosDatabase, large: psycopg.Connection,
                                      monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """$TMPDIR names nothing: a warning, and another directory."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nothing"))
    relay.start()
    assert [line for line in relay.log_lines() if "no directory for temporary files" in line["msg"]], relay.log_tail()
    with relay.client() as client:
        client.subscribe()
        large.execute("begin")
        rows = bulk(large, "a", 2_000, 50_000)
        large.execute("commit")
        expect_events(client, rows)


# Prepared transactions

@pytest.mark.parametrize("rows", [3, 2_000], ids=["small", "large"])
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "in progress"])
def test_prepared(relay: Relay, own_database: ArvadosDatabase, rows: int, streaming: bool) -> None:
    """They appear at COMMIT PREPARED, in order with the others, across a restart of the relay; at ROLLBACK PREPARED never."""
    relay.cluster["Walcast"]["StreamTransactions"] = streaming
    relay.start()
    client = relay.client()
    client.subscribe()
    prepared: dict[str, list[int]] = {}
    for name in ("kept", "gone", "late"):
        with own_database.connect() as connection:
            connection.execute("begin")
            prepared[name] = bulk(connection, name[0], rows)
            connection.execute(f"prepare transaction '{name}'")
    first = own_database.log()
    client.expect_ids([first])
    own_database.connection.execute("commit prepared 'kept'")
    second = own_database.log()
    client.expect_ids([*prepared["kept"], second], timeout=30)
    client.close()

    relay.stop()
    third = own_database.log()
    own_database.connection.execute("rollback prepared 'gone'")
    relay.start(wait=False)
    relay.wait_listening()
    with relay.client() as client:
        client.subscribe(last_log_id=second)
        client.expect_ids([third])
        own_database.connection.execute("commit prepared 'late'")
        fourth = own_database.log()
        expected = [*prepared["late"], fourth]
        got = [event.get("id") for event in client.events(timeout=30, limit=len(expected))]
        assert got == expected, difference(expected, got)
        client.expect_silence()
