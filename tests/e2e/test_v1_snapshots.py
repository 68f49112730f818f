"""Snapshots of protocol v1: few queries for many subscribers, and exact whatever the commits are doing."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from conftest import RelayMaker
from support.arvados import SYSTEM_ROOT_TOKEN, ArvadosDatabase
from support.postgres import Postgres
from support.raw_websocket import RawWebSocket
from support.records import new_record, read_record, update_record
from support.relay import Relay
from support.statements import Statements
from support.v1 import PATH, v1_client
from support.wait import until

pytestmark = pytest.mark.only_source("slot")


@pytest.fixture
def logging(own_database: ArvadosDatabase, make_relay: RelayMaker) -> Iterator[Relay]:
    """A relay on a database that logs every statement."""
    own_database.configure(log_statement="'all'", log_min_duration_statement="-1")
    relay = make_relay(own_database, "slot")
    relay.cluster["Walcast"]["Shards"] = 2      # each has a memory of its own
    yield relay.start()


def test_a_stampede(own_postgres: Postgres, own_database: ArvadosDatabase, logging: Relay) -> None:
    """Ten connections subscribe to a thousand records each, all at once: a few dozen queries, not ten thousand."""
    own_database.connection.execute(
        "insert into collections (uuid, owner_uuid, name, created_at, updated_at, current_version_uuid)"
        " select uuid, 'zzzzz-tpzed-000000000000000', uuid, now(), now(), uuid"
        " from (select 'zzzzz-4zz18-' || lpad(n::text, 15, '0') as uuid from generate_series(1, 10000) n) s")
    statements = Statements(own_postgres, "collections")
    with ExitStack() as stack:
        crowd = [stack.enter_context(RawWebSocket(logging.port, f"{PATH}?api_token={SYSTEM_ROOT_TOKEN}")) for _ in range(10)]
        for place, one in enumerate(crowd):
            frames = b""
            for number in range(1, 1001):
                payload = f'{{"op":"subscribe","id":"{number}","topic":"record/zzzzz-4zz18-{place * 1000 + number:015d}"}}'.encode()
                frames += bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload
            one.socket.sendall(frames)
        for place, one in enumerate(crowd):
            due = {f"zzzzz-4zz18-{place * 1000 + number:015d}" for number in range(1, 1001)}
            while due:
                frame = one.read()
                assert frame is not None, "the end of the stream"
                message = json.loads(frame[1])
                assert message["op"] in ("hello", "auth", "snapshot", "live"), message
                if message["op"] == "snapshot":
                    due.remove(message["record"]["uuid"])
    count = statements.count()
    assert 1 <= count <= 50, f"{count} queries"


def test_one_record_of_many_subscribers(own_postgres: Postgres, own_database: ArvadosDatabase, logging: Relay) -> None:
    """One query, or none if it is live; all of them are told of each change."""
    uuid = new_record(own_database.connection, name="a")
    statements = Statements(own_postgres, "collections")
    with ExitStack() as stack:
        clients = [stack.enter_context(v1_client(logging)) for _ in range(10)]
        subscriptions = [client.subscribe(f"record/{uuid}") for _ in range(100) for client in clients]
        for one in subscriptions:
            assert one.expect_snapshot(20)["name"] == "a"
        first = statements.count()
        assert 1 <= first <= 2, f"{first} queries"
        late = clients[0].record(uuid)
        assert statements.count() == first, "a record that is live is answered from memory"
        update_record(own_database.connection, uuid, name="b")
        for one in (*subscriptions, late):
            one.expect_changes("name", ["b"])


def test_many_subscribers_of_what_is_not_there(own_postgres: Postgres, own_database: ArvadosDatabase, logging: Relay) -> None:
    statements = Statements(own_postgres, "collections")
    with v1_client(logging) as client:
        some = [client.subscribe(f"record/zzzzz-4zz18-{number:015d}") for number in range(500)]
        for one in some:
            one.expect("error", 20, code="not_found")
    assert statements.count() <= 20


@pytest.fixture
def stalled(own_postgres: Postgres, own_database: ArvadosDatabase, make_relay: RelayMaker) -> Iterator[Relay]:
    """A relay, and a database whose synchronous standby does not answer: what is committed is not seen."""
    relay = make_relay(own_database, "slot").start()
    own_database.connection.execute("set synchronous_commit = local")
    yield relay
    set_standby(own_database, "")


def set_standby(database: ArvadosDatabase, name: str) -> None:
    database.connection.execute(f"alter system set synchronous_standby_names = '{name}'".encode())
    database.connection.execute("select pg_reload_conf()")
    until("the setting", lambda: database.connection.execute("show synchronous_standby_names").fetchone() == (name,))
    time.sleep(0.2)     # other backends take it at their next statement


def commit_in_vain(database: ArvadosDatabase, statement: str, arguments: list[object]) -> threading.Thread:
    """Back when it is in the log and waits for the standby."""
    def run() -> None:
        with database.connect(options="-c synchronous_commit=on") as connection:
            connection.execute(statement.encode(), arguments)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def waiting(database: ArvadosDatabase) -> int:
    row = database.connection.execute("select count(*) from pg_stat_activity where wait_event = 'SyncRep'").fetchone()
    assert row is not None
    return int(row[0])


def test_a_stalled_standby(stalled: Relay, own_database: ArvadosDatabase) -> None:
    """What is in the log and not seen yet is in the state once live: or else its change would never be told."""
    uuids = [new_record(own_database.connection, name="a") for _ in range(20)]
    with v1_client(stalled) as client:
        set_standby(own_database, "nobody")
        writers = [commit_in_vain(own_database, "update collections set name = 'b' where uuid = %s", [uuid]) for uuid in uuids[:10]]
        until("the commits to hang", lambda: waiting(own_database) == 10)
        assert read_record(own_database.connection, uuids[0], ["name"]) == {"name": "a"}
        some = [client.record(uuid) for uuid in uuids]
        for one in some[:10]:
            while one.record is None or one.record["name"] != "b":
                one.next(5)
        assert [(one.record or {})["name"] for one in some[10:]] == ["a"] * 10
        set_standby(own_database, "")
        for writer in writers:
            writer.join(10)
        for number, uuid in enumerate(uuids):
            update_record(own_database.connection, uuid, name=f"c{number}")
            some[number].expect_changes("name", [f"c{number}"])


def test_what_is_deleted_and_made_while_it_stalls(stalled: Relay, own_database: ArvadosDatabase) -> None:
    gone, made = new_record(own_database.connection, name="a"), "zzzzz-4zz18-madewhilestalle"
    with v1_client(stalled) as client:
        set_standby(own_database, "nobody")
        writers = [commit_in_vain(own_database, "delete from collections where uuid = %s", [gone]),
                   commit_in_vain(own_database, "insert into collections (uuid, owner_uuid, name, created_at, updated_at)"
                                  " values (%s, 'zzzzz-tpzed-000000000000000', 'new', now(), now())", [made])]
        until("the commits to hang", lambda: waiting(own_database) == 2)
        time.sleep(0.3)     # the relay has read them
        assert client.record(made).record is not None
        client.refused("not_found", f"record/{gone}")
        set_standby(own_database, "")
        for writer in writers:
            writer.join(10)
        client.unsubscribe(client.record(made))


def test_what_stalls_for_longer_than_the_slot_keeps_the_past(own_database: ArvadosDatabase, own_postgres: Postgres,
                                                             make_relay: RelayMaker) -> None:
    """The relay that starts next has it in its stream, also when everything else that old has been let go."""
    relay = make_relay(own_database, "slot")
    relay.cluster["Walcast"].update(RetentionAge="0s")
    relay.start()
    own_database.connection.execute("set synchronous_commit = local")
    uuid, other = (new_record(own_database.connection, name="a") for _ in range(2))
    set_standby(own_database, "nobody")
    writer = commit_in_vain(own_database, "update collections set name = 'b' where uuid = %s", [uuid])
    until("the commit to hang", lambda: waiting(own_database) == 1)
    for number in range(10):
        update_record(own_database.connection, other, name=f"{number}")
    with v1_client(relay) as client:
        client.record(other)    # it has read them
    assert relay.stop() == 0    # confirms what it may
    relay.start(wait=False)
    relay.wait_listening()
    with v1_client(relay) as client:
        assert (client.record(uuid).record or {})["name"] == "b"
        assert (client.record(other).record or {})["name"] == "9"
    set_standby(own_database, "")
    writer.join(10)


@pytest.mark.parametrize("how", ["idle", "open", "pruned"])
def test_what_nobody_has_flushed(database: ArvadosDatabase, make_relay: RelayMaker, how: str) -> None:
    """A snapshot does not wait for the next commit: the log may end in what no commit has brought to disk, which no stream sends.

    Of an open transaction, or of a page that was tidied up when it was read.
    """
    relay = make_relay(database, "slot").start()
    uuids = [new_record(database.connection, name="a") for _ in range(8)]
    took = []
    with v1_client(relay) as client, database.connect() as other:
        for uuid in uuids:
            if how == "open":
                other.execute("begin")
                other.execute("insert into workflows (uuid, created_at, updated_at) select gen_random_uuid(), now(), now()"
                              " from generate_series(1, 20)")
            elif how == "pruned":
                for number in range(60):
                    update_record(database.connection, uuid, replication_confirmed=number)
            began = time.monotonic()
            client.record(uuid)
            took.append(time.monotonic() - began)
            other.execute("rollback")
    # The quickest: a machine may be busy, but not each time.
    assert min(took) < 0.5 and max(took) < 5, f"seconds for one record: {', '.join(f'{seconds:.2f}' for seconds in took)}"


def test_with_commits_all_the_while(own_database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """Each snapshot and its changes add up: values only rise by one, whenever somebody subscribes."""
    relay = make_relay(own_database, "slot").start()
    uuids = [new_record(own_database.connection, replication_confirmed=0) for _ in range(4)]
    over = threading.Event()

    def write(uuid: str, synchronous: str) -> None:
        with own_database.connect(options=f"-c synchronous_commit={synchronous}") as connection:
            while not over.is_set():
                connection.execute("update collections set replication_confirmed = replication_confirmed + 1 where uuid = %s", [uuid])
                over.wait(0.003)

    writers = [threading.Thread(target=write, args=[uuid, how]) for uuid, how in zip(uuids, ["on", "off", "local", "off"], strict=True)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(8):
            with v1_client(relay) as client:
                some = [client.subscribe(f"record/{uuid}") for uuid in uuids]
                for one in some:
                    number = one.expect_snapshot()["replication_confirmed"]
                    one.expect_changes("replication_confirmed", list(range(number + 1, number + 6)))
    finally:
        over.set()
        for writer in writers:
            writer.join()


def test_no_answer_without_the_database(own_postgres: Postgres, own_database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """A subscribe while PostgreSQL is away is answered when it is back, or by `unavailable`; never wrongly."""
    relay = make_relay(own_database, "slot").start()
    uuid = new_record(own_database.connection, name="a")
    with v1_client(relay) as client:
        own_postgres.stop()
        one = client.subscribe(f"record/{uuid}")
        time.sleep(1)
        own_postgres.start()
        message = one.next(30)
        if message["op"] == "error":
            assert message["code"] == "unavailable", message
            own_database.reconnect()
            until("a subscribe to be taken", lambda: client.subscribe(f"record/{uuid}").next()["op"] == "snapshot", 20, 0.3)
        else:
            assert message["record"]["name"] == "a"
