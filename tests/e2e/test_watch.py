"""`walcast watch`, against relays and against what is none."""

import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import RelayMaker
from support.arvados import ArvadosDatabase, new_uuid
from support.certificate import Certificate
from support.client import difference
from support.relay import Relay
from support.wait import free_port, until
from support.watch import Watch, on_a_terminal
from websockets.sync.server import ServerConnection, serve


@contextmanager
def answering(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """A port on loopback whose every connection gets one answer to its first bytes, and is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def run() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(answer(connection.recv(65536)))

        threading.Thread(target=run, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


# What it prints


def test_a_line_per_event(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    with Watch(shared_relay.url(), "--utc").wait_notice("subscribed to") as watch:
        uuid = new_uuid("dz642")
        shared_database.log(event_type="update", object_uuid=uuid, properties=json.dumps(
            {"old_attributes": {"state": "Queued"}, "new_attributes": {"state": "Running"}}))
        shared_database.log(event_type="stderr", object_uuid=uuid, properties=json.dumps({"text": "evil \x1b[2J\n"}))
        first, second = watch.wait_lines(2)
        assert first == (f"2026-01-02 03:04:05 update   container         {uuid}  state Queued → Running  "
                         "owner zzzzz-tpzed-000000000000000")
        assert second == (f"2026-01-02 03:04:05 stderr   container         {uuid}  evil \\u001b[2J  "
                          "owner zzzzz-tpzed-000000000000000")
        watch.signal(signal.SIGINT)
        assert watch.exit_code() == 0
        assert watch.notices == [f"walcast watch: subscribed to {shared_relay.url()}"]


def test_json_is_the_frame(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    with shared_relay.client() as client, Watch(shared_relay.url(), "--json", "--color=always") as watch:
        client.subscribe()
        watch.wait_notice("subscribed to")
        shared_database.log(properties=json.dumps({"text": "ü\x1b"}, ensure_ascii=False))
        frame = client.text(timeout=10)
        assert watch.wait_lines(1) == [frame]


def test_count_and_selection(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    wanted, other, owner = new_uuid("4zz18"), new_uuid("4zz18"), new_uuid("j7d0g")
    with Watch("--event-type", "create", "--event-type", "delete", "--object", wanted, "--owner", owner, "--kind",
               "collection", "--filters", '[["event_type","!=","delete"]]', "--count", "2", "--json",
               shared_relay.url()).wait_notice("subscribed to") as watch:
        common = {"object_uuid": wanted, "object_owner_uuid": owner}
        ids = [shared_database.log(event_type="create", **common)]
        shared_database.log(event_type="update", **common)
        shared_database.log(event_type="delete", **common)
        shared_database.log(event_type="create", object_uuid=other, object_owner_uuid=owner)
        shared_database.log(event_type="create", object_uuid=wanted)
        ids.append(shared_database.log(event_type="create", **common))
        shared_database.log(event_type="create", **common)
        assert watch.exit_code() == 0
        assert watch.ids() == ids


def test_where_to_begin(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    uuid = new_uuid("4zz18")
    ids = [shared_database.log(object_uuid=uuid) for _ in range(3)]
    old = shared_database.log(object_uuid=uuid, created_at="2020-01-02 03:04:05")
    for arguments, expected in ((["--last-log-id", str(ids[0])], [*ids[1:], old]), (["--since", "5m"], ids)):
        with Watch(shared_relay.url(), "--object", uuid, "--json", *arguments, "--count", str(len(expected))) as watch:
            assert watch.exit_code() == 0
            assert watch.ids() == expected


@pytest.mark.only_source("slot")
@pytest.mark.parametrize(("arguments", "environment", "colored"), [
    ([], {}, True), ([], {"NO_COLOR": "1"}, False), (["--color=always"], {"NO_COLOR": "1"}, True),
    (["--color=never"], {}, False), ([], {"TERM": "dumb"}, False)])
def test_color_on_a_terminal(shared_relay: Relay, shared_database: ArvadosDatabase, arguments: list[str],
                             environment: dict[str, str], colored: bool) -> None:
    last = shared_database.log()
    shared_database.log(event_type="create")
    line = on_a_terminal(shared_relay.url(), "--last-log-id", str(last), "--count", "1", *arguments, **environment)
    assert ("\x1b[32mcreate\x1b[0m" in line) == colored, line
    assert ("\x1b" in line) == colored, line


@pytest.mark.only_source("slot")
def test_idle_frames_print_nothing(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> None:
    relay = make_relay(database, source)
    relay.cluster["API"]["SendTimeout"] = "200ms"
    relay.start()
    with Watch(relay.url(), "--json").wait_notice("subscribed to") as watch, relay.client() as client:
        client.subscribe()
        assert [client.websocket.recv(timeout=2) for _ in range(4)] == ["{}"] * 4
        logged = database.log()
        watch.wait_lines(1)
        assert watch.ids() == [logged]
        assert len(watch.notices) == 1


@pytest.mark.only_source("slot")
def test_whoever_reads_may_go(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    """`walcast watch | head -1` ends when an event cannot be written, without a word."""
    with Watch(shared_relay.url(), "--json", reader="head -1").wait_notice("subscribed to") as watch:
        first = shared_database.log()
        watch.wait_lines(1)
        until("the end", lambda: bool(shared_database.log()) and watch.process.poll() is not None)
        assert watch.exit_code() == 0
        assert watch.ids() == [first]
        assert len(watch.notices) == 1


# Connections that end


def test_resumes_after_the_relay_was_killed(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> None:
    """Each event exactly once, those included that happen while there is no relay."""
    relay = make_relay(database, source).start()
    uuid = new_uuid("4zz18")
    with Watch(relay.url(), "--object", uuid, "--json").wait_notice("subscribed to") as watch:
        ids = [database.log(object_uuid=uuid) for _ in range(20)]
        watch.wait_lines(20)
        for round_number in range(2):
            relay.kill()
            watch.wait_notice("trying again", times=round_number + 1)
            ids += [database.log(object_uuid=uuid) for _ in range(20)]
            relay.start()
            ids += [database.log(object_uuid=uuid) for _ in range(20)]
            watch.wait_lines(len(ids), timeout=30)
        assert watch.ids() == ids, difference(ids, watch.ids())
        watch.wait_notice("subscribed again, from behind event", times=2)
        watch.signal(signal.SIGTERM)
        assert watch.exit_code() == 0


@pytest.mark.only_source("slot")
def test_says_when_events_may_be_missing(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> None:
    relay = make_relay(database, source).start()
    with Watch(relay.url(), "--object", new_uuid("4zz18")).wait_notice("subscribed to") as watch:
        assert relay.stop() == 0
        watch.wait_notice("trying again")
        relay.start()
        watch.wait_notice("what happened meanwhile is not shown")


@pytest.mark.only_source("slot")
def test_a_signal_ends_the_wait_for_the_next_attempt(make_relay: RelayMaker, database: ArvadosDatabase,
                                                     source: str) -> None:
    relay = make_relay(database, source).start()
    with Watch(relay.url()).wait_notice("subscribed to") as watch:
        relay.kill()
        watch.wait_notice("connection refused")
        watch.signal(signal.SIGINT)
        assert watch.exit_code(timeout=2) == 0


# TLS


@pytest.mark.only_source("slot")
def test_tls(make_relay: RelayMaker, database: ArvadosDatabase, source: str, certificate: Certificate) -> None:
    relay = make_relay(database, source, tls=certificate.pair, tls_ca=certificate.ca).start()
    last = database.log()
    wanted = database.log()
    arguments = ["--last-log-id", str(last), "--count", "1", "--json"]
    for url in (relay.url(), relay.url().replace("127.0.0.1", "localhost")):
        with Watch(url, *arguments, SSL_CERT_FILE=certificate.ca) as watch:
            assert watch.exit_code() == 0, watch.notices
            assert watch.ids() == [wanted]
    with Watch(relay.url(), *arguments) as watch:
        watch.fails("the server's certificate is not trusted: ")
    with Watch(relay.url(), "--insecure", *arguments) as watch:
        assert watch.exit_code() == 0, watch.notices
    with Watch(relay.url().replace("wss://", "ws://")) as watch:
        watch.fails("wss://")


@pytest.mark.only_source("slot")
def test_tls_checks_the_name(make_relay: RelayMaker, database: ArvadosDatabase, source: str,
                             certificate: Certificate) -> None:
    """The certificate is for 127.0.0.1, not for the whole of 127.0.0.0/8."""
    relay = make_relay(database, source, tls=certificate.pair, tls_ca=certificate.ca)
    relay.cluster["Services"]["Websocket"]["InternalURLs"] = {f"https://0.0.0.0:{relay.port}/": {}}
    relay.start()
    with Watch(relay.url().replace("127.0.0.1", "127.0.0.2"), SSL_CERT_FILE=certificate.ca) as watch:
        watch.fails("IP address mismatch")


# What it refuses, and what refuses it


def test_tokens(shared_relay: Relay, shared_database: ArvadosDatabase, tmp_path: Path) -> None:
    """From the environment, an option and a file; percent-encoded on the way: this one has what a query cannot hold."""
    secret = f"a+b&c=d%20#{new_uuid('gj3su')}"
    token = shared_database.token(shared_database.admin(), api_token=secret)
    file = tmp_path / "token"
    file.write_text(secret + "\n", encoding="utf-8")
    last = shared_database.log()
    logged = shared_database.log()
    arguments = [shared_relay.url(), "--last-log-id", str(last), "--count", "1", "--json"]
    for more, variables in (
            ([], {"token": secret}), ([], {"token": f"v2/{token.uuid}/{secret}"}), (["--token", secret], {"token": None}),
            (["--token-file", str(file)], {"token": "wrong"})):
        with Watch(*arguments, *more, **variables) as watch:
            watch.wait_lines(1)
            assert watch.exit_code() == 0
            assert watch.ids() == [logged]
    with Watch(*arguments[1:], WALCAST_URL=shared_relay.url()) as watch:
        assert watch.exit_code() == 0, watch.notices
        assert watch.ids() == [logged]


@pytest.mark.only_source("slot")
def test_the_relay_closes_instead_of_subscribing(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> None:
    relay = make_relay(database, source)
    relay.cluster["Walcast"]["MaxMessageBytes"] = "1KiB"
    relay.start()
    with Watch(relay.url(), "--event-type", "x" * 2000) as watch:
        watch.fails("the server closed the connection with code 1009")


@pytest.mark.only_source("slot")
@pytest.mark.parametrize(("frames", "words"), [
    (['{"status":400}'], "the server refuses the subscription with status 400"),
    (['{"status":403,"message":"no\\u001b[2J"}'], "with status 403: no\\u001b[2J"),
    ([], "with code 1008: go\\u001b away"),
    (['{"status":200}', " " * ((64 << 20) + 1)], "a message of more than 64 MiB")])
def test_what_no_relay_says(frames: list[str], words: str) -> None:
    """Older servers refuse with more statuses, and others may say anything."""
    def speak(connection: ServerConnection) -> None:
        connection.recv()
        for frame in frames:
            connection.send(frame)
        connection.close(1008, "go\x1b away") if not frames else connection.recv()

    with serve(speak, "127.0.0.1", 0, compression=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Watch(f"ws://127.0.0.1:{server.socket.getsockname()[1]}") as watch:
            assert watch.exit_code() == 1
            assert words in watch.notices[-1], watch.notices
            assert not any("\x1b" in line for line in watch.notices)
        server.shutdown()


@pytest.mark.only_source("slot")
def test_the_server_refuses_the_upgrade(shared_relay: Relay) -> None:
    with Watch(shared_relay.url().replace("/websocket", "/nothing")) as watch:
        watch.fails("there is no WebSocket: HTTP 404 Not Found")
    for status, words in (("401 Unauthorized", "the server refuses the token: HTTP 401 Unauthorized"),
                          ("403 Whatever you like", "the server refuses the token: HTTP 403 Forbidden"),
                          ("503 x", "the server cannot answer now: HTTP 503 Service Unavailable"),
                          ("200 OK", "there is no WebSocket: HTTP 200 OK")):
        with answering(lambda _, s=status: f"HTTP/1.1 {s}\r\nContent-Length: 0\r\n\r\n".encode()) as port:
            with Watch(f"ws://127.0.0.1:{port}") as watch:
                watch.fails(words)


@pytest.mark.only_source("slot")
def test_no_server_at_all() -> None:
    with Watch(f"ws://127.0.0.1:{free_port()}/websocket") as watch:
        watch.fails("connection refused")
    with Watch("ws://host.invalid/websocket") as watch:
        watch.fails("the host cannot be found")
    with answering(lambda _: b"SSH-2.0-x\r\n\r\n") as port, Watch(f"ws://127.0.0.1:{port}") as watch:
        watch.fails("no WebSocket server")
    with answering(lambda _: b"") as port, Watch(f"ws://127.0.0.1:{port}") as watch:
        watch.fails("closed the connection")
    with answering(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n") as port, Watch(f"wss://127.0.0.1:{port}") as watch:
        watch.fails("does not speak TLS")


@pytest.mark.only_source("slot")
@pytest.mark.parametrize(("arguments", "words"), [
    (["ftp://h/"], "must begin with ws:// or wss://"), (["nonsense"], "is no URL"), (["--kind", "pipeline"], "no such kind"),
    (["--since", "yesterday"], "--since"), (["--filters", "{}"], "--filters"),
    (["--token-file", "/nowhere"], "cannot be opened")])
def test_options_that_cannot_be(arguments: list[str], words: str) -> None:
    with Watch(*arguments) as watch:
        watch.fails(words)


@pytest.mark.only_source("slot")
def test_without_a_token() -> None:
    with Watch(token=None) as watch:
        watch.fails("no token: set ARVADOS_API_TOKEN")
