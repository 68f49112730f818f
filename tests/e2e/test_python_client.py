"""The real arvados-python-client over wss, unmodified, with a stub of the API server beside the relay."""

import datetime
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.arvados import ArvadosDatabase, Token, new_uuid
from support.certificate import Certificate
from support.client import Filter, difference
from support.load import Writer
from support.relay import Relay, migrate_up
from support.sdk import Collected, Subscriber
from support.stub_api import StubApi
from support.wait import until

COLLECTIONS: Filter = [["object_uuid", "is_a", "arvados#collection"]]
SubscribeFunction = Callable[..., Subscriber]


@pytest.fixture(scope="module")
def relay(shared_database: ArvadosDatabase, source: str, directory: Path, certificate: Certificate) -> Iterator[Relay]:
    """With TLS of its own: the client refuses ws://. Tests that kill it start it again."""
    relay = Relay(directory, shared_database, source, tls=certificate.pair, tls_ca=certificate.ca)
    migrate_up(relay)
    yield relay.start()
    relay.close()


@pytest.fixture
def database(shared_database: ArvadosDatabase) -> ArvadosDatabase:
    return shared_database


@pytest.fixture(scope="module")
def stub(relay: Relay, certificate: Certificate) -> Iterator[StubApi]:
    stub = StubApi(certificate, relay.url())
    yield stub
    stub.close()


@pytest.fixture
def api(stub: StubApi, certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubApi]:
    """The API server; it must not have been asked for logs by the end of the test."""
    monkeypatch.setenv("SSL_CERT_FILE", certificate.ca)
    monkeypatch.delenv("ARVADOS_DISABLE_WEBSOCKETS", raising=False)
    yield stub
    polled = [path for path in stub.requests if path.endswith("/logs")]
    assert not polled, f"the client polled the API instead of listening: {polled}"


@pytest.fixture
def admin(database: ArvadosDatabase) -> Token:
    return database.token(database.admin())


@pytest.fixture
def subscribe(api: StubApi, admin: Token) -> SubscribeFunction:
    def function(filters: Filter | None = None, last_log_id: int | None = None, token: str = admin.v2) -> Subscriber:
        return Subscriber(api.host, token, filters, last_log_id)

    return function


def create_collection(database: ArvadosDatabase) -> int:
    return database.log(event_type="create", object_uuid=new_uuid("4zz18"),
                        properties='{"old_attributes":null,"new_attributes":{"name":"new"}}')


@pytest.mark.parametrize("form", ["v1", "v2"])
def test_subscribe(subscribe: SubscribeFunction, database: ArvadosDatabase, admin: Token, form: str) -> None:
    with subscribe(COLLECTIONS, token=getattr(admin, form)) as subscriber:
        subscriber.expect_status()
        created = create_collection(database)
        [event] = subscriber.expect_ids([created])
        assert event["event_type"] == "create"
        assert event["object_kind"] == "arvados#collection"
        assert event["properties"] == {"new_attributes": {"name": "new"}}
        subscriber.expect_silence(0.4)


def test_filters_and_unsubscribe(subscribe: SubscribeFunction, database: ArvadosDatabase) -> None:
    create: Filter = [["event_type", "in", ["create"]]]
    delete: Filter = [["event_type", "in", ["delete"]]]
    with subscribe(create) as subscriber:
        subscriber.expect_status()
        database.log(event_type="update")
        subscriber.expect_ids([database.log(event_type="create")])
        subscriber.client.subscribe(delete)
        subscriber.expect_status()
        subscriber.expect_ids([database.log(event_type="delete"), database.log(event_type="create")])
        subscriber.client.unsubscribe(create)
        subscriber.expect_status()
        database.log(event_type="create")
        subscriber.expect_ids([database.log(event_type="delete")])
        subscriber.client.unsubscribe(delete)
        subscriber.expect_status()
        database.log(event_type="delete")
        subscriber.expect_silence(0.4)


def test_last_log_id(subscribe: SubscribeFunction, database: ArvadosDatabase) -> None:
    before = create_collection(database)
    ids = [create_collection(database) for _ in range(5)]
    with subscribe(COLLECTIONS, last_log_id=before) as subscriber:
        subscriber.expect_status()
        subscriber.expect_ids([*ids, create_collection(database)])
        subscriber.expect_silence(0.4)


# Start times, in the forms that the SDK's own tests use

def offset_time(seconds: float, zone: str) -> str:
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    if zone == "UTC":
        return when.strftime("%Y-%m-%dT%H:%M:%SZ")
    local = when.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30)))
    return local.strftime("%Y-%m-%dT%H:%M:%S+05:30")


@pytest.mark.parametrize("zone", ["UTC", "local time"])
def test_start_time_in_the_past(subscribe: SubscribeFunction, database: ArvadosDatabase, zone: str) -> None:
    before = create_collection(database)
    with subscribe([*COLLECTIONS, ["created_at", ">=", offset_time(-60, zone)]], last_log_id=before - 1) as subscriber:
        subscriber.expect_status()
        subscriber.expect_ids([before, create_collection(database)])


@pytest.mark.parametrize("zone", ["UTC", "local time"])
def test_start_time_in_the_future(subscribe: SubscribeFunction, database: ArvadosDatabase, zone: str) -> None:
    create_collection(database)
    with subscribe([*COLLECTIONS, ["created_at", ">=", offset_time(60, zone)]], last_log_id=1) as subscriber:
        subscriber.expect_status()
        create_collection(database)
        subscriber.expect_silence(2)


# Reconnecting

def test_reconnect_after_an_unexpected_close(subscribe: SubscribeFunction, database: ArvadosDatabase) -> None:
    """One status, then what is new; what was delivered is not delivered again."""
    with subscribe(COLLECTIONS) as subscriber:
        subscriber.expect_status()
        subscriber.expect_ids([create_collection(database)])
        subscriber.client._client.socket.shutdown(2)
        subscriber.expect_status()
        subscriber.expect_ids([create_collection(database)])
        subscriber.expect_silence(1)


def test_reconnects_after_a_restart(subscribe: SubscribeFunction, database: ArvadosDatabase, relay: Relay) -> None:
    """Also a client that has no subscription at that moment: after Close 1001 it would spin and never connect again."""
    with subscribe(COLLECTIONS) as follows, subscribe(COLLECTIONS) as waits:
        for one in (follows, waits):
            one.expect_status()
        waits.client.unsubscribe(COLLECTIONS)
        waits.expect_status()
        follows.expect_ids([create_collection(database)])
        assert relay.stop() == 0
        missed = create_collection(database)
        before = waits.client._client
        relay.start(wait=False)
        follows.expect_status()
        follows.expect_ids([missed])
        until("the other one to be back", lambda: waits.client._client is not before)
        waits.client.subscribe(COLLECTIONS)
        waits.expect_status()
        created = create_collection(database)
        for one in (follows, waits):
            one.expect_ids([created])


def test_no_reconnect_after_its_own_close(subscribe: SubscribeFunction, database: ArvadosDatabase, relay: Relay) -> None:
    with subscribe(COLLECTIONS) as subscriber:
        subscriber.expect_status()
        subscriber.client.close()
        create_collection(database)
        subscriber.expect_silence(1)
    assert relay.running()


@pytest.mark.parametrize("lanes", [1, 4], ids=["ids in order", "ids out of order"])
def test_each_event_once_across_sigkill(subscribe: SubscribeFunction, database: ArvadosDatabase, relay: Relay, source: str,
                                        lanes: int) -> None:
    """The relay is killed twice and started again while rows are written.

    The client resumes at the id it received last, which is not the largest. Every event comes once; from the slot in
    commit order, from a listener that was started again in order of ids for what committed while it was down.
    """
    got = Collected()
    with Writer(database, per_second=150, lanes=lanes) as writer, subscribe(Writer.FILTER) as subscriber:
        for times in (1, 2, 3):
            subscriber.collect_until(lambda it, n=times: it.statuses == n and it.since_status >= 20, 20, got)
            if times < 3:
                relay.kill()
                writer.wait_for(20)
                relay.start(wait=False)
        last = writer.stop()[-1]
        subscriber.collect_until(lambda it: last in it.ids[-200:], 20, got)
        subscriber.expect_silence(0.5)
    expected = writer.committed[writer.committed.index(got.ids[0]):]
    in_order = source == "slot" or lanes == 1
    assert (got.ids if in_order else sorted(got.ids)) == (expected if in_order else sorted(expected)), difference(expected, got.ids)
    assert got.statuses == 3, f"{got.statuses} times the status for three connections"


def test_two_subscriptions_across_sigkill(subscribe: SubscribeFunction, database: ArvadosDatabase, relay: Relay) -> None:
    """The client sends all its subscriptions again, each with the same last_log_id: still each event once."""
    create: Filter = [["event_type", "in", ["create"]]]
    with subscribe(create) as subscriber:
        subscriber.expect_status()
        subscriber.client.subscribe([["event_type", "in", ["delete"]]])
        subscriber.expect_status()
        subscriber.expect_ids([database.log(event_type="create"), database.log(event_type="delete")])
        relay.kill()
        missed = [database.log(event_type=kind) for kind in ("create", "delete", "update", "delete", "create")]
        relay.start(wait=False)
        wanted = [missed[n] for n in (0, 1, 3, 4)]
        got = Collected()
        subscriber.collect_until(lambda it: it.statuses == 2 and set(wanted) <= set(it.ids), 20, got)
        assert sorted(got.ids) == wanted, difference(wanted, got.ids)
        subscriber.expect_ids([database.log(event_type="create"), database.log(event_type="delete")])
        subscriber.expect_silence(0.5)


# The command arv-ws

def test_arv_ws_command(api: StubApi, admin: Token, database: ArvadosDatabase, certificate: Certificate, tmp_path: Path) -> None:
    """`arv-ws -u UUID` prints the events of this object and of no other."""
    wanted, other = new_uuid("4zz18"), new_uuid("4zz18")
    output = tmp_path / "output"
    with open(output, "wb") as file:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "arv-ws"), "-u", wanted], stdout=file, stderr=subprocess.STDOUT,
            env={**os.environ, "ARVADOS_API_HOST": api.host, "ARVADOS_API_TOKEN": admin.v2, "SSL_CERT_FILE": certificate.ca,
                 "PYTHONUNBUFFERED": "1", "HOME": str(tmp_path)})
    try:
        def probe() -> bool:
            database.log(object_uuid=other)
            database.log(object_uuid=wanted)
            return wanted in output.read_text(encoding="utf-8")

        until("arv-ws to print an event", probe, timeout=15, every=0.2)
        text = output.read_text(encoding="utf-8")
        assert other not in text, f"arv-ws -u {wanted} printed an event of another object:\n{text[-2000:]}"
        assert '"event_type": "update"' in text, text[-2000:]
    finally:
        process.terminate()
        process.wait(timeout=10)
