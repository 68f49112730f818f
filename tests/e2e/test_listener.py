"""The listener has no gap when it loses its connection, whatever commits meanwhile."""

import signal
import threading

import pytest

from support.arvados import ArvadosDatabase, insert_log
from support.client import difference
from support.follower import Follower
from support.institute import Institute
from support.load import Writer
from support.relay import Relay
from support.wait import until

pytestmark = pytest.mark.only_source("listener")


def terminate_all(database: ArvadosDatabase) -> None:
    """Ends every connection to the database that is not a test's own; waits for one if the relay is just coming back."""
    until("the relay to have a connection to lose", lambda: database.connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and application_name <> 'e2e' and backend_type = 'client backend'").fetchall())


@pytest.mark.parametrize("lanes", [1, 4], ids=["ids in order", "ids out of order"])
def test_gap_free_under_load(relay: Relay, database: ArvadosDatabase, lanes: int) -> None:
    """Terminated five times while rows are written: each event once, and nobody disconnected."""
    with relay.client() as client:
        client.subscribe(Writer.FILTER)
        with Writer(database, per_second=300, lanes=lanes) as writer:
            writer.wait_for(50)
            for _ in range(5):
                terminate_all(database)
                writer.wait_for(80)
            committed = writer.stop()
        got = [event["id"] for event in client.events(timeout=8, limit=len(committed))]
        client.expect_silence()
    # The order of the rows found after a reconnect is not knowable when ids are no guide; that of all others is.
    assert sorted(got) == sorted(committed), difference(committed, got)
    if lanes == 1:
        assert got == committed, difference(committed, got)


def test_large_rows(relay: Relay, database: ArvadosDatabase) -> None:
    """Rows that come together are read in pages: of large ones, few at a time; and so they are after a restart."""
    with relay.client() as client:
        client.subscribe()
        seen = database.log()
        relay.signal(signal.SIGSTOP)
        large = [database.log(properties='{"text":"%s"}' % ("x" * 3_000_000)) for _ in range(10)]
        relay.signal(signal.SIGCONT)
        client.expect_ids([seen, *large], timeout=20)
    relay.kill()
    relay.start(wait=False)
    relay.wait_listening()
    with relay.client() as client:
        client.subscribe(last_log_id=seen, timeout=20)
        client.expect_ids([*large, database.log()], timeout=20)


def test_interrupted_while_it_reads_again_what_it_had_sent(relay: Relay, database: ArvadosDatabase) -> None:
    """A restarted relay that loses its connection in the middle of that goes on: clients come back to the order they know."""
    with Writer(database, per_second=500, lanes=4) as writer:
        with Follower(relay) as follower:
            follower.wait_for(30)
        writer.wait_for(100)
        committed = writer.stop()
    with relay.client() as client:  # so that the relay has sent them all
        client.subscribe([["event_type", "in", ["e2e-last"]]])
        client.expect_ids([database.log(event_type="e2e-last")])
    relay.kill()
    database.connection.execute("alter table logs rename properties to hidden")  # reading rows fails
    before = relay.log_text().count("listening interrupted")
    relay.start(wait=False)
    until("the relay to fail", lambda: relay.log_text().count("listening interrupted") > before, 20)
    database.connection.execute("alter table logs rename hidden to properties")
    relay.wait_listening()
    owed = committed[committed.index(follower.ids[-1]) + 1:]
    with relay.client() as client:
        client.subscribe(Writer.FILTER, last_log_id=follower.ids[-1], timeout=20)
        client.expect_ids(owed)
        client.expect_silence()


def test_a_late_commit_with_a_low_id(relay: Relay, database: ArvadosDatabase) -> None:
    """A transaction takes its id, others commit and are sent; it commits while the relay is cut off."""
    with relay.client() as client, database.connect() as late:
        client.subscribe()
        late.execute("begin")
        low = insert_log(late)
        client.expect_ids([database.log() for _ in range(5)])
        terminate_all(database)
        late.execute("commit")
        high = database.log()
        got = [event["id"] for event in client.events(timeout=8, limit=2)]
        assert sorted(got) == [low, high], f"expected {[low, high]}, got {got}"
        client.expect_ids([database.log()])
        client.expect_silence()


def test_a_late_commit_long_after_a_reconnect(relay: Relay, database: ArvadosDatabase) -> None:
    """Open across the reconnect and committed after it, below ids that were sent before and after."""
    with relay.client() as client, database.connect() as late:
        client.subscribe()
        late.execute("begin")
        low = insert_log(late)
        client.expect_ids([database.log()])
        terminate_all(database)
        client.expect_ids([database.log(), database.log()], timeout=10)
        late.execute("commit")
        client.expect_ids([low, database.log()])
        client.expect_silence()


def test_a_late_commit_after_several_reconnects(relay: Relay, database: ArvadosDatabase) -> None:
    """What one catch-up saw as not yet committed is found by a later one."""
    with relay.client() as client, database.connect() as late:
        client.subscribe()
        late.execute("begin")
        lows = [insert_log(late) for _ in range(3)]
        for _ in range(3):
            terminate_all(database)
            client.expect_ids([database.log()], timeout=10)
        terminate_all(database)
        late.execute("commit")
        got = [event["id"] for event in client.events(timeout=8, limit=3)]
        assert sorted(got) == lows, f"expected {lows}, got {got}"
        client.expect_ids([database.log()])
        client.expect_silence()


def test_commits_during_a_look_at_the_table(relay: Relay, database: ArvadosDatabase) -> None:
    """The grants of a new user have the listener look what is committed. Two transactions commit while it begins, the greater
    id first: notifications tell their order, the table does not."""
    institute = Institute(database)
    user = institute.user()
    lock = "begin; lock table logs in access exclusive mode"
    with relay.client() as client, database.connect() as first, database.connect() as second:
        client.subscribe([["event_type", "in", ["e2e-look"]]])
        row = database.connection.execute("select nextval('logs_id_seq')").fetchone()
        assert row is not None
        first.execute(lock)
        later = insert_log(first, event_type="e2e-look")

        def waiting() -> int:
            return len(database.connection.execute(
                "select from pg_locks where relation = 'logs'::regclass and not granted").fetchall())

        def commit_the_other() -> None:
            second.execute(lock)
            insert_log(second, id=row[0], event_type="e2e-look")
            second.execute("commit")

        other = threading.Thread(target=commit_the_other)
        other.start()
        until("the second to wait", lambda: waiting() == 1)
        with relay.client(database.token(user).v2):
            until("the listener to wait", lambda: waiting() == 2)
            first.execute("commit")
            other.join()
            client.expect_ids([later, row[0]])
    institute.close()


@pytest.mark.parametrize("payload", ["", "x", "-1", "0", "1.5", "99999999999999999999", "9223372036854775807", "12 34", "1' or '1",
                                     "7" * 7000], ids=lambda text: text[:24] or "empty")
def test_a_notification_that_names_no_row(shared_relay: Relay, shared_database: ArvadosDatabase, payload: str) -> None:
    """Ignored; the next event comes, once."""
    with shared_relay.client() as client:
        client.subscribe()
        shared_database.connection.execute("select pg_notify('logs', %s)", [payload])
        client.expect_ids([shared_database.log()])


def test_a_row_that_is_notified_again(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    """Rails notifies again when an administrator updates a log row: clients had the event already."""
    with shared_relay.client() as client:
        client.subscribe([["event_type", "in", ["e2e-again"]]])
        event = shared_database.log(event_type="e2e-again")
        client.expect_ids([event])
        shared_database.connection.execute("select pg_notify('logs', %s)", [str(event)])
        client.expect_ids([shared_database.log(event_type="e2e-again")])


def test_a_burst_of_notifications(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    """One transaction with thousands of rows, in their order."""
    with shared_relay.client() as client:
        client.subscribe()
        ids = [row[0] for row in shared_database.connection.execute(
            "with new as (insert into logs (uuid, object_uuid, event_type, event_at, properties, created_at, updated_at) "
            "select 'zzzzz-57u5n-b' || lpad(n::text, 14, '0'), 'zzzzz-4zz18-aaaaaaaaaaaaaaa', 'update', now(), '{}', "
            "now() at time zone 'UTC', now() at time zone 'UTC' from generate_series(1, 5000) n returning id) "
            "select id, pg_notify('logs', id::text) from new").fetchall()]
        client.expect_ids(ids)
