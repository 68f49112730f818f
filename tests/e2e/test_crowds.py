"""Thousands that are idle, and a thousand that do not read: what one of them costs, and that nobody else notices.

WALCAST_CROWD is how many are idle (default 3,000; 19,000 is what fits into 20,000 descriptors). Figures are printed:
`run.sh test_crowds.py -s`.
"""

import os
import time

import pytest

from conftest import RelayMaker
from support.arvados import MANAGEMENT_TOKEN, ArvadosDatabase
from support.crowd import Crowd
from support.load import Writer
from support.metrics import Metrics
from support.relay import Relay
from support.wait import until
from support.witness import Witness

pytestmark = pytest.mark.only_source("slot")

KIB, MIB = 1 << 10, 1 << 20
OUTBOX = 256 * KIB


@pytest.fixture
def roomy_relay(database: ArvadosDatabase, make_relay: RelayMaker) -> Relay:
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"] |= {"MaxConnections": 30_000, "MaxSessionsPerUser": 0, "OutboxBytes": "256KiB"}
    return relay.start()


def metric(relay: Relay, name: str) -> float:
    return Metrics(relay.http("/metrics", headers={"Authorization": f"Bearer {MANAGEMENT_TOKEN}"}).body).value(name)


@pytest.mark.timeout(300)
def test_idle_crowd(roomy_relay: Relay) -> None:
    count = int(os.environ.get("WALCAST_CROWD", "3000"))
    with Witness(roomy_relay) as witness:
        witness.wait_for(20)
        before = roomy_relay.memory()
        with Crowd(roomy_relay, count, "idle", timeout=240):
            witness.wait_for(100)
            each = (roomy_relay.memory() - before) / count
            print(f"\n{count} idle clients: {each / KIB:.1f} KiB each; the witness: p99 {witness.p99(100) * 1000:.1f} ms,"
                  f" max {max(witness.delays) * 1000:.0f} ms")
        assert each < 16 * KIB, f"{each:.0f} bytes for each of {count} idle clients"
        until("them to be gone", lambda: len(roomy_relay.descriptors()) < 100, timeout=20)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("habit", ["never", "slowly"])
def test_a_thousand_that_do_not_read(roomy_relay: Relay, database: ArvadosDatabase, habit: str) -> None:
    """While events of 40 KB flow for them, and until each is behind: their queues have a bound, and a client that reads
    gets its own events as quickly as without them."""
    count = 1000
    with Witness(roomy_relay) as witness:
        witness.wait_for(300)
        alone = witness.p99(300)
        with Crowd(roomy_relay, count, habit):
            before = roomy_relay.memory()
            with Writer(database, per_second=20, padding=40_000) as writer:
                writer.wait_for(80, timeout=60)
                filling = witness.p99(len(witness.delays) - 300)
                witness.wait_for(300, timeout=60)
            beside = witness.p99(300)
            grown = roomy_relay.memory() - before
            behind = metric(roomy_relay, "arvados_ws_sinks_blocked")
            print(f"\n{count} clients that read {habit}, {behind:.0f} of them behind: {grown / MIB:.1f} MiB after"
                  f" {len(writer.committed)} events; the witness' p99 {alone * 1000:.1f} ms alone, {filling * 1000:.1f} ms while they fill, {beside * 1000:.1f} ms beside them")
            assert behind >= count, "too few events to fill their queues: this run says nothing"
            assert grown < count * OUTBOX
            assert beside < 2 * alone + 0.05, f"p99 {alone * 1000:.1f} ms alone, {beside * 1000:.1f} ms beside them"
            time.sleep(1)
            assert len(roomy_relay.descriptors()) > count, "they were dropped"
