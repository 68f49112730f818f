"""WaitVisible: what is told can be read, also while a synchronous standby stalls."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import RelayMaker
from support.arvados import ArvadosDatabase, new_uuid
from support.postgres import Postgres
from support.records import new_record, read_record, update_record
from support.relay import Relay
from support.v1 import v1_client
from support.wait import until

pytestmark = pytest.mark.only_source("slot")


@pytest.fixture
def waiting(own_postgres: Postgres, own_database: ArvadosDatabase, make_relay: RelayMaker) -> Iterator[Relay]:
    relay = make_relay(own_database, "slot")
    relay.cluster["Walcast"]["WaitVisible"] = True
    yield relay.start()
    set_standby(own_database, "")


def set_standby(database: ArvadosDatabase, name: str) -> None:
    """Commits of sessions that want it wait for this standby, which there is not."""
    database.connection.execute("set synchronous_commit = local")
    database.connection.execute(f"alter system set synchronous_standby_names = '{name}'".encode())
    database.connection.execute("select pg_reload_conf()")
    until("the setting", lambda: database.connection.execute("show synchronous_standby_names").fetchone() == (name,))
    time.sleep(0.2)     # other backends take it at their next statement


class Stuck:
    """A commit that is in the log, and waits for the standby."""

    def __init__(self, database: ArvadosDatabase, statement: str, *arguments: Any) -> None:
        before = self.count(database)
        self._thread = threading.Thread(target=self._run, args=(database, statement, arguments), daemon=True)
        self._thread.start()
        until("the commit to hang", lambda: self.count(database) == before + 1)

    @staticmethod
    def count(database: ArvadosDatabase) -> int:
        row = database.connection.execute("select count(*) from pg_stat_activity where wait_event = 'SyncRep'").fetchone()
        assert row is not None
        return int(row[0])

    @staticmethod
    def _run(database: ArvadosDatabase, statement: str, arguments: tuple[Any, ...]) -> None:
        with database.connect(options="-c synchronous_commit=on") as connection:
            connection.execute(statement.encode(), arguments)

    def join(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()


RENAME = "update collections set name = %s where uuid = %s"


def test_a_stalled_standby(waiting: Relay, own_database: ArvadosDatabase) -> None:
    """Nothing that cannot be read is told; then everything, in the order of the commits."""
    connection = own_database.connection
    uuid, other = new_record(connection, name="a"), new_record(connection, name="a")
    with v1_client(waiting) as client, waiting.client() as old:
        one, two = client.record(uuid), client.record(other)
        old.subscribe()
        update_record(connection, uuid, name="b")
        one.expect_changes("name", ["b"])
        set_standby(own_database, "nobody")
        stuck = Stuck(own_database, RENAME, "c", uuid)
        update_record(connection, other, name="behind")     # visible at once, as it does not wait
        logged = own_database.log(object_uuid=other)
        until("it to be held", lambda: waiting.metric("walcast_held_transactions") >= 3)
        one.expect_silence(1)
        two.expect_silence(0)
        assert old.events(timeout=0.2) == []
        assert read_record(connection, uuid, ["name"]) == {"name": "b"}
        assert waiting.metric("walcast_held_seconds") >= 1 and waiting.metric("walcast_held_bytes") > 0
        assert waiting.status()["source"]["held"]["transactions"] >= 3
        set_standby(own_database, "")
        stuck.join()
        one.expect_changes("name", ["c"])
        two.expect_changes("name", ["behind"])
        assert old.event()["id"] == logged
        until("nothing to be held", lambda: waiting.metric("walcast_held_transactions") == 0)
        assert waiting.metric("walcast_held_seconds") == 0 and waiting.metric("walcast_visibility_wait_seconds") >= 1
        assert waiting.metric("walcast_visibility_waits") >= 1


def test_a_wait_that_is_cancelled(waiting: Relay, own_database: ArvadosDatabase) -> None:
    """The transaction has committed then, and is seen, with no standby."""
    uuid = new_record(own_database.connection, name="a")
    with v1_client(waiting) as client:
        one = client.record(uuid)
        set_standby(own_database, "nobody")
        stuck = Stuck(own_database, RENAME, "b", uuid)
        one.expect_silence(0.5)
        own_database.connection.execute("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")
        one.expect_changes("name", ["b"])
        assert read_record(own_database.connection, uuid, ["name"]) == {"name": "b"}
        stuck.join()


def test_what_is_told_can_be_read(waiting: Relay, own_database: ArvadosDatabase) -> None:
    """Without any stall, each change at the moment at which it comes."""
    uuid = new_record(own_database.connection, name="0")
    done = threading.Event()

    def write() -> None:
        with own_database.connect() as connection:
            number = 0
            while not done.is_set():
                number += 1
                update_record(connection, uuid, name=str(number))

    with v1_client(waiting) as client:
        one = client.record(uuid)
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(1, 300):
                told = one.expect("change")["record"]["name"]
                assert told == str(number)
                read = read_record(own_database.connection, uuid, ["name"])
                assert read is not None and int(read["name"]) >= number
        finally:
            done.set()
            writer.join()


def test_a_stall_beyond_the_memory(waiting: Relay, own_database: ArvadosDatabase) -> None:
    """Then the rest stays in the slot, and the relay small; afterwards all of it comes."""
    connection = own_database.connection
    uuid, other = new_record(connection, name="a"), new_record(connection, name="a")
    with v1_client(waiting) as client:
        one, two = client.record(uuid), client.record(other)
        set_standby(own_database, "nobody")
        stuck = Stuck(own_database, RENAME, "b", uuid)
        for number in range(30):
            connection.execute("insert into logs (uuid, event_type, object_uuid, properties, created_at, updated_at, event_at)"
                               " select 'zzzzz-57u5n-' || lpad((n + %s)::text, 15, '0'), 'update', %s, repeat(md5(n::text), 2000), now(), now(),"
                               " now() from generate_series(1, 50) n", [50 * number, new_uuid("4zz18")])
        update_record(connection, other, name="c")
        until("it to be full", lambda: waiting.metric("walcast_held_bytes") >= 32 << 20, 30)
        time.sleep(1)
        assert waiting.metric("walcast_held_bytes") < 40 << 20
        two.expect_silence(0)
        set_standby(own_database, "")
        stuck.join()
        one.expect_changes("name", ["b"], timeout=30)
        two.expect_changes("name", ["c"], timeout=30)


def test_killed_in_a_stall(waiting: Relay, own_database: ArvadosDatabase) -> None:
    """What was held comes from the slot again, however little the slot may hold back."""
    waiting.stop()
    waiting.cluster["Walcast"]["RetentionBytes"] = 0
    waiting.start()
    connection = own_database.connection
    uuid = new_record(connection, name="a")
    with v1_client(waiting) as client:
        token = client.record(uuid).token
        set_standby(own_database, "nobody")
        stuck = Stuck(own_database, RENAME, "b", uuid)
        until("it to be held", lambda: waiting.metric("walcast_held_transactions") >= 1)
        time.sleep(6)       # longer than between two confirmations
    waiting.kill()
    set_standby(own_database, "")
    stuck.join()
    waiting.start()
    with v1_client(waiting) as client:
        one = client.subscribe(f"record/{uuid}", after=token)
        one.expect_changes("name", ["b"], timeout=20)
        one.expect("live")
