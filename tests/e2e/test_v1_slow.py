"""Clients of protocol v1 that do not read for a while: everything in order when they do, or `reset` and the state."""

import time

import pytest

from conftest import RelayMaker
from support.arvados import ArvadosDatabase
from support.records import new_record, update_record
from support.relay import Relay
from support.sleeper import Sleeper
from support.v1 import v1_client
from support.v1_state import State

pytestmark = pytest.mark.only_source("slot")

PADDING = "x" * 20_000


def write(database: ArvadosDatabase, uuid: str, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        update_record(database.connection, uuid, replication_confirmed=number, description=f"{number} {PADDING}")


def until_last(sleeper: Sleeper, state: State, last: int) -> list[int]:
    got: list[int] = []
    while (state.record or {}).get("replication_confirmed") != last:
        message = sleeper.next()
        if message["op"] == "change":
            record = message["record"]
            assert isinstance(record, dict)
            got.append(record["replication_confirmed"])
    return got


@pytest.fixture
def small(database: ArvadosDatabase, make_relay: RelayMaker) -> Relay:
    """Outboxes of 64 kB, a feed of 128 MB."""
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"].update(OutboxBytes="64KiB", FeedBytes="128MiB")
    return relay.start()


def test_everything_in_order(small: Relay, database: ArvadosDatabase) -> None:
    """Far more than sockets and outbox hold; the state adds up all the way. Others are told at once."""
    uuid = new_record(database.connection, replication_confirmed=-1)
    with Sleeper(small) as sleeper, v1_client(small) as other:
        state, one = sleeper.follow(uuid), other.record(uuid)
        write(database, uuid, 700)
        one.expect_changes("replication_confirmed", list(range(700)), timeout=20)
        assert until_last(sleeper, state, 699) == list(range(700))
        write(database, uuid, 1, 700)
        assert until_last(sleeper, state, 700) == [700]


def test_several_records_and_large_transactions(small: Relay, database: ArvadosDatabase) -> None:
    uuids = [new_record(database.connection, replication_confirmed=-1) for _ in range(3)]
    with Sleeper(small) as sleeper:
        states = [sleeper.follow(uuid) for uuid in uuids]
        for begin in range(0, 300, 100):
            with database.connection.transaction():
                for number in range(begin, begin + 100):
                    for uuid in uuids:
                        write(database, uuid, 1, number)
        for state in states:
            until_last(sleeper, state, 299)
        assert [state.changes for state in states] == [300] * 3
        assert not any(state.resets for state in states)


def test_lagging(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """The feed has moved on: the state is right again, and what follows is told."""
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"].update(OutboxBytes="64KiB", FeedBytes="1MiB")
    relay.start()
    uuid, quiet = new_record(database.connection, replication_confirmed=-1), new_record(database.connection, name="quiet")
    with Sleeper(relay) as sleeper:
        state, still = sleeper.follow(uuid), sleeper.follow(quiet)
        write(database, uuid, 700)
        until_last(sleeper, state, 699)
        assert set(state.resets) == {"lagging"}
        while state.stage != "live" or still.stage != "live":
            sleeper.next()
        write(database, uuid, 3, 700)
        assert until_last(sleeper, state, 702) == [700, 701, 702]
        update_record(database.connection, quiet, name="at last")
        while (still.record or {}).get("name") != "at last":
            sleeper.next()


def test_latest(small: Relay, database: ArvadosDatabase) -> None:
    """The newest state alone, as one change; not hundreds."""
    uuid = new_record(database.connection, replication_confirmed=-1)
    with Sleeper(small) as sleeper:
        state = sleeper.follow(uuid, ',"latest":true')
        write(database, uuid, 700)
        got = until_last(sleeper, state, 699)
        assert got == sorted(set(got)) and len(got) < 500, f"{len(got)} changes"
        write(database, uuid, 2, 700)
        assert until_last(sleeper, state, 701)[-1] == 701


def test_what_a_stuck_client_costs(small: Relay, database: ArvadosDatabase) -> None:
    """Its outbox, however much is written; and nobody else any time."""
    uuid = new_record(database.connection, replication_confirmed=-1)
    small.cluster["Walcast"]["FeedBytes"] = "16MiB"
    small.stop()
    small.start()
    stuck = [Sleeper(small) for _ in range(40)]
    try:
        for one in stuck:
            one.follow(uuid)
        write(database, uuid, 900)
        before = small.memory()
        with v1_client(small) as client:
            followed = client.record(uuid)
            while followed.record is None or followed.record["replication_confirmed"] != 899:
                followed.next()    # the relay knows the record, and answers with what it has read so far
            slowest = 0.0
            for number in range(900, 1400):
                began = time.monotonic()
                write(database, uuid, 1, number)
                followed.expect_changes("replication_confirmed", [number])
                slowest = max(slowest, time.monotonic() - began)
        assert small.memory() - before < 32 << 20, f"{(small.memory() - before) >> 20} MB more"
        assert slowest < 10, f"{slowest:.2f} s"
    finally:
        for one in stuck:
            one.raw.socket.close()
