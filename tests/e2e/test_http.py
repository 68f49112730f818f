"""The HTTP side: the table of answers that arvados-ws gives, health, metrics, status."""

import hashlib
import re
import socket
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest

from conftest import RelayMaker
from support.arvados import MANAGEMENT_TOKEN, SYSTEM_ROOT_TOKEN, ArvadosDatabase
from support.http import Answer, texts
from support.metrics import Metrics
from support.postgres import Postgres
from support.relay import Relay
from support.wait import until

UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
MANAGER = {"Authorization": f"Bearer {MANAGEMENT_TOKEN}"}
IMPOSTOR = {"Authorization": "Bearer managementtoken1"}

pytestmark = pytest.mark.only_source("slot")  # HTTP does not know the source, except where a test says so


def without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


@pytest.mark.parametrize(("method", "path", "headers", "status", "media_type", "body"), [
    ("GET", "/", {}, 404, "text/plain", "404 page not found\n"),
    ("GET", "/nope", {}, 404, "text/plain", "404 page not found\n"),
    ("GET", "/websocket/", {}, 404, "text/plain", "404 page not found\n"),
    ("GET", "/websocket/", UPGRADE, 404, "text/plain", "404 page not found\n"),
    ("GET", "/nope", UPGRADE, 404, "text/plain", "404 page not found\n"),
    ("GET", "/websocket", {}, 400, None, "not websocket protocol\n"),
    ("GET", f"/websocket?api_token={SYSTEM_ROOT_TOKEN}", {}, 400, None, "not websocket protocol\n"),
    ("POST", "/websocket", {}, 405, None, "bad method\n"),
    ("OPTIONS", "/websocket", {}, 405, None, "bad method\n"),
    ("POST", "/websocket", UPGRADE, 405, None, "bad method\n"),
    ("GET", "/websocket", UPGRADE | {"Sec-WebSocket-Version": "12"}, 400, None, "missing or bad WebSocket Version\n"),
    ("GET", "/websocket", without(UPGRADE, "Sec-WebSocket-Version"), 400, None, "missing or bad WebSocket Version\n"),
    ("GET", "/_health/ping", {}, 401, "text/plain", "authorization required\n"),
    ("GET", "/_health/db", {}, 401, "text/plain", "authorization required\n"),
    ("GET", "/_health/ping", IMPOSTOR, 403, "text/plain", "authorization error\n"),
    ("GET", "/_health/db", IMPOSTOR, 403, "text/plain", "authorization error\n"),
    ("GET", "/_health/ping", MANAGER, 200, "application/json", '{"health":"OK"}\n'),
    ("GET", "/_health/db", MANAGER, 200, "application/json", '{"health":"OK"}\n'),
    ("GET", "/_health/", MANAGER, 404, None, None),
    ("GET", "/_health/nope", MANAGER, 404, None, None),
    ("GET", "/metrics", {}, 401, "text/plain", "Unauthorized\n"),
    ("GET", "/metrics.json", {}, 401, "text/plain", "Unauthorized\n"),
    ("GET", "/metrics", MANAGER, 200, "text/plain; version=0.0.4", None),
])
def test_answer(shared_relay: Relay, method: str, path: str, headers: dict[str, str], status: int, media_type: str | None,
                body: str | None) -> None:
    answer = shared_relay.http(path, method, headers)
    assert answer.status == status, f"{method} {path}: {answer}"
    if media_type is not None:
        assert answer.media_type.startswith(media_type), f"{method} {path}: {answer.media_type}"
    if body is not None:
        assert answer.body == body, f"{method} {path}: {answer.body!r}"


def test_wrong_version_names_the_right_one(shared_relay: Relay) -> None:
    answer = shared_relay.http("/websocket", headers=UPGRADE | {"Sec-WebSocket-Version": "8"})
    assert answer.headers["Sec-WebSocket-Version"] == "13"


@pytest.mark.parametrize("more", [
    {},
    {"Origin": "https://workbench.example"},
    {"Origin": "null"},
    {"Origin": "no origin at all"},
    {"Sec-WebSocket-Protocol": "one, two"},
    {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"},
    {"Sec-WebSocket-Extensions": "x-unknown; a=1"},
], ids=str)
def test_upgrade(shared_relay: Relay, more: dict[str, str]) -> None:
    """101 without subprotocol, and without an extension that was not offered."""
    answer = upgrade(shared_relay, more)
    assert answer.startswith("HTTP/1.1 101 "), answer
    assert "\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n" in answer.lower()
    assert "sec-websocket-protocol" not in answer.lower()
    if "permessage-deflate" not in str(more):
        assert "sec-websocket-extensions" not in answer.lower()


def upgrade(relay: Relay, more: dict[str, str]) -> str:
    lines = [f"GET /websocket?api_token={SYSTEM_ROOT_TOKEN} HTTP/1.1", f"Host: {relay.host}",
             *(f"{name}: {value}" for name, value in (UPGRADE | more).items()), "", ""]
    with socket.create_connection(("127.0.0.1", relay.port), timeout=5) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return connection.recv(4096).decode()


def test_date_header(shared_relay: Relay) -> None:
    """The health aggregator compares our clock with its own, from a Date in RFC 1123 form."""
    date = shared_relay.http("/_health/ping", headers=MANAGER | {"X-Forwarded-Proto": "https"}).headers["Date"]
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date), date
    assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 5, date


# Metrics

ARVADOS_METRICS = {
    "arvados_ws_queue_len": "gauge",
    "arvados_ws_queue_cap": "gauge",
    "arvados_ws_queue_delay": "gauge",
    "arvados_ws_sinks": "gauge",
    "arvados_ws_sinks_blocked": "gauge",
    "arvados_ws_events_in": "counter",
    "arvados_ws_events_out": "counter",
    "arvados_ws_db_max_connections": "gauge",
    "arvados_ws_db_open_connections": "gauge",
    "arvados_ws_sockets": "gauge",
}


@pytest.fixture
def metrics(shared_relay: Relay) -> Metrics:
    return Metrics(shared_relay.http("/metrics", headers=MANAGER).body)


@pytest.mark.parametrize(("name", "kind"), ARVADOS_METRICS.items())
def test_metric_of_arvados(metrics: Metrics, name: str, kind: str) -> None:
    assert metrics.types.get(name) == kind
    assert metrics.samples(name), f"{name} has no value"


def test_metrics_of_the_database_pool(metrics: Metrics) -> None:
    assert metrics.value("arvados_ws_db_max_connections") == 12
    for inuse in ("0", "1"):
        assert metrics.value("arvados_ws_db_open_connections", inuse=inuse) >= 0
    assert "arvados_ws_db_max_connections 12\n" in metrics.text, "dashboards and arvados' own test read this very line"


def test_metrics_for_the_health_aggregator(metrics: Metrics, shared_relay: Relay) -> None:
    """The hash of the configuration file as it is; no version, which would have to be the cluster's."""
    digest = hashlib.sha256(shared_relay.write_config().read_bytes()).hexdigest()
    assert metrics.value("arvados_config_source_timestamp_seconds", sha256=digest) > 0
    assert not metrics.samples("arvados_version_running")


@pytest.mark.only_source("slot", "listener")
def test_metrics_count_events_and_sockets(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    def now() -> Metrics:
        return Metrics(shared_relay.http("/metrics", headers=MANAGER).body)

    until("no socket to be open", lambda: now().value("arvados_ws_sockets", version="0") == 0)
    before = now()
    with shared_relay.client() as one, shared_relay.client() as two:
        one.subscribe()
        two.subscribe()
        ids = [shared_database.log() for _ in range(3)]
        one.expect_ids(ids)
        two.expect_ids(ids)
        during = now()
        assert during.value("arvados_ws_sockets", version="0") == 2
        assert during.value("arvados_ws_sockets", version="1") == 0
        assert during.value("arvados_ws_sinks") == 2
        assert during.value("arvados_ws_events_in") - before.value("arvados_ws_events_in") == 3
        assert during.value("arvados_ws_events_out") - before.value("arvados_ws_events_out") == 6
    until("the sockets to be gone from the metrics", lambda: now().value("arvados_ws_sockets", version="0") == 0)


# Status

@pytest.mark.parametrize("headers", [{}, IMPOSTOR], ids=["no token", "wrong token"])
def test_status_needs_the_management_token(shared_relay: Relay, headers: dict[str, str]) -> None:
    answer = shared_relay.http("/status.json", headers=headers)
    assert answer.status in (401, 403), answer


@pytest.mark.only_source("slot", "listener")
def test_status_names_the_source(shared_relay: Relay, source: str) -> None:
    answer = shared_relay.http("/status.json", headers=MANAGER)
    assert answer.status == 200, answer
    assert answer.media_type.startswith("application/json")
    assert source in texts(answer.json()), answer.body


# Without ManagementToken

@pytest.fixture
def unmanaged(database: ArvadosDatabase, make_relay: RelayMaker) -> Iterator[Relay]:
    relay = make_relay(database, "listener")
    relay.cluster["ManagementToken"] = ""
    yield relay.start()


def test_without_management_token(unmanaged: Relay) -> None:
    """Health is off whatever the token, metrics are open."""
    for path in ("/_health/ping", "/_health/db"):
        for headers in ({}, MANAGER, {"Authorization": "Bearer "}):
            answer = unmanaged.http(path, headers=headers)
            assert (answer.status, answer.body) == (404, "disabled\n"), f"{path} {headers}: {answer}"
    assert unmanaged.http("/metrics").status == 200
    assert unmanaged.http("/status.json").status in (401, 403, 404), "the status page is never open"


# Database down

@pytest.mark.only_source("slot", "listener")
def test_health_while_the_database_is_down(own_postgres: Postgres, own_database: ArvadosDatabase, source: str,
                                           make_relay: RelayMaker) -> None:
    relay = make_relay(own_database, source).start()

    def health(path: str) -> Answer:
        return relay.http(path, headers=MANAGER)

    own_postgres.stop()
    for path in ("/_health/ping", "/_health/db"):
        answer = until(f"{path} to say ERROR", lambda path=path: a if (a := health(path)).json()["health"] == "ERROR" else None)
        assert answer.status == 200, answer
        assert answer.json()["error"], answer.body
    assert relay.http("/metrics", headers=MANAGER).status == 200, "metrics do not need the database"
    own_postgres.start()
    until("health to recover", lambda: health("/_health/ping").body == '{"health":"OK"}\n', timeout=20)


# Secrets

def test_no_answer_has_a_secret(shared_relay: Relay) -> None:
    for path in ("/", "/metrics", "/metrics.json", "/status.json", "/status", "/_health/ping", "/_health/db", "/websocket",
                 f"/websocket?api_token={SYSTEM_ROOT_TOKEN}", f"/nope?api_token={SYSTEM_ROOT_TOKEN}"):
        answer = shared_relay.http(path, headers=MANAGER)
        Relay.assert_no_secret(answer.body + str(answer.headers), f"the answer to {path[:12]}")
    Relay.assert_no_secret(shared_relay.log_text(), "the log")


@pytest.mark.parametrize("request_text", [
    "GET /websocket HTTP/1.1\r\nHost: x\r\nContent-Length: nonsense\r\n\r\n",
    "nonsense\r\n\r\n",
    "GET /" + "x" * 200_000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\n" + "".join(f"X-{n}: {'y' * 100}\r\n" for n in range(5000)) + "\r\n",
    "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
], ids=["bad length", "no HTTP", "a long path", "many headers", "a version to come", "TLS on a plain port"])
def test_bad_request(shared_relay: Relay, request_text: str) -> None:
    """400-something or a closed connection, and the relay goes on."""
    with socket.create_connection(("127.0.0.1", shared_relay.port), timeout=12) as connection:
        answer = b""
        try:
            connection.sendall(request_text.encode("latin-1"))
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(65536):
                answer += data
        except OSError:
            pass  # closed while we were sending
    assert answer == b"" or re.match(rb"HTTP/1\.[01] (4\d\d|505) ", answer), answer[:200]
    assert shared_relay.http("/_health/ping", headers=MANAGER).status == 200
