"""`walcast watch record/UUID` across disconnects: nothing is lost, nothing comes twice, and what cannot be is said."""

import json
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import RelayMaker
from support.arvados import ArvadosDatabase
from support.certificate import Certificate
from support.institute import Institute
from support.records import new_record, update_record
from support.wait import until
from support.watch import Watch
from support.ways import LinkBetween, foreign_project
from websockets.sync.server import ServerConnection, serve

pytestmark = pytest.mark.only_source("slot")

SUBSCRIBED = "subscribed to"


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_nothing_is_lost_or_shown_twice(make_relay: RelayMaker, database: ArvadosDatabase, how: str) -> None:
    """While somebody writes all the time: two records, one of them never quiet, across restarts of the relay."""
    relay = make_relay(database, "slot").start()
    one, other = new_record(database.connection, name="0"), new_record(database.connection, name="0")
    written, done = [0], threading.Event()

    def write() -> None:
        with database.connect() as connection:
            while not done.is_set():
                written[0] += 1
                with connection.transaction():
                    update_record(connection, one, name=str(written[0]))
                    update_record(connection, other, name=str(written[0]))
                time.sleep(0.01)

    with Watch(f"record/{one}", f"record/{other}", relay.url(), "--json").wait_notice(SUBSCRIBED) as watch:
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(1, 4):
                seen = len(watch.lines)
                watch.wait_lines(seen + 40, timeout=30)
                (relay.kill if how == "SIGKILL" else relay.stop)()
                watch.wait_notice("trying again until it works", times=number)
                relay.start()
                watch.wait_notice("subscribed again, from exactly where it was", times=number, timeout=60)
        finally:
            done.set()
            writer.join()
        last = str(written[0])
        until("the last change of both", lambda: [line for line in watch.lines[-40:] if f'"name":"{last}"' in line][1:], 30)
        for uuid in (one, other):
            got = [message["record"]["name"] for message in watch.messages() if "record" in message and message["id"] == f"record/{uuid}"]
            assert got == [str(number) for number in range(written[0] + 1)]
        assert not any(message["op"] == "reset" for message in watch.messages())
        watch.signal(signal.SIGINT)
        assert watch.exit_code() == 0


def test_a_reset_is_told(make_relay: RelayMaker, database: ArvadosDatabase) -> None:
    """The slot goes while the relay is down: what was committed since cannot be told, the state can."""
    relay = make_relay(database, "slot").start()
    uuid = new_record(database.connection, name="a")
    with Watch(f"record/{uuid}", relay.url(), "--select", "name").wait_notice(SUBSCRIBED) as watch:
        relay.kill()
        slot = f"walcast_{database.name}"
        until("the slot to be free", lambda: database.connection.execute(
            "select from pg_replication_slots where slot_name = %s and not active", [slot]).fetchone() is not None)
        database.connection.execute("select pg_drop_replication_slot(%s)", [slot])
        update_record(database.connection, uuid, name="b")
        relay.start()
        watch.wait_notice("subscribed again", timeout=60)
        update_record(database.connection, uuid, name="c")
        until("the change", lambda: '"b" → "c"' in "\n".join(watch.lines))
        assert [block[0].split()[0] for block in watch.blocks()] == ["state", "reset", "state", "update"]
        assert watch.blocks()[1][0].startswith(f"reset    record/{uuid}  epoch: ")


def test_what_is_gone_when_it_comes_back(make_relay: RelayMaker, database: ArvadosDatabase) -> None:
    """One of two records cannot be read any more after the restart: it is given up, and the other goes on."""
    relay = make_relay(database, "slot").start()
    institute = Institute(database)
    user, project = institute.user(), foreign_project(institute)
    hidden, open_to_all = institute.collection(project), institute.collection(user)
    link = LinkBetween(institute, user, project)
    relay.wait_live()
    with Watch(f"record/{hidden}", f"record/{open_to_all}", relay.url(), "--json", token=database.token(user).v2) as watch:
        watch.wait_notice(SUBSCRIBED)
        relay.kill()
        link.revoke()
        relay.start()
        watch.wait_notice(f"record/{hidden}: ", timeout=60)
        watch.wait_notice("subscribed again", timeout=60)
        institute.change(open_to_all, name="still here")
        until("the change", lambda: "still here" in watch.told())
        watch.signal(signal.SIGINT)
        assert watch.exit_code() == 1, "as one of the topics was refused"
    institute.close()


def test_a_server_that_cannot_answer_for_a_while() -> None:
    """`unavailable` ends the connection, not the watch; a goodbye says how long to stay away."""
    opened: list[float] = []
    asked: list[dict[str, Any]] = []

    def speak(connection: ServerConnection) -> None:
        opened.append(time.monotonic())
        connection.send('{"op":"hello","protocol":1,"server":"walcast/0","heartbeat_s":30,"limits":{},"new":1}')
        assert json.loads(connection.recv())["op"] == "auth"
        asked.append(json.loads(connection.recv()))
        say: Callable[[str], None] = connection.send
        if len(opened) == 2:
            say('{"op":"error","id":"events","code":"unavailable","message":"not now\\u001b"}')
        else:
            say('{"op":"live","id":"events","token":"T%d"}' % len(opened))
        if len(opened) == 1:
            say('{"op":"goodbye","reason":"restart","retry_after_ms":1500}')
            connection.close(1012)
        for _ in connection:
            pass

    with serve(speak, "127.0.0.1", 0, compression=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Watch("events", f"ws://127.0.0.1:{server.socket.getsockname()[1]}", "--json") as watch:
            watch.wait_notice("subscribed again", timeout=20)
            assert opened[1] - opened[0] >= 1.4
            assert [request.get("after") for request in asked] == [None, "T1", "T1"]
            watch.wait_notice("the server cannot answer now: not now\\u001b (unavailable)")
            watch.signal(signal.SIGINT)
            assert watch.exit_code() == 0
            assert watch.notices[-1] == "walcast watch: ended; to go on exactly here: --after T3"
        server.shutdown()


def test_tls(make_relay: RelayMaker, database: ArvadosDatabase, certificate: Certificate) -> None:
    relay = make_relay(database, "slot", tls=certificate.pair, tls_ca=certificate.ca).start()
    uuid = new_record(database.connection, properties=json.dumps({"a": "x" * 100_000}), description="b")
    with Watch(f"record/{uuid}", "--json", WALCAST_URL=relay.url(), SSL_CERT_FILE=certificate.ca).wait_notice(SUBSCRIBED) as watch:
        update_record(database.connection, uuid, description="c")
        watch.wait_lines(3)
        relay.kill()
        update_record(database.connection, uuid, description="d")
        relay.start()
        watch.wait_lines(5, timeout=30)
        assert watch.told("description") == ["b", "c", "d"]
        watch.signal(signal.SIGINT)
        assert watch.exit_code() == 0
    with Watch(f"record/{uuid}", relay.url(), "--once") as watch:
        watch.fails("the server's certificate is not trusted: ")


def test_a_token_that_dies_and_a_relay_that_forgets(make_relay: RelayMaker, database: ArvadosDatabase) -> None:
    """It is silenced; and after a restart there is nothing to come back with."""
    relay = make_relay(database, "slot").start()
    uuid, token = new_record(database.connection), database.token(database.admin())
    with Watch(f"record/{uuid}", relay.url(), "--select", "name", token=token.v2).wait_notice(SUBSCRIBED) as watch:
        database.connection.execute("delete from api_client_authorizations where uuid = %s", [token.uuid])
        until("silence", lambda: any(line.endswith("token: the API token is not good any more") for line in watch.lines))
        relay.kill()
        relay.start()
        assert watch.exit_code(timeout=60) == 1
        assert "the server refuses the token: " in watch.notices[-1]
