"""The newest state of a record over HTTP: ETags, tokens, long polls."""

import http.client
import json
import re
import select
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import quote

import pytest

from conftest import RelayMaker
from support.arvados import ANONYMOUS_TOKEN, SYSTEM_ROOT_TOKEN, ArvadosDatabase
from support.certificate import Certificate
from support.event_source import EventSource
from support.http import Answer
from support.institute import Institute
from support.records import classes, delete_record, insert_record, new_record, read_record, update_record
from support.relay import Relay
from support.v1 import v1_client
from support.v1_schema import problem_of
from support.wait import until

pytestmark = pytest.mark.only_source("slot")

PATH = "/arvados/v1/latest/"
BEARER = {"Authorization": f"Bearer {SYSTEM_ROOT_TOKEN}"}
NOBODY = "v2/zzzzz-gj3su-000000000000000/nobodyhasthistoken"


def latest(relay: Relay, uuid: str, query: str = "", method: str = "GET", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return relay.http(f"{PATH}{uuid}" + (f"?{query}" if query else ""), method, {**BEARER, **named})


def problem(answer: Answer) -> tuple[int, str]:
    """Status and code, of an answer that is an error as the schema has it."""
    wrong = problem_of(answer.json())
    assert wrong is None, wrong
    assert answer.json()["errors"] == [answer.json()["message"]]
    return answer.status, answer.json()["code"]


class Poll(threading.Thread):
    """A request that waits, and what came of it."""

    def __init__(self, ask: Callable[[], Answer]) -> None:
        super().__init__()
        self.ask = ask
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        self.seconds = 0.0
        self.start()

    def run(self) -> None:
        begun = time.monotonic()
        try:
            self.answer = self.ask()
        except BaseException as error:
            self.error = error
        self.seconds = time.monotonic() - begun

    def result(self, timeout: float = 20) -> Answer:
        self.join(timeout)
        assert not self.is_alive(), f"no answer within {timeout:g} s"
        assert self.answer is not None, self.error
        return self.answer


def waiting(relay: Relay, count: int = 1) -> None:
    until(f"{count} requests to wait", lambda: relay.metric("walcast_latest_requests") >= count, 30)
    time.sleep(0.1)  # until what they wait for is known


# The state

def test_every_class(shared_relay: Relay) -> None:
    """What is in the database; the ETag is that of the state, and so the same from memory and from a query."""
    connection = shared_relay.database.connection
    for infix in classes():
        if infix == "gj3su":
            continue
        uuid = new_record(connection, infix)
        answer = latest(shared_relay, uuid)
        assert answer.status == 200, answer.body
        assert answer.json() == read_record(connection, uuid)
        assert answer.media_type == "application/json"
        with v1_client(shared_relay) as client:
            client.record(uuid)
            again = latest(shared_relay, uuid)
            assert (again.body, again.headers["ETag"]) == (answer.body, answer.headers["ETag"])


def test_select(shared_relay: Relay) -> None:
    """As JSON or with commas; other columns, another ETag."""
    uuid = new_record(shared_relay.database.connection, name="a")
    answers = [latest(shared_relay, uuid, query) for query in ("select=uuid,name", 'select=["uuid","name"]', "select=%5B%22name%22,%22uuid%22%5D")]
    assert [answer.json() for answer in answers] == [{"uuid": uuid, "name": "a"}] * 3
    assert len({answer.headers["ETag"] for answer in answers}) == 1
    assert latest(shared_relay, uuid).headers["ETag"] != answers[0].headers["ETag"]


def test_etags(shared_relay: Relay) -> None:
    """One state, one ETag, as long as it is; again when the state is the same again."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    answer = latest(shared_relay, uuid)
    etag = answer.headers["ETag"]
    assert etag.startswith('"') and etag.endswith('"') and len(etag) > 20
    for header in (etag, f"W/{etag}", f'"other", {etag}', f'"x" ,W/{etag} , "y"', "*"):
        same = latest(shared_relay, uuid, If_None_Match=header)
        assert (same.status, same.body, same.headers["ETag"]) == (304, "", etag), header
        assert "Content-Type" not in same.headers
    for header in ('"other"', etag.strip('"'), '""', ",,,", etag[:-2]):
        assert latest(shared_relay, uuid, If_None_Match=header).status == 200, header
    update_record(connection, uuid, name="b")
    until("the change", lambda: latest(shared_relay, uuid, If_None_Match=etag).status == 200)
    update_record(connection, uuid, name="a")
    until("the change back", lambda: latest(shared_relay, uuid, If_None_Match=etag).status == 304)


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_after_a_restart(database: ArvadosDatabase, make_relay: RelayMaker, how: str) -> None:
    """ETags and tokens are as good as before, whichever relay made them."""
    relay = make_relay(database, "slot").start()
    uuid, other = new_record(database.connection, "xvhdp", name="a"), new_record(database.connection, name="a")
    before, changed = latest(relay, uuid), latest(relay, other)
    (relay.kill if how == "SIGKILL" else relay.stop)()
    update_record(database.connection, other, name="b")
    relay.start()
    assert latest(relay, uuid, If_None_Match=before.headers["ETag"]).status == 304
    assert latest(relay, uuid, f"after={before.headers['Walcast-Token']}").status == 304
    until("the change", lambda: latest(relay, other, If_None_Match=changed.headers["ETag"]).status == 200)
    answer = latest(relay, other, f"after={changed.headers['Walcast-Token']}")
    assert (answer.status, answer.json()["name"]) == (200, "b")


def test_the_token(shared_relay: Relay) -> None:
    """Goes on, here and on a WebSocket and in a stream, with the same columns."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    answer = latest(shared_relay, uuid)
    token = answer.headers["Walcast-Token"]
    same = latest(shared_relay, uuid, f"after={token}")
    assert (same.status, same.headers["ETag"]) == (304, answer.headers["ETag"])
    update_record(connection, uuid, name="b")
    with v1_client(shared_relay) as client:
        assert client.subscribe(f"record/{uuid}", after=token).expect("change")["record"]["name"] == "b"
    with EventSource(shared_relay, f"record/{uuid}", after=token) as source:
        assert source.expect("change")["record"]["name"] == "b"
    answer = latest(shared_relay, uuid, f"after={token}")
    assert (answer.status, answer.json()["name"]) == (200, "b")
    for odd in ("nonsense", "%00", "x" * 5000, token[:-1], token + "A"):
        assert latest(shared_relay, uuid, f"after={odd}").status == 200, odd  # where it is cannot be known, so it gets the state


def test_head(shared_relay: Relay) -> None:
    uuid = new_record(shared_relay.database.connection)
    full, head = latest(shared_relay, uuid), latest(shared_relay, uuid, method="HEAD")
    assert (head.status, head.body) == (200, "")
    for header in ("ETag", "Content-Length", "Content-Type"):
        assert head.headers[header] == full.headers[header]
    assert latest(shared_relay, uuid, method="HEAD", If_None_Match=full.headers["ETag"]).status == 304
    assert latest(shared_relay, "zzzzz-4zz18-000000000000000", method="HEAD").status == 404


# Who may

def test_what_may_not_be_read(shared_relay: Relay) -> None:
    """Is as if it did not exist, to the letter; what may be read comes when the grant is there, and goes with it."""
    institute = Institute(shared_relay.database)
    user, owner = institute.user(), institute.user()
    uuid = institute.collection(owner)
    token = institute.database.token(user).v2

    def ask(of: str) -> Answer:
        return shared_relay.http(f"{PATH}{of}?api_token={token}")

    hidden, absent = ask(uuid), ask("zzzzz-4zz18-000000000000000")
    assert problem(hidden) == problem(absent) == (404, "not_found")
    assert hidden.body == absent.body
    assert set(hidden.headers) == set(absent.headers)
    grant = institute.grant(user, uuid)
    until("the grant to count", lambda: ask(uuid).status == 200)
    etag = ask(uuid).headers["ETag"]
    poll = Poll(lambda: shared_relay.http(f"{PATH}{uuid}?api_token={token}&wait=30", headers={"If-None-Match": etag}))
    waiting(shared_relay)
    institute.destroy(grant)
    assert problem(poll.result()) == (404, "not_found")
    assert poll.result().body == absent.body
    assert ask(uuid).status == 404
    institute.close()


@pytest.mark.parametrize("token", [NOBODY, "nonsense", "", "%00", "v2/x"])
def test_bad_tokens(shared_relay: Relay, token: str) -> None:
    uuid = new_record(shared_relay.database.connection)
    answer = shared_relay.http(f"{PATH}{uuid}?api_token={token}")
    assert problem(answer) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert token == "" or token not in answer.body


def test_tokens(shared_relay: Relay) -> None:
    database = shared_relay.database
    uuid = new_record(database.connection)
    token = database.token(database.admin()).v2
    for headers in ({"Authorization": f"Bearer {token}"}, {"Authorization": f"OAuth2 {token}"}):
        assert shared_relay.http(f"{PATH}{uuid}", headers=headers).status == 200
    assert shared_relay.http(f"{PATH}{uuid}?api_token={quote(token)}").status == 200
    assert shared_relay.http(f"{PATH}{uuid}?api_token={ANONYMOUS_TOKEN}").status == 404
    scoped = database.token(database.admin(), scopes='["GET /arvados/v1/collections/"]').v2
    assert shared_relay.http(f"{PATH}{uuid}?api_token={scoped}").status == 200
    answer = shared_relay.http(f"{PATH}{new_record(database.connection, 'xvhdp')}?api_token={scoped}")
    assert problem(answer) == (403, "not_allowed")


def test_a_token_that_expires_while_it_waits(shared_relay: Relay) -> None:
    database = shared_relay.database
    uuid = new_record(database.connection)
    token = database.token(database.admin(), expires_at="now() + interval '2 s'").v2
    etag = latest(shared_relay, uuid).headers["ETag"]
    answer = Poll(lambda: shared_relay.http(f"{PATH}{uuid}?api_token={token}&wait=9", headers={"If-None-Match": etag})).result()
    assert problem(answer) == (401, "unauthorized")


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


# What is refused

@pytest.mark.parametrize(("target", "status", "code"), [
    ("", 404, "unknown_topic"), ("nonsense", 404, "unknown_topic"), ("zzzzz-aaaaa-000000000000000", 404, "unknown_topic"),
    ("zzzzz-4zz18-000000000000000", 404, "not_found"), ("zzzzz-4zz18-000000000000000/", 404, "unknown_topic"),
    ("zzzzz-4zz18-00000000000000%00", 404, "unknown_topic"), ("%ff", 404, "unknown_topic"), ("%", 404, "unknown_topic"),
    ("%22,%22op%22:%22auth%22", 404, "unknown_topic"), ("x" * 9000, 404, "unknown_topic"),
    ("zzzzz-4zz18-000000000000000?wait=-1", 400, "bad_request"), ("zzzzz-4zz18-000000000000000?wait=soon", 400, "bad_request"),
    ("zzzzz-4zz18-000000000000000?wait=99999999999999", 400, "bad_request"), ("zzzzz-4zz18-000000000000000?wait=%00", 400, "bad_request"),
    ("zzzzz-4zz18-000000000000000?select=[", 400, "bad_request"), ("zzzzz-4zz18-000000000000000?select=no_such", 400, "bad_request"),
    ("zzzzz-4zz18-000000000000000?select=%ff", 400, "bad_request"), ("zzzzz-gj3su-000000000000000?select=api_token", 400, "bad_request"),
    ("zzzzz-4zz18-000000000000000?select=" + ",".join(["name"] * 201), 400, "bad_request"),
    ("zzzzz-4zz18-000000000000000?select=" + "[" * 9000, 400, "bad_request"),
])
def test_bad_requests(shared_relay: Relay, target: str, status: int, code: str) -> None:
    answer = shared_relay.http(PATH + target, headers=BEARER)
    assert problem(answer) == (status, code), answer.body
    assert answer.media_type == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods(shared_relay: Relay, method: str) -> None:
    answer = latest(shared_relay, "zzzzz-4zz18-000000000000000", method=method)
    assert problem(answer) == (405, "bad_request")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_cross_origin(shared_relay: Relay) -> None:
    """A page may ask, with its token and an ETag, and may read what the answer says of itself."""
    uuid = new_record(shared_relay.database.connection)
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "GET",
             "Access-Control-Request-Headers": "authorization,if-none-match"}
    before = shared_relay.http(PATH + uuid, "OPTIONS", asked)
    assert (before.status, before.body) == (200, "")
    assert before.headers["Access-Control-Allow-Origin"] == "*"
    assert before.headers["Access-Control-Max-Age"] == "86486400"
    assert {"GET", "HEAD"} <= set(before.headers["Access-Control-Allow-Methods"].split(", "))
    assert {"Authorization", "If-None-Match"} <= set(before.headers["Access-Control-Allow-Headers"].split(", "))
    answer = latest(shared_relay, uuid, Origin="https://example.org")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert {"ETag", "Walcast-Token"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert answer.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.only_source("listener")
def test_without_a_slot(shared_relay: Relay) -> None:
    answer = latest(shared_relay, new_record(shared_relay.database.connection))
    assert problem(answer) == (503, "unavailable")


def test_curl(shared_relay: Relay, tmp_path: object) -> None:
    """As a newcomer runs it: the state, then only if it is another one."""
    uuid = new_record(shared_relay.database.connection, name="a")
    url = f"http://{shared_relay.host}{PATH}{uuid}?select=name"
    saved = f"{tmp_path}/etag"
    curl = ["curl", "-s", "--etag-save", saved, "-H", f"Authorization: Bearer {SYSTEM_ROOT_TOKEN}"]
    assert subprocess.run([*curl, url], capture_output=True, text=True, timeout=20, check=True).stdout == '{"name":"a"}'
    again = [*curl, "--etag-compare", saved, "-w", "%{http_code}", f"{url}&wait=1"]
    assert subprocess.run(again, capture_output=True, text=True, timeout=20, check=True).stdout == "304"
