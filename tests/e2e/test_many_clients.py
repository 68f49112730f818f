"""TestManyEventsAndSubscribers of arvados-ws, with its sequel: nobody is dropped, nobody misses or repeats anything."""

import asyncio
import time

import pytest

from support.arvados import SYSTEM_ROOT_TOKEN, ArvadosDatabase
from support.client import difference
from support.load import Writer
from support.raw_websocket import TEXT, RawWebSocket
from support.relay import Relay
from support.swarm import Member, Swarm

CLIENTS = 100
SECONDS = 5


@pytest.mark.timeout(120)
def test_many_events_and_subscribers(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    """Every tenth client is slow; the others leave at random and come back with last_log_id."""
    members = [Member(f"slow {n}", pause=0.05) if n % 10 == 0 else Member(f"restless {n}", leaves=0.02)
               for n in range(CLIENTS)]
    swarm = Swarm(shared_relay.url(f"api_token={SYSTEM_ROOT_TOKEN}"), members)
    writer = Writer(shared_database, per_second=40, lanes=4)
    committed = asyncio.run(swarm.run(writer, SECONDS, patience=40))
    assert len(committed) > SECONDS * 10, "the load was too small to mean anything"
    for member in members:
        assert not member.dropped, f"{member.name} was dropped: {member.dropped}"
        expected = committed[committed.index(member.ids[0]):] if member.ids else committed
        assert member.ids == expected, f"{member.name}, {member.connects} connections: {difference(expected, member.ids)}"
    late = [member.name for member in members if member.ids[0] != committed[0]]
    assert not late, f"these were subscribed before the first event, but missed it: {late}"


@pytest.mark.timeout(120)
def test_a_stuck_client_hurts_nobody(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    """It reads nothing while 24 MB come for it, more than the sockets hold: others get them at once, and it gets all of
    them when it reads again."""
    with shared_relay.client() as lively, RawWebSocket(shared_relay.port, f"/websocket?api_token={SYSTEM_ROOT_TOKEN}") as stuck:
        stuck.frame(TEXT, b'{"method":"subscribe"}')
        assert stuck.read() == (TEXT, b'{"status":200}')
        lively.subscribe(Writer.FILTER)
        with Writer(shared_database, per_second=1000, padding=40_000) as writer:
            writer.wait_for(600, timeout=30)
        committed = writer.stop()
        lively.expect_ids(committed, timeout=10)

        started = time.monotonic()
        marker = f'"id":{committed[-1]},'.encode()
        ids = []
        while time.monotonic() - started < 40:
            frame = stuck.read()
            assert frame is not None, f"the stuck client was dropped after {len(ids)} of {len(committed)} events"
            opcode, payload = frame
            assert opcode == TEXT, frame
            if payload != b"{}":
                ids.append(int(payload.partition(b'"id":')[2].partition(b",")[0]))
            if marker in payload:
                break
        assert ids == committed, difference(committed, ids)
