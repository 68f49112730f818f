"""The relay stops, dies, starts again, and so does the database: no event is lost and none comes twice."""

import signal
import time

import pytest

from conftest import RelayMaker
from support.arvados import MANAGEMENT_TOKEN, SYSTEM_ROOT_TOKEN, ArvadosDatabase
from support.client import difference
from support.follower import Follower
from support.load import Writer
from support.postgres import Postgres
from support.raw_websocket import TEXT, RawWebSocket
from support.relay import Relay
from support.wait import until

MANAGER = {"Authorization": f"Bearer {MANAGEMENT_TOKEN}"}


def health(relay: Relay) -> str:
    return str(relay.http("/_health/ping", headers=MANAGER).json()["health"])


# The relay

@pytest.mark.parametrize("lanes", [1, 4], ids=["ids in order", "ids out of order"])
def test_killed_under_load(relay: Relay, database: ArvadosDatabase, source: str, lanes: int) -> None:
    """SIGKILL three times, at once after a restart too: exactly once, from the slot in commit order.

    PostgreSQL does not tell the order of past commits, so what commits while a listener is down comes in order of ids.
    """
    with Writer(database, per_second=250, lanes=lanes) as writer, Follower(relay) as follower:
        for pause in (60, 0, 60):
            follower.wait_for(30)
            for again in range(2 if pause == 0 else 1):
                relay.kill()
                writer.wait_for(pause)
                relay.start(wait=False)
                if again:
                    relay.wait_listening()
        follower.wait_for(30)
        committed = writer.stop()
        follower.wait_until(committed[-1])
    if source == "listener" and lanes > 1:
        follower.assert_once_each(committed)
    else:
        follower.assert_exactly_once(committed)


def test_terminated_under_load(relay: Relay, database: ArvadosDatabase) -> None:
    """SIGTERM: exit status 0 within the deadline, a close frame that says to come back, and nothing lost."""
    with Writer(database, per_second=250) as writer, Follower(relay) as follower:
        follower.wait_for(30)
        started = time.monotonic()
        assert relay.stop(timeout=8) == 0, relay.log_tail()
        took = time.monotonic() - started
        until("the follower to see the close", lambda: follower.close_codes)
        assert follower.close_codes[0] == 1012, f"close code {follower.close_codes[0]}"
        assert took < 6, f"DrainTimeout is 5 s, it took {took:.1f} s"
        writer.wait_for(50)
        relay.start(wait=False)
        follower.wait_for(80)
        committed = writer.stop()
        follower.wait_until(committed[-1])
    follower.assert_exactly_once(committed)


def test_terminated_with_a_client_that_does_not_read(relay: Relay, database: ArvadosDatabase) -> None:
    """It cannot hold up the end beyond DrainTimeout."""
    with RawWebSocket(relay.port, f"/websocket?api_token={SYSTEM_ROOT_TOKEN}") as stuck:
        stuck.frame(TEXT, b'{"method":"subscribe"}')
        assert stuck.read() == (TEXT, b'{"status":200}')
        with Writer(database, per_second=1000, padding=50_000) as writer:
            writer.wait_for(250)
        started = time.monotonic()
        assert relay.stop(timeout=9) == 0, relay.log_tail()
        assert time.monotonic() - started < 7


def test_resume_long_after(relay: Relay, database: ArvadosDatabase) -> None:
    """A client that was away over a restart of the relay, while thousands of events passed, gets them all in order."""
    with relay.client() as client:
        client.subscribe()
        seen = database.log()
        client.expect_ids([seen])
    with database.connection.transaction():
        missed = [database.log() for _ in range(1500)]
    relay.stop()
    missed += [database.log() for _ in range(100)]
    relay.start(wait=False)
    relay.wait_listening()
    with relay.client() as client:
        client.subscribe(last_log_id=seen)
        client.expect_ids(missed)
        client.expect_ids([database.log()])
        client.expect_silence()


def test_sighup_reloads_the_log_level(relay: Relay, database: ArvadosDatabase) -> None:
    """At level error the relay says nothing about the connection that it loses and finds again; at info it does."""
    def lines_about_a_lost_connection() -> int:
        before = len(relay.log_lines())
        database.connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and application_name <> 'e2e'")
        relay.wait_live()
        return len(relay.log_lines()) - before

    assert lines_about_a_lost_connection() > 0
    relay.cluster["SystemLogs"]["LogLevel"] = "error"
    relay.reload()
    until("silence after SIGHUP to level error", lambda: lines_about_a_lost_connection() == 0)
    relay.cluster["SystemLogs"]["LogLevel"] = "info"
    relay.reload()
    until("lines after SIGHUP to level info", lambda: lines_about_a_lost_connection() > 0)


def test_sighup_with_a_bad_file_changes_nothing(relay: Relay, database: ArvadosDatabase) -> None:
    """An error line, and the relay goes on as it was; clients stay."""
    with relay.client() as client:
        client.subscribe()
        relay.write_config().write_text("Clusters: [this, is: wrong", encoding="utf-8")
        before = len(relay.log_lines())
        relay.signal(signal.SIGHUP)
        until("an error about the file", lambda: [line for line in relay.log_lines()[before:]
                                                  if line["level"] in ("error", "warning")])
        client.expect_ids([database.log()])


# The database

def test_database_down_at_start(own_postgres: Postgres, own_database: ArvadosDatabase, make_relay: RelayMaker,
                                source: str) -> None:
    """Health says so, clients are let in, and get events once the database is there."""
    relay = make_relay(own_database, source)
    own_postgres.stop()
    relay.start(wait=False)
    relay.wait_listening()
    until("health to say ERROR", lambda: health(relay) == "ERROR")
    with relay.client() as client:
        client.send({"method": "subscribe", "filters": [["event_type", "in", ["e2e-late"]]]})
        time.sleep(1.5)
        assert relay.running(), relay.log_tail()
        assert len(relay.log_lines()) < 60, f"one line now and then is enough:\n{relay.log_tail()}"
        own_postgres.start()
        own_database.reconnect()
        until("health to recover", lambda: health(relay) == "OK", timeout=20)
        relay.wait_live()
        event = own_database.log(event_type="e2e-late")
        assert client.message(10) == {"status": 200}
        client.expect_ids([event])


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_database_goes_and_comes_back(own_postgres: Postgres, own_database: ArvadosDatabase, make_relay: RelayMaker,
                                      source: str, how: str) -> None:
    """Clients stay connected; what commits right after the start comes once, and so does what committed just before."""
    relay = make_relay(own_database, source).start()
    with relay.client() as client:
        client.subscribe(Writer.FILTER)
        with Writer(own_database, per_second=300) as writer:
            writer.wait_for(60)
            committed = writer.stop()
        if how == "kill":
            own_postgres.kill()
        else:
            own_postgres.stop()
        own_postgres.start()
        own_database.reconnect()
        with Writer(own_database, per_second=300) as writer:
            writer.wait_for(100)
            committed += writer.stop()
        got = [event["id"] for event in client.events(timeout=15, limit=len(committed))]
        assert got == committed, difference(committed, got)
        client.expect_silence()
