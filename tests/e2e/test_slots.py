"""The slot is lost, dropped, in use by another relay, or of a log that has gone back: nothing of it is lost."""

import signal
import time
from contextlib import ExitStack
from typing import Any

import pytest

from conftest import RelayMaker
from fault_proxy import FaultProxy
from support.arvados import ArvadosDatabase
from support.client import difference
from support.follower import Follower
from support.load import Writer
from support.postgres import Postgres
from support.relay import Relay, migrate_up
from support.wait import free_port, until



def source_of(relay: Relay) -> dict[str, Any]:
    return dict(relay.status()["source"])


def slot_name(database: ArvadosDatabase) -> str:
    return f"walcast_{database.name}"


def drop_slot(database: ArvadosDatabase) -> None:
    """As somebody would who thinks that it is in the way: its reader is ended, and it is gone before he is back."""
    with database.connect() as connection:
        connection.execute("""
            do $$
            begin
                for attempt in 1..2000 loop
                    begin
                        perform pg_terminate_backend(active_pid, 1000) from pg_replication_slots
                        where slot_name = '%s' and active_pid is not null;
                        perform pg_drop_replication_slot('%s');
                        return;
                    exception when object_in_use then null; -- the relay was faster
                    end;
                end loop;
                raise 'the relay is always faster';
            end $$""" % (slot_name(database), slot_name(database)))


def slot_row(database: ArvadosDatabase, columns: str) -> tuple[Any, ...]:
    row = database.connection.execute(
        f"select {columns} from pg_replication_slots where slot_name = %s", [slot_name(database)]).fetchone()
    assert row is not None, "there is no slot"
    return row


@pytest.mark.parametrize("commit_times", [False, True], ids=["no commit times", "commit times"])
def test_dropped_while_running(own_database: ArvadosDatabase, make_relay: RelayMaker, commit_times: bool) -> None:
    """Clients stay connected and get what committed while there was no slot; in commit order, if that is known.

    An open transaction keeps the new slot from being made for a while, so that much commits meanwhile.
    """
    if commit_times:
        own_database.configure(track_commit_timestamp="on")
    relay = make_relay(own_database, "slot").start()
    with Writer(own_database, per_second=300, lanes=4) as writer, Follower(relay) as follower:
        follower.wait_for(30)
        with own_database.connect() as blocker:
            blocker.execute("begin")
            blocker.execute("create temporary table blocking ()")  # takes a transaction id
            drop_slot(own_database)
            until("the relay to be making the slot", lambda: source_of(relay)["state"] == "making the slot")
            writer.wait_for(200)
            blocker.execute("commit")
        follower.wait_for(250)
        # What is missing comes before the new stream is there; a slot that goes before that is one slot lost, not two.
        until("the first new slot", lambda: source_of(relay)["slots_lost"] == 1)
        drop_slot(own_database)
        follower.wait_for(100)
        committed = writer.stop()
        follower.wait_until(committed[-1])
    assert follower.connects == 1, "the client was disconnected"
    if commit_times:
        follower.assert_exactly_once(committed)
    else:
        follower.assert_once_each(committed)
    until("the second new slot", lambda: source_of(relay)["slots_lost"] == 2)
    status = source_of(relay)
    assert status["epoch"] >= 2 and status["caught_up"] >= 200, status
    assert "it was dropped" in relay.log_text()


@pytest.mark.parametrize("killed", [False, True], ids=["connection lost", "relay killed"])
def test_interrupted_while_the_slot_is_made_again(database: ArvadosDatabase, make_relay: RelayMaker, killed: bool) -> None:
    """The slot is not there before its relay has read what it will not bring; whoever comes back begins again."""
    relay = make_relay(database, "slot").start()
    with relay.client() as client:
        client.subscribe()
        seen = database.log()
        client.expect_ids([seen])
        relay.signal(signal.SIGSTOP)
        drop_slot(database)
        missed = [database.log() for _ in range(20)]
        database.connection.execute("alter table logs rename to hidden")  # reading what is missing fails
        relay.signal(signal.SIGCONT)
        until("the relay to fail", lambda: "reading what was missed" in relay.log_text(), 20)
        if not killed:
            database.connection.execute("alter table hidden rename to logs")
            client.expect_ids(missed, timeout=20)
            client.expect_ids([database.log()])
            return
    relay.kill()
    database.connection.execute("alter table hidden rename to logs")
    relay.start(wait=False)
    relay.wait_listening()
    with relay.client() as client:
        client.subscribe(last_log_id=seen, timeout=20)
        client.expect_ids(missed)
        client.expect_ids([database.log()])


def test_dropped_while_the_relay_is_down(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """Then a client that comes back with last_log_id is still told everything, low ids that committed late included."""
    relay = make_relay(database, "slot").start()
    with Writer(database, per_second=300, lanes=4) as writer, Follower(relay) as follower:
        follower.wait_for(50)
        relay.kill()
        drop_slot(database)
        writer.wait_for(100)
        relay.start(wait=False)
        follower.wait_for(150)
        committed = writer.stop()
        follower.wait_until(committed[-1])
    follower.assert_once_each(committed)


def test_dropped_and_large_rows(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """What committed while there was no slot is read in pages: of large rows, few at a time, and all of them."""
    relay = make_relay(database, "slot").start()
    with relay.client() as client:
        client.subscribe()
        relay.signal(signal.SIGSTOP)
        drop_slot(database)
        missed = [database.log(properties='{"text":"%s"}' % ("x" * 3_000_000)) for _ in range(10)]
        relay.signal(signal.SIGCONT)
        client.expect_ids(missed, timeout=20)
        client.expect_ids([database.log()])


def test_too_long_away(own_database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """max_slot_wal_keep_size is kept by PostgreSQL: the slot is lost, and made again with a word about it."""
    own_database.configure(max_slot_wal_keep_size="'16MB'")
    relay = make_relay(own_database, "slot").start()
    with Writer(own_database, per_second=100, lanes=4) as writer, Follower(relay) as follower:
        follower.wait_for(30)
        relay.kill()
        for _ in range(6):
            own_database.connection.execute("select pg_logical_emit_message(false, 'x', repeat('x', 4000000)), pg_switch_wal()")
        own_database.connection.execute("checkpoint")
        until("the slot to be lost", lambda: slot_row(own_database, "wal_status") == ("lost",))
        writer.wait_for(30)
        relay.start(wait=False)
        follower.wait_for(50)
        committed = writer.stop()
        follower.wait_until(committed[-1])
    follower.assert_once_each(committed)
    status = source_of(relay)
    assert status["slots_lost"] == 1, status
    assert "removed its WAL" in relay.log_text()


def test_half_of_what_the_server_keeps(own_database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """The retention never uses more than half of max_slot_wal_keep_size, also after the configuration was read again."""
    own_database.configure(max_slot_wal_keep_size="'64MB'")
    relay = make_relay(own_database, "slot")
    relay.cluster.setdefault("Walcast", {})["RetentionBytes"] = "1GiB"
    relay.start()
    relay.reload()
    half = 32 << 20

    def retained() -> int:
        own_database.log()
        own_database.connection.execute("select pg_logical_emit_message(false, 'x', repeat('x', 1000000))")
        return int(source_of(relay)["retained_wal_bytes"])

    peak = 0
    for _ in range(100):
        peak = max(peak, retained())
    until("the slot to be confirmed", lambda: retained() < half, 20)
    assert slot_row(own_database, "wal_status") != ("lost",)
    # What one second brought is confirmed as one.
    assert half / 2 < peak < 2 * half, f"{peak >> 20} MB were retained"


def test_idle_while_other_databases_are_busy(own_database: ArvadosDatabase, own_postgres: Postgres,
                                             make_relay: RelayMaker) -> None:
    """A database without changes holds back no WAL, however much others of the server write."""
    relay = make_relay(own_database, "slot")
    relay.cluster.setdefault("Walcast", {})["RetentionAge"] = "1s"  # of what the start of this test wrote
    relay.start()
    own_postgres.execute("create database busy")
    with own_postgres.connect("busy") as busy:
        busy.execute("create table t (x text)")

        for _ in range(2):
            busy.execute("insert into t select repeat('x', 100) from generate_series(1, 20000)")
            target = busy.execute("select pg_current_wal_flush_lsn()").fetchone()
            assert target is not None
            until("the slot to follow the log of the other database",
                  lambda at=target[0]: slot_row(own_database, f"confirmed_flush_lsn >= '{at}'")[0], 12)


def test_standby_takes_over(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """Two relays on one database: the second waits, says so, and takes over within two seconds of the slot's release."""
    first = make_relay(database, "slot").start()
    second = make_relay(database, "slot", migrated=False)
    second.start(wait=False)
    second.wait_listening()
    until("the second relay to stand by", lambda: source_of(second)["standby"], 15)
    assert second.http("/websocket", headers={"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                                              "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}).status == 503
    with Writer(database, per_second=200) as writer, Follower(first) as follower:
        follower.wait_for(30)
        first.kill()
        freed = until("the slot to be free or taken over",
                      lambda: time.monotonic() if not source_of(second)["standby"] else None, 10)
        until("the second relay to be ready", lambda: source_of(second)["ready"], 5)
        assert time.monotonic() - freed < 2
        follower.move_to(second)
        follower.wait_for(60)
        committed = writer.stop()
        follower.wait_until(committed[-1])
    follower.assert_exactly_once(committed)


def test_log_that_has_gone_back(own_database: ArvadosDatabase, own_postgres: Postgres, make_relay: RelayMaker) -> None:
    """The database is restored from a copy while the relay runs: new events arrive, though their positions are old ones."""
    relay = make_relay(own_database, "slot").start()
    own_postgres.stop()
    own_postgres.keep_copy()
    own_postgres.start()
    own_database.reconnect()
    with relay.client() as client:
        client.subscribe()
        gone = [own_database.log(properties='{"text":"%s"}' % ("x" * 10_000)) for _ in range(300)]
        assert [event["id"] for event in client.events(timeout=20, limit=len(gone))][-1] == gone[-1]
        own_postgres.stop()
        own_postgres.restore_copy()
        own_postgres.start()
        own_database.reconnect()
        # Ids that were never used: a sequence that was set back would give those of before once more.
        own_database.connection.execute(f"select setval('logs_id_seq', {gone[-1] + 100})")
        written = [own_database.log() for _ in range(5)]
        got = [event["id"] for event in client.events(timeout=30, limit=len(written))]
        assert got == written, difference(written, got)
        until("the relay to be through", lambda: source_of(relay)["state"] == "streaming", 10)
        after = [own_database.log() for _ in range(5)]
        got = [event["id"] for event in client.events(timeout=10, limit=len(after))]
        assert got == after, difference(after, got)
    assert "was restored" in relay.log_text()
    assert source_of(relay)["epoch"] == 1


def test_no_slot_while_a_prepared_transaction_is_open(own_database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """PostgreSQL waits for it before it makes a slot; the relay says what it waits for and stops when it is told to."""
    own_database.configure(max_prepared_transactions="5")
    with own_database.connect() as connection:
        connection.execute("begin")
        connection.execute("create table some_table ()")
        connection.execute("prepare transaction 'open'")
    relay = make_relay(own_database, "slot")
    relay.start(wait=False)
    relay.wait_listening()
    until("the relay to wait", lambda: source_of(relay)["state"] == "making the slot")
    assert "prepared" in source_of(relay)["problem"]
    assert relay.stop() == 0
    own_database.connection.execute("rollback prepared 'open'")
    relay.start()
    assert source_of(relay)["problem"] == ""


def test_failover_slot(own_database: ArvadosDatabase, own_postgres: Postgres, make_relay: RelayMaker) -> None:
    """From PostgreSQL 17 on the slot is kept on standbys too; one that was made without that gets it."""
    if own_postgres.version() < 17:
        pytest.skip("PostgreSQL 17 and later have failover slots")
    relay = make_relay(own_database, "slot").start()
    assert slot_row(own_database, "failover") == (True,)
    relay.stop()
    until("the slot to be free", lambda: slot_row(own_database, "not active")[0])
    own_database.connection.execute("select pg_drop_replication_slot(%s)", [slot_name(own_database)])
    own_database.connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [slot_name(own_database)])
    assert slot_row(own_database, "failover") == (False,)
    relay.start()
    assert slot_row(own_database, "failover") == (True,)


@pytest.mark.parametrize("restarted", [False, True], ids=["connection lost", "relay restarted"])
def test_failover(own_database: ArvadosDatabase, own_postgres: Postgres, make_relay: RelayMaker, restarted: bool) -> None:
    """The primary dies, its standby takes over with the slot: on another timeline, with the same epoch, nothing is lost."""
    if own_postgres.version() < 17:
        pytest.skip("PostgreSQL 17 and later have failover slots")
    own_database.configure(synchronized_standby_slots="'standby'")  # nothing is sent that the standby does not have
    own_database.connection.execute("select pg_create_physical_replication_slot('standby', true)")
    standby = Postgres("standby", own_postgres, standby_slot="standby")
    relay = make_relay(own_database, "slot")
    with FaultProxy(free_port(), own_postgres.port) as proxy, ExitStack() as stack:
        stack.callback(standby.remove)
        standby.start()
        relay.cluster["PostgreSQL"]["Connection"]["port"] = str(proxy.port)
        relay.cluster.setdefault("Walcast", {})["RetentionAge"] = "1s"
        relay.start()
        with Writer(own_database, per_second=200, lanes=4) as writer, Follower(relay) as follower:
            # Which needs a slot that moves on; then it is to stay behind what clients know, as a restarted relay needs it.
            until("the slot to be on the standby", lambda: synchronised(standby, own_database), 40, every=0.2)
            relay.cluster["Walcast"]["RetentionAge"] = "15m"
            relay.reload()
            follower.wait_for(100)
            committed = writer.stop()
            follower.wait_until(committed[-1])
            if restarted:
                assert relay.stop() == 0
            own_postgres.kill()
            proxy.redirect(standby.port)
            standby.promote()
            promoted = ArvadosDatabase(standby, own_database.name)
            stack.callback(promoted.connection.close)
            if restarted:
                relay.start(wait=False)
            with Writer(promoted, per_second=200, lanes=4) as later:
                follower.wait_for(100)
                committed += later.stop()
            follower.wait_until(committed[-1])
        follower.assert_exactly_once(committed)
        assert restarted or follower.connects == 1, "the client was disconnected"
        status = source_of(relay)
        assert (status["timeline"], status["epoch"], status["slots_lost"]) == (2, 0, 0), status
        assert slot_row(promoted, "failover, synced, active") == (True, True, True)


def synchronised(standby: Postgres, database: ArvadosDatabase) -> bool:
    """A slot can be synchronised when it has gone beyond what the standby had when it first saw it. How far a slot needs the
    catalogs of the past moves on with records that a server writes each 15 seconds, or when asked."""
    database.connection.execute("select pg_log_standby_snapshot()")
    with standby.connect(database.name) as connection:
        return connection.execute("select 1 from pg_replication_slots where slot_name = %s and synced and not temporary",
                                  [slot_name(database)]).fetchone() is not None


def test_publication_dropped_and_made_again(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """A slot made before its publication can never be read: it is made again, and what it would have brought is not lost."""
    relay = make_relay(database, "slot").start()
    with relay.client() as client:
        client.subscribe()
        database.connection.execute("drop publication walcast")
        lost = [database.log() for _ in range(3)]
        until("the relay to say what is wrong", lambda: "migrate up" in source_of(relay)["problem"], 10)
        migrate_up(relay)
        lost += [database.log() for _ in range(3)]
        got = [event["id"] for event in client.events(timeout=20, limit=len(lost))]
        assert got == lost, difference(lost, got)
