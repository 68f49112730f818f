"""Requests that wait until a record changes: one and a thousand, over connections of every kind."""

import http.client
import json
import re
import select
import socket
import ssl
import time
from contextlib import ExitStack

import pytest

from conftest import RelayMaker
from support.arvados import SYSTEM_ROOT_TOKEN, ArvadosDatabase
from support.certificate import Certificate
from support.http import Answer
from support.latest import BEARER, PATH, Poll, latest, problem, waiting
from support.records import delete_record, insert_record, new_record, read_record, update_record
from support.relay import Relay
from support.wait import until

pytestmark = pytest.mark.only_source("slot")


# Long polls

@pytest.mark.parametrize("by", ["etag", "after"])
def test_long_poll(shared_relay: Relay, by: str) -> None:
    """Answered by the change; by a deletion; by nothing when the time is over."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")

    def poll(last: Answer, wait: float = 30) -> Poll:
        if by == "etag":
            return Poll(lambda: latest(shared_relay, uuid, f"wait={wait}", If_None_Match=last.headers["ETag"]))
        return Poll(lambda: latest(shared_relay, uuid, f"wait={wait}&after={last.headers['Walcast-Token']}"))

    answer = latest(shared_relay, uuid)
    for name in ("b", "c", "d"):
        one = poll(answer)
        waiting(shared_relay)
        update_record(connection, uuid, name=name)
        answer = one.result()
        assert (answer.status, answer.json()["name"]) == (200, name)
        assert answer.json() == read_record(connection, uuid)
    over = poll(answer, wait=1)
    assert over.result().status == 304 and over.seconds >= 1
    assert over.result().headers["ETag"] == answer.headers["ETag"]
    assert over.result().headers["Walcast-Token"]
    one = poll(answer)
    waiting(shared_relay)
    delete_record(connection, uuid)
    assert problem(one.result()) == (404, "not_found")
    assert problem(latest(shared_relay, uuid)) == (404, "not_found")
    insert_record(connection, uuid, {"name": "e"})
    until("it to be back", lambda: latest(shared_relay, uuid).status == 200)


def test_what_ends_no_wait(shared_relay: Relay) -> None:
    """Changes of other columns, and one that is taken back in its transaction."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    etag = latest(shared_relay, uuid, "select=uuid,name").headers["ETag"]
    one = Poll(lambda: latest(shared_relay, uuid, "wait=30&select=uuid,name", If_None_Match=etag))
    waiting(shared_relay)
    update_record(connection, uuid, replication_confirmed=7)
    with connection.transaction():
        update_record(connection, uuid, name="b")
        update_record(connection, uuid, name="a")
    time.sleep(0.3)
    assert one.is_alive()
    update_record(connection, uuid, name="c")
    assert one.result().json()["name"] == "c"


def test_large_columns(shared_relay: Relay) -> None:
    """What a change did not touch is in the answer as well."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a", description="".join(f"{number:x}" for number in range(60_000)))
    answer = latest(shared_relay, uuid)
    one = Poll(lambda: latest(shared_relay, uuid, "wait=30", If_None_Match=answer.headers["ETag"]))
    waiting(shared_relay)
    update_record(connection, uuid, name="b")
    assert one.result().json() == read_record(connection, uuid)


def test_no_condition_no_wait(shared_relay: Relay) -> None:
    uuid = new_record(shared_relay.database.connection)
    begun = time.monotonic()
    assert latest(shared_relay, uuid, "wait=30").status == 200
    assert time.monotonic() - begun < 10


def test_the_bound(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """Nobody waits for longer than the configuration allows; several sessions of a user are as many as it allows."""
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"].update(LongPollTimeout="1s", MaxSessionsPerUser=2)
    relay.start()
    uuid = new_record(database.connection)
    token = database.token(database.admin()).v2

    def ask(wait: int) -> Answer:
        return relay.http(f"{PATH}{uuid}?api_token={token}&wait={wait}", headers={"If-None-Match": "*"})

    polls = [Poll(lambda: ask(3600)) for _ in range(2)]
    waiting(relay, 2)
    answer = ask(3600)
    assert problem(answer) == (429, "unavailable")
    assert answer.headers["Retry-After"]
    assert [poll.result().status for poll in polls] == [304, 304]
    assert all(poll.seconds < 8 for poll in polls)
    assert ask(0).status == 304


def test_a_thousand(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """Of one record: answered by one commit, with the same bytes, and one query for the snapshot of all."""
    relay = make_relay(database, "slot").start()
    uuid = new_record(database.connection, name="a")
    etag = latest(relay, uuid).headers["ETag"]
    request = f"GET {PATH}{uuid}?wait=45 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SYSTEM_ROOT_TOKEN}\r\nIf-None-Match: {etag}\r\n\r\n"
    with ExitStack() as stack:
        clients = []
        for _ in range(1000):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", relay.port), timeout=30))
            client.sendall(request.encode())
            clients.append(client)
        waiting(relay, 1000)
        assert not select.select(clients, [], [], 0.5)[0]
        update_record(database.connection, uuid, name="b")
        bodies = set()
        for client in clients:
            got = b""
            while b"\r\n\r\n" not in got:
                piece = client.recv(65536)
                assert piece, got
                got += piece
            head, _, body = got.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head[:100]
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            while len(body) < length:
                body += client.recv(65536)
            bodies.add(body)
        assert len(bodies) == 1 and json.loads(bodies.pop())["name"] == "b"
    until("nobody to wait", lambda: relay.metric("walcast_latest_requests") == 0)
    assert relay.metric("walcast_latest_answers_total", status="200") == 1001


def test_the_end_of_the_relay(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """Whoever waits is answered at once."""
    relay = make_relay(database, "slot").start()
    uuid = new_record(database.connection)
    etag = latest(relay, uuid).headers["ETag"]
    one = Poll(lambda: latest(relay, uuid, "wait=45", If_None_Match=etag))
    waiting(relay)
    assert relay.stop() == 0
    assert one.result().status == 304
    assert one.result().headers["Connection"] == "close"


def test_a_client_that_goes(shared_relay: Relay) -> None:
    """Is not waited for."""
    uuid = new_record(shared_relay.database.connection)
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", shared_relay.port), timeout=10) as client:
            client.sendall(f"GET {PATH}{uuid}?wait=40 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SYSTEM_ROOT_TOKEN}\r\n"
                           "If-None-Match: *\r\n\r\n".encode())
            waiting(shared_relay)
    until("nobody to wait", lambda: shared_relay.metric("walcast_latest_requests") == 0)


# Connections

def test_keep_alive(shared_relay: Relay) -> None:
    """After each kind of answer the connection is good for another request."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    client = http.client.HTTPConnection("127.0.0.1", shared_relay.port, timeout=20)
    client.connect()
    first = client.sock
    etag = ""
    for target, status in ((uuid, 200), ("zzzzz-4zz18-000000000000000", 404), (f"{uuid}?wait=1", 304), (f"{uuid}?wait=x", 400), (uuid, 304)):
        client.request("GET", PATH + target, headers={**BEARER, **({"If-None-Match": etag} if etag else {})})
        answer = client.getresponse()
        answer.read()
        assert answer.status == status, target
        etag = etag or answer.headers["ETag"]
    assert client.sock is first
    client.close()


def test_pipelined_requests(shared_relay: Relay) -> None:
    """Each is answered, in order, also behind one that waits; split wherever they are."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    etag = latest(shared_relay, uuid).headers["ETag"]
    head = f"Host: x\r\nAuthorization: Bearer {SYSTEM_ROOT_TOKEN}\r\n"
    requests = (f"GET {PATH}{uuid} HTTP/1.1\r\n{head}\r\n"
                f"GET {PATH}{uuid}?wait=30 HTTP/1.1\r\n{head}If-None-Match: {etag}\r\n\r\n"
                f"GET {PATH}{uuid}?select=name HTTP/1.1\r\n{head}\r\n"
                f"GET /nowhere HTTP/1.1\r\n{head}Connection: close\r\n\r\n").encode()
    for pieces in ([requests], [requests[:50], requests[50:400], requests[400:]], [requests[at:at + 100] for at in range(0, len(requests), 100)]):
        update_record(connection, uuid, name="a")
        until("the state as it was", lambda: latest(shared_relay, uuid, If_None_Match=etag).status == 304)
        with socket.create_connection(("127.0.0.1", shared_relay.port), timeout=20) as client:
            for piece in pieces:
                client.sendall(piece)
                time.sleep(0.02)
            waiting(shared_relay)
            update_record(connection, uuid, name="b")
            got = b""
            while piece := client.recv(65536):
                got += piece
        assert re.findall(rb"HTTP/1.1 (\d+) ", got) == [b"200", b"200", b"200", b"404"], got
        assert b'{"name":"b"}' in got


def test_http_1_0(shared_relay: Relay) -> None:
    uuid = new_record(shared_relay.database.connection, name="a")
    with socket.create_connection(("127.0.0.1", shared_relay.port), timeout=20) as client:
        client.sendall(f"GET {PATH}{uuid}?select=name&wait=1 HTTP/1.0\r\nAuthorization: Bearer {SYSTEM_ROOT_TOKEN}\r\n\r\n".encode())
        got = b""
        while piece := client.recv(65536):
            got += piece
    assert got.startswith(b"HTTP/1.0 200 ") and got.endswith(b'{"name":"a"}'), got


def test_tls(database: ArvadosDatabase, make_relay: RelayMaker, certificate: Certificate) -> None:
    """Also that a request comes while another one waits, and that a client which goes is noticed."""
    relay = make_relay(database, "slot", tls=certificate.pair, tls_ca=certificate.ca)
    relay.start()
    uuid = new_record(database.connection, name="a")
    etag = latest(relay, uuid).headers["ETag"]
    one = Poll(lambda: latest(relay, uuid, "wait=30", If_None_Match=etag))
    waiting(relay)
    update_record(database.connection, uuid, name="b")
    assert one.result().json()["name"] == "b"
    etag = one.result().headers["ETag"]
    context = ssl.create_default_context(cafile=certificate.ca)
    request = f"GET {PATH}{uuid}?select=name HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SYSTEM_ROOT_TOKEN}\r\n\r\n".encode()
    with context.wrap_socket(socket.create_connection(("127.0.0.1", relay.port), timeout=20), server_hostname="127.0.0.1") as client:
        client.sendall(request.replace(b"?select=name", b"?wait=30").replace(b"\r\n\r\n", f"\r\nIf-None-Match: {etag}\r\n\r\n".encode()))
        waiting(relay)
        client.sendall(request[:40])
        time.sleep(0.1)
        update_record(database.connection, uuid, name="c")
        got = b""
        while b'"name":"c"' not in got:
            got += client.recv(65536)
        client.sendall(request[40:])
        while b'{"name":"c"}' not in got:
            got += client.recv(65536)
        client.sendall(request.replace(b"?select=name", b"?wait=30").replace(b"\r\n\r\n", b"\r\nIf-None-Match: *\r\n\r\n"))
        waiting(relay)
    until("nobody to wait", lambda: relay.metric("walcast_latest_requests") == 0)
