"""A new process takes the place of the old one: no event is lost, and with socket activation no connection refused."""

import json
import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack

import pytest

from conftest import RelayMaker
from support.activation import HeldSocket
from support.arvados import MANAGEMENT_TOKEN, SYSTEM_ROOT_TOKEN, ArvadosDatabase
from support.follower import Follower
from support.load import Writer
from support.newcomers import REQUEST, Newcomers
from support.paths import RELAY
from support.raw_websocket import TEXT, RawWebSocket
from support.relay import Relay
from support.wait import until

MANAGER = {"Authorization": f"Bearer {MANAGEMENT_TOKEN}"}
RESTARTS = 4


def restart_under_load(relay: Relay, database: ArvadosDatabase) -> None:
    """SIGTERM and a new process, several times, while rows are written and clients follow with last_log_id."""
    with Writer(database, per_second=250, lanes=4) as writer, ExitStack() as stack:
        followers = [stack.enter_context(Follower(relay)) for _ in range(3)]
        for number in range(RESTARTS):
            for follower in followers:
                follower.wait_for(25)
            assert relay.stop() == 0, relay.log_tail()
            writer.wait_for(0 if number % 2 else 40)
            relay.start(wait=False)
        for follower in followers:
            follower.wait_for(25)
        committed = writer.stop()
        for follower in followers:
            follower.wait_until(committed[-1])
    for follower in followers:
        if relay.source == "slot":
            follower.assert_exactly_once(committed)
        else:  # nobody knows the order of what was committed while no listener ran
            follower.assert_once_each(committed)
        assert set(follower.close_codes) == {1012}, follower.close_codes


# Without socket activation

def test_restarts(relay: Relay, database: ArvadosDatabase) -> None:
    """Clients find the port closed for a moment, and nothing else: each event once."""
    restart_under_load(relay, database)


@pytest.mark.only_source("slot")
def test_the_new_process_knows_what_the_old_one_sent(relay: Relay, database: ArvadosDatabase, source: str) -> None:
    """It reads the recent past from the slot again: a client resumes though the rows have gone from the table meanwhile."""
    with relay.client() as client:
        client.subscribe(Writer.FILTER)
        ids = [database.log(event_type=Writer.EVENT_TYPE) for _ in range(50)]
        client.expect_ids(ids)
    relay.stop()
    database.connection.execute("delete from logs")
    relay.start(wait=False)
    relay.wait_listening()
    with relay.client() as client:
        client.subscribe(Writer.FILTER, last_log_id=ids[9])
        client.expect_ids(ids[10:])
        client.expect_silence()


@pytest.mark.only_source("slot")
def test_the_slot_is_confirmed_at_the_end(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> None:
    """Nothing is to be held back here, so after SIGTERM the slot is confirmed beyond the last commit."""
    relay = make_relay(database, source)
    relay.cluster["Walcast"]["RetentionBytes"] = "0"
    relay.start()
    with relay.client() as client:
        client.subscribe(Writer.FILTER)
        with Writer(database, per_second=1000) as writer:
            writer.wait_for(300)
            committed = writer.stop()
        end = database.connection.execute("select pg_current_wal_insert_lsn()").fetchone()
        client.expect_ids([*committed, database.log(event_type=Writer.EVENT_TYPE)])  # whose commit is beyond `end`
    assert end is not None
    assert relay.stop() == 0
    until("the server to take the confirmation in", lambda: database.connection.execute(
        "select 1 from pg_replication_slots where slot_name = %s and confirmed_flush_lsn >= %s::pg_lsn",
        [f"walcast_{database.name}", end[0]]).fetchone())


def test_what_is_queued_arrives(relay: Relay, database: ArvadosDatabase) -> None:
    """A client that reads a while after SIGTERM gets what was queued for it, whole, and then the Close frame."""
    with RawWebSocket(relay.port, f"/websocket?api_token={SYSTEM_ROOT_TOKEN}") as slow:
        slow.frame(TEXT, b'{"method":"subscribe"}')
        assert slow.read() == (TEXT, b'{"status":200}')
        with Writer(database, per_second=1000, padding=100_000) as writer:
            writer.wait_for(200)
            committed = writer.stop()
        time.sleep(0.5)
        relay.stop_without_waiting()
        time.sleep(1)
        got = []
        while (frame := slow.read()) is not None and frame[0] == TEXT:
            if frame[1] != b"{}":
                got.append(json.loads(frame[1])["id"])
        assert frame is not None, "the stream ended without a Close frame"
        assert int.from_bytes(frame[1][:2], "big") == 1012
        slow.frame(8, frame[1])
    assert relay.wait_exit(6) == 0
    assert got == committed[:len(got)]
    assert len(got) < len(committed), "this client was not slow: make the rows larger"
    assert "did not take what was queued" not in relay.log_text()


def test_let_in_just_before_the_end(relay: Relay, database: ArvadosDatabase) -> None:
    """Who has connected and not yet asked is answered, and sent away with 1012; it is not cut off.

    The SDK polls for ever after a first connection that failed, but connects again after one that was closed.
    """
    with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as early:
        until("the connection to be accepted", lambda: relay.metric("walcast_connections") >= 2)  # the asking one, too
        relay.stop_without_waiting()
        until("the listening socket to be closed", lambda: not relay.port_is_open())
        early.sendall(REQUEST)
        answer = b""
        while b"service restart" not in answer and (more := early.recv(4096)):
            answer += more
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    assert (1012).to_bytes(2, "big") + b"service restart" in answer, answer
    assert relay.wait_exit(6) == 0


def test_idle_connections_do_not_hold_up_the_end(relay: Relay, database: ArvadosDatabase) -> None:
    """One that was answered and kept alive, as nginx does, is closed at once."""
    with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as kept:
        kept.sendall(b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert kept.recv(4096).startswith(b"HTTP/1.1 404 ")
        started = time.monotonic()
        assert relay.stop() == 0
        assert time.monotonic() - started < 0.9
        assert kept.recv(4096) == b""


# With socket activation

@pytest.mark.parametrize("shards", [1, 3])
def test_restarts_without_a_refused_connection(make_relay: RelayMaker, database: ArvadosDatabase, source: str,
                                               shards: int) -> None:
    """The socket outlives the process. Who connects between two of them waits, and every one is answered."""
    relay = make_relay(database, source)
    relay.cluster["Walcast"]["Shards"] = shards
    with HeldSocket(relay.port) as held:
        relay.hand_over = held.socket.fileno()
        relay.start()
        assert [line for line in relay.log_lines() if line.get("inherited")], relay.log_tail()
        with Newcomers(relay.port) as newcomers:
            restart_under_load(relay, database)
        counts = newcomers.stop()
        assert set(counts) == {"answered"}, counts
        assert counts["answered"] > 100, counts
        relay.kill()


def test_socket_that_listens_elsewhere(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> None:
    """The socket is used, being where clients are sent, and one line of the log tells both addresses."""
    relay = make_relay(database, source)
    configured = relay.port
    with HeldSocket() as held:
        relay.hand_over = held.socket.fileno()
        relay.start(wait=False)
        relay.port = held.port
        until("an answer at the socket", lambda: relay.http("/_health/ping", headers=MANAGER).status == 200)
        warnings = [line for line in relay.log_lines() if line["level"] == "warning" and "socket" in line]
        assert len(warnings) == 1, relay.log_tail()
        assert warnings[0]["socket"] == f"127.0.0.1:{held.port}"
        assert warnings[0]["configured"] == f"127.0.0.1:{configured}"
        with socket.socket() as other:
            assert other.connect_ex(("127.0.0.1", configured)) != 0, "it listens at the configured address as well"
        relay.kill()


def test_descriptor_that_is_no_socket(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> None:
    """A warning, and the relay listens by itself."""
    relay = make_relay(database, source)
    with open(os.devnull, "rb") as file:
        relay.hand_over = file.fileno()
        relay.start(wait=False)
        relay.wait_listening()
    assert [line for line in relay.log_lines() if "no TCP socket" in line.get("socket", "")], relay.log_tail()


@pytest.mark.only_source("slot")
@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="there is no systemd-socket-activate")
def test_systemd_hands_over(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> None:
    """systemd's own tool starts the relay at the first connection, and that connection is answered."""
    relay = make_relay(database, source)
    with subprocess.Popen(["setpriv", "--pdeathsig=KILL", "--", "systemd-socket-activate", "-l", f"127.0.0.1:{relay.port}",
                           str(RELAY), "-config", str(relay.write_config())], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        until("the socket", relay.port_is_open)
        assert relay.http("/_health/ping", headers=MANAGER).status == 200
        relay.wait_live()
        process.terminate()
        assert process.wait(10) == 0
