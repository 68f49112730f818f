"""`walcast slot status` and `walcast slot drop`: what operators see of the slot, and what they are told to do."""

import json
import signal
import subprocess
from typing import Any

import pytest

from conftest import RelayMaker
from support.arvados import ArvadosDatabase
from support.load import Writer
from support.postgres import Postgres
from support.relay import Relay, walcast
from support.wait import until

pytestmark = pytest.mark.only_source("slot")


def slot_command(relay: Relay, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return walcast("slot", *arguments, config=relay.write_config())


def status(relay: Relay) -> tuple[int, dict[str, Any]]:
    """The exit code, and what --json says."""
    done = slot_command(relay, "status", "--json")
    return done.returncode, json.loads(done.stdout)


def row(database: ArvadosDatabase) -> Any:
    return database.connection.execute(
        "select active_pid, wal_status, confirmed_flush_lsn::text, restart_lsn::text, plugin, database, "
        "pg_current_wal_insert_lsn() - restart_lsn from pg_replication_slots where slot_name = %s",
        [f"walcast_{database.name}"]).fetchone()


def test_status_of_a_slot_in_use(relay: Relay, database: ArvadosDatabase) -> None:
    """What PostgreSQL says, with the budget beside it; all is well, so 0."""
    code, said = status(relay)
    pid, wal_status, confirmed, restart, plugin, name, retained = row(database)
    slot = said["slot"]
    assert (code, said["to_do"]) == (0, []), said
    assert said["name"] == f"walcast_{database.name}"
    assert (slot["active_pid"], slot["wal_status"], slot["plugin"], slot["database"]) == (pid, wal_status, plugin, name)
    assert slot["restart_lsn"] == restart and slot["confirmed_flush_lsn"] == confirmed
    assert 0 < slot["retained_bytes"] <= retained
    assert 0 < slot["safe_wal_size"] <= (2 << 30) + (32 << 20)  # and what is left of a segment
    assert said["budget"] == {"retention_bytes": 256 << 20, "retention_age_ms": 900_000, "max_slot_wal_keep_size": 2 << 30}
    on_17 = database.connection.info.server_version >= 170_000
    assert isinstance(slot["failover"], bool) == on_17 and isinstance(slot["synced"], bool) == on_17

    text = slot_command(relay, "status")
    assert text.returncode == 0
    for part in ("pgoutput", database.name, f"PID {pid}", "reserved", restart, "KiB (", " bytes)", "256MiB", "15m", "2.0 GiB"):
        assert part in text.stdout, f"{part} is not in:\n{text.stdout}"


def test_status_of_no_slot(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> None:
    """Something is to be done, unless the configuration wants the listener."""
    relay = make_relay(database, source)
    code, said = status(relay)
    assert (code, said["slot"], len(said["to_do"])) == (1, None, 1), said
    relay.cluster["Walcast"]["Source"] = "listener"
    code, said = status(relay)
    assert (code, said["slot"], said["to_do"]) == (0, None, []), said


def test_status_of_a_slot_that_nobody_reads(relay: Relay, database: ArvadosDatabase) -> None:
    relay.stop()
    code, said = status(relay)
    assert code == 1 and said["slot"]["active_pid"] is None
    assert "nobody reads the slot" in said["to_do"][0] and "walcast slot drop" in said["to_do"][0]
    relay.cluster["Walcast"]["Source"] = "listener"
    assert "listener" in status(relay)[1]["to_do"][0]


def test_status_of_a_slot_that_is_behind(relay: Relay, database: ArvadosDatabase) -> None:
    """More is not confirmed than the budget explains: here of a relay that hangs."""
    relay.cluster["Walcast"]["RetentionBytes"] = "1MiB"
    assert status(relay)[0] == 0
    relay.signal(signal.SIGSTOP)
    try:
        for _ in range(3):
            database.connection.execute("select pg_logical_emit_message(false, 'other', repeat('x', 30 << 20))")
        code, said = status(relay)
    finally:
        relay.signal(signal.SIGCONT)
    assert code == 1 and said["slot"]["unconfirmed_bytes"] > 90 << 20, said
    assert "it is behind" in said["to_do"][0], said


def test_status_of_a_lost_slot(own_postgres: Postgres, own_database: ArvadosDatabase, make_relay: RelayMaker,
                               source: str) -> None:
    """First in danger, then lost: each time what to do. The next relay makes a new one, and all is well."""
    relay = make_relay(own_database, source).start()
    relay.stop()
    connection = own_database.connection
    connection.execute("alter system set max_slot_wal_keep_size = '1MB'")
    connection.execute("select pg_reload_conf()")
    for _ in range(4):
        connection.execute("select pg_logical_emit_message(false, 'other', 'x'), pg_switch_wal()")
    code, said = status(relay)
    assert code == 1 and said["slot"]["wal_status"] in ("unreserved", "lost"), said
    connection.execute("checkpoint")
    code, said = status(relay)
    assert code == 1 and said["slot"]["wal_status"] == "lost", said
    assert "the slot is lost" in said["to_do"][0]
    assert [note for note in said["notes"] if "RetentionBytes" in note], said
    connection.execute("alter system set max_slot_wal_keep_size = -1")
    connection.execute("select pg_reload_conf()")
    relay.start()
    code, said = status(relay)
    assert code == 0 and said["slot"]["wal_status"] == "reserved", said
    assert said["budget"]["max_slot_wal_keep_size"] is None
    assert [note for note in said["notes"] if "max_slot_wal_keep_size is -1" in note], said


def test_drop(relay: Relay, database: ArvadosDatabase) -> None:
    """Not while it is read; afterwards once, and a second time there is nothing to do."""
    done = slot_command(relay, "drop")
    assert done.returncode == 1 and "--force" in done.stderr and str(row(database)[0]) in done.stderr
    relay.stop()
    done = slot_command(relay, "drop")
    assert done.returncode == 0 and "dropped slot" in done.stdout, done.stderr
    assert row(database) is None
    done = slot_command(relay, "drop")
    assert done.returncode == 0 and "there is no slot" in done.stdout


def test_drop_before_a_start(relay: Relay, database: ArvadosDatabase) -> None:
    """A relay that starts makes a new slot, and a client that resumes gets what it missed from the table."""
    with relay.client() as client:
        client.subscribe(Writer.FILTER)
        seen = database.log(event_type=Writer.EVENT_TYPE)
        client.expect_ids([seen])
    relay.stop()
    missed = [database.log(event_type=Writer.EVENT_TYPE) for _ in range(20)]
    assert slot_command(relay, "drop").returncode == 0
    missed += [database.log(event_type=Writer.EVENT_TYPE) for _ in range(20)]
    relay.start()
    assert status(relay)[0] == 0
    with relay.client() as client:
        client.subscribe(Writer.FILTER, last_log_id=seen)
        client.expect_ids(missed)
        client.expect_ids([database.log(event_type=Writer.EVENT_TYPE)])


def test_drop_by_force(relay: Relay, database: ArvadosDatabase) -> None:
    """Under the feet of a relay, which comes back with a new slot."""
    before = row(database)
    done = slot_command(relay, "drop", "--force")
    assert done.returncode == 0, done.stderr
    relay.wait_live()  # perhaps by a row that was read from the table while the slot was being made

    def reader() -> int | None:
        after = row(database)
        return after[0] if after is not None else None

    assert until("the relay to read its new slot", reader) != before[0]
    assert status(relay)[0] == 0


def test_drop_of_somebody_elses(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> None:
    """A slot of that name that is none of walcast's is left alone, with --force too."""
    relay = make_relay(database, source)
    name = f"walcast_{database.name}"
    database.connection.execute("select pg_create_physical_replication_slot(%s)", [name])
    assert status(relay)[0] == 1
    for arguments in (["drop"], ["drop", "--force"]):
        done = slot_command(relay, *arguments)
        assert done.returncode == 1 and "is not walcast's" in done.stderr, done.stdout
    assert row(database) is not None
    database.connection.execute("select pg_drop_replication_slot(%s)", [name])


def test_the_relays_role_is_enough(relay: Relay, database: ArvadosDatabase) -> None:
    """No superuser is needed, as it is the relay's own connection that is used."""
    database.connection.execute("create role e2e_slots login replication in role walcast_relay")
    relay.stop()
    relay.cluster["PostgreSQL"]["Connection"]["user"] = "e2e_slots"
    relay.start()
    assert status(relay)[0] == 0
    assert slot_command(relay, "drop", "--force").returncode == 0
    relay.stop()
    database.connection.execute("drop role e2e_slots")


@pytest.mark.parametrize("arguments", [["slot"], ["slot", "no-such-verb"], ["slot", "status", "--no-such-option"]])
def test_usage(relay: Relay, arguments: list[str]) -> None:
    done = walcast(*arguments, config=relay.write_config())
    assert done.returncode == 2 and done.stderr


def test_database_away(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> None:
    """One line, and 1."""
    relay = make_relay(database, source)
    relay.cluster["PostgreSQL"]["Connection"]["port"] = "1"
    for verb in ("status", "drop"):
        done = slot_command(relay, verb)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
