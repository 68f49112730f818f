"""The limits of the configuration and of the machine: whoever is beyond them is told so, and the others stay."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from conftest import RelayMaker
from support.arvados import MANAGEMENT_TOKEN, SYSTEM_ROOT_TOKEN, ArvadosDatabase
from support.certificate import Certificate
from support.client import Client
from support.http import request
from support.metrics import Metrics
from support.raw_websocket import RawWebSocket
from support.relay import Relay
from support.wait import until
from support.witness import Witness

pytestmark = pytest.mark.only_source("slot")  # sessions and sockets do not know the source

TARGET = f"/websocket?api_token={SYSTEM_ROOT_TOKEN}"


def refused(relay: Relay, reason: str) -> float:
    metrics = Metrics(relay.http("/metrics", headers={"Authorization": f"Bearer {MANAGEMENT_TOKEN}"}).body)
    return sum(value for labels, value in metrics.samples("walcast_connections_refused_total") if labels == {"reason": reason})


def answer_at_the_door(relay: Relay) -> bytes:
    """What a new connection is told, up to the end of the stream."""
    with socket.create_connection(("127.0.0.1", relay.port), timeout=5) as connection:
        connection.sendall(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        got = b""
        while more := connection.recv(4096):
            got += more
        return got


def enter(stack: ExitStack, relay: Relay, count: int) -> list[RawWebSocket]:
    return [stack.enter_context(RawWebSocket(relay.port, TARGET)) for _ in range(count)]


def until_let_in(relay: Relay) -> None:
    def probe() -> bool:
        try:
            RawWebSocket(relay.port, TARGET).socket.close()
        except (AssertionError, OSError):
            return False
        return True

    until("a new client to be let in", probe, timeout=5)


# Limits of the configuration

@pytest.mark.parametrize(("setting", "reason", "status"), [
    ("MaxConnections", "connections", b"503 Service Unavailable"),
    ("MaxConnectionsPerAddress", "address", b"429 Too Many Requests"),
])
@pytest.mark.parametrize("shards", [1, 2])
def test_too_many_connections(database: ArvadosDatabase, make_relay: RelayMaker, setting: str, reason: str, status: bytes,
                              shards: int) -> None:
    """Counted over all shards; a place that gets free is given away again."""
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"] |= {setting: 5, "Shards": shards}
    relay.start()
    before = refused(relay, reason)
    until("the connections of the start to end", lambda: connections(relay) == 1)
    with ExitStack() as stack:
        witness = stack.enter_context(Witness(relay))
        others = enter(stack, relay, 4)
        for _ in range(40):
            answer = answer_at_the_door(relay)
            assert answer.startswith(b"HTTP/1.1 " + status), answer
            assert b"\r\nRetry-After: " in answer
        witness.wait_for(5)
        others[0].socket.close()
        until_let_in(relay)
        others[1].socket.close()
        until("the metrics to be let in", lambda: answer_at_the_door(relay).startswith(b"HTTP/1.1 400"))
        assert refused(relay, reason) >= before + 40


def connections(relay: Relay) -> float:
    return Metrics(relay.http("/metrics", headers={"Authorization": f"Bearer {MANAGEMENT_TOKEN}"}).body) \
        .value("walcast_connections")


def test_too_many_connections_over_tls(database: ArvadosDatabase, make_relay: RelayMaker, certificate: Certificate) -> None:
    relay = make_relay(database, "slot", tls=certificate.pair, tls_ca=certificate.ca)
    relay.cluster["Walcast"]["MaxConnections"] = 3
    relay.start()
    with relay.client(), relay.client(), relay.client():
        answer = until("a refusal", lambda: relay.http("/"))
        assert answer.status == 503
    until("a free place", lambda: relay.http("/").status == 404)


def test_who_is_refused_does_not_hold_a_place(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """Nor does it cost more than a moment, however it behaves: only so many are told why at a time."""
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"]["MaxConnections"] = 2
    relay.start()
    until("the connections of the start to end", lambda: connections(relay) == 1)
    with ExitStack() as stack, Witness(relay) as witness:
        other = stack.enter_context(RawWebSocket(relay.port, TARGET))
        before = len(relay.descriptors())
        for _ in range(100):  # they say nothing and stay
            stack.enter_context(socket.create_connection(("127.0.0.1", relay.port), timeout=5))
        witness.wait_for(5)
        assert len(relay.descriptors()) <= before + 32
        until("those who stay to be gone", lambda: len(relay.descriptors()) <= before, timeout=30)
        other.socket.close()
        until_let_in(relay)


@pytest.mark.parametrize("shards", [1, 2])
def test_too_many_sessions_of_a_user(database: ArvadosDatabase, make_relay: RelayMaker, shards: int) -> None:
    """Of all tokens of the user together; other users, and clients without a valid token, are not concerned."""
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"] |= {"MaxSessionsPerUser": 4, "Shards": shards}
    user = database.admin()
    tokens = [database.token(user).v2 for _ in range(2)]
    someone_else = database.token(database.admin()).v2
    relay.start()
    with ExitStack() as stack, Witness(relay) as witness:
        def client(token: str) -> Client:
            return stack.enter_context(relay.client(token))

        mine = [client(tokens[n % 2]) for n in range(4)]
        for one in mine:
            one.subscribe([["event_type", "in", ["e2e-mine"]]])
        event = database.log(event_type="e2e-mine")
        for one in mine:  # an event says that the token is known, and counted; the answer to subscribe does not
            one.expect_ids([event])
        for n in range(6):
            one_too_many = client(tokens[n % 2])
            assert one_too_many.wait_close(5) == 1008
            assert one_too_many.websocket.close_reason == "too many sessions of this user"
        for token in (someone_else, "nobodys0token"):
            client(token).subscribe()
        assert refused(relay, "user") == 6
        event = database.log(event_type="e2e-mine")
        for one in mine:
            one.expect_ids([event])

        mine[0].close()

        def place_is_free() -> bool:
            try:
                client(tokens[0]).subscribe(timeout=0.5)
            except AssertionError:
                return False
            return True

        until("the user's place to be free", place_is_free)
        witness.wait_for(5)


# Limits of the machine

@pytest.fixture
def narrow_relay(database: ArvadosDatabase, make_relay: RelayMaker) -> Iterator[Relay]:
    """With 160 descriptors in all."""
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"]["Shards"] = 1
    relay.wrapper = ["prlimit", "--nofile=160:160"]
    yield relay.start()


def test_few_descriptors(narrow_relay: Relay, database: ArvadosDatabase) -> None:
    """Newcomers get 503; those who are there stay; what the relay needs for itself is kept free: it reads its
    configuration again, and connects to the database again while it is full."""
    relay = narrow_relay
    with ExitStack() as stack, Witness(relay, bound=15) as witness:
        admitted = 0
        while admitted < 160:
            try:
                enter(stack, relay, 1)
            except AssertionError as full:
                assert "503" in str(full), full
                break
            admitted += 1
        assert 40 <= admitted < 120, f"{admitted} clients at 160 descriptors"
        assert answer_at_the_door(relay).startswith(b"HTTP/1.1 503")
        database.connection.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                                    " where application_name = 'walcast' and datname = current_database()")
        relay.reload()
        until("the configuration to be read again", lambda: "configuration read again" in relay.log_text())
        witness.wait_for(10)
        assert len(relay.descriptors()) < 160
    until_let_in(relay)
    assert refused(relay, "descriptors") >= 2
    assert "fewer clients than MaxConnections" in relay.log_text()


def test_no_descriptor_at_all(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """Something took all that there are: whoever is there stays, newcomers are told, and waiting costs no time."""
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"]["Shards"] = 1
    relay.start()
    with relay.client() as client, relay.client():
        client.subscribe([["event_type", "in", ["e2e-starved"]]])
        assert relay.process is not None
        taken = relay.descriptors()
        limit = next(n for n in range(len(taken) + 1) if n not in taken)
        _, hard = subprocess.run(["prlimit", f"--pid={relay.process.pid}", "--nofile", "--noheadings", "--raw",
                                  "--output=SOFT,HARD"],
                                 capture_output=True, text=True, check=True).stdout.split()
        set_limit(relay, limit, hard)
        until("a newcomer to be told", lambda: answer_at_the_door(relay).startswith(b"HTTP/1.1 503"))
        cpu, started = relay.cpu_seconds(), time.monotonic()
        for _ in range(10):
            client.expect_ids([database.log(event_type="e2e-starved")], timeout=2)
            assert answer_at_the_door(relay).startswith(b"HTTP/1.1 503")
            time.sleep(0.1)
        used = (relay.cpu_seconds() - cpu) / (time.monotonic() - started)
        assert used < 0.3, f"{used:.0%} of a processor for doing nothing"
        set_limit(relay, int(hard), hard)
        until_let_in(relay)
        assert refused(relay, "descriptors") >= 11
        assert relay.log_text().count("cannot accept connections") == 1, "one line for all attempts"


def set_limit(relay: Relay, soft: int, hard: str) -> None:
    assert relay.process is not None
    subprocess.run(["prlimit", f"--pid={relay.process.pid}", f"--nofile={soft}:{hard}"], check=True)
