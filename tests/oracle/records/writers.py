"""Writers of records that carry out a plan, whatever becomes of the database meanwhile."""

import itertools
import random
import threading
import time
from typing import Any

import psycopg
from psycopg import sql

from oracle.records import grants
from oracle.records.pools import EVENT_TYPES, FILLER_UUIDS, HOT_UUIDS, OWNERS, new_row, new_values, owned
from oracle.records.plan import Change, Transaction
from oracle.rows import insert
from oracle.writers import finish, outage
from support.arvados import ArvadosDatabase
from support.records import class_of, insert_record

_prepared = itertools.count(1)


class Writer(threading.Thread):
    """Does its transactions, one after the other, on a connection of its own.

    Those that an outage hits, or that others block, are lost or not: the history tells what was committed.
    """

    def __init__(self, database: ArvadosDatabase, transactions: tuple[Transaction, ...]) -> None:
        super().__init__(daemon=True, name="writer")
        self.failed: list[str] = []         # what PostgreSQL refused while it was there
        self.interrupted = 0
        self._database = database
        self._transactions = transactions
        self._connection: psycopg.Connection | None = None

    def run(self) -> None:
        for one in self._transactions:
            time.sleep(one.wait)
            try:
                self._carry_out(one, self._connected())
            except psycopg.Error as error:
                self.interrupted += 1
                if not outage(error) and not isinstance(error, psycopg.errors.DeadlockDetected | psycopg.errors.LockNotAvailable):
                    self.failed.append(f"{one}: {error}")
                self._leave()
                time.sleep(0.02)
        self._leave()

    def _connected(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = self._database.connect(connect_timeout=5)
            self._connection.execute("set lock_timeout = '2s'")
        return self._connection

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _carry_out(self, one: Transaction, connection: psycopg.Connection) -> None:
        connection.execute("begin")
        connection.execute(f"set local synchronous_commit = {one.synchronous}".encode())
        for part, step in enumerate(one.steps):
            if not step.kept:
                connection.execute(f"savepoint part{part}".encode())
            for change in step.changes:
                carry_out(connection, change)
            if not step.kept:
                connection.execute(f"rollback to part{part}".encode())
            if one.pause:
                time.sleep(one.pause)
        if not one.end.startswith("prepare"):
            connection.execute(one.end.encode())
            return
        name = f"oracle-{'rollback' if one.end == 'prepare-rollback' else 'commit'}-{next(_prepared)}"
        connection.execute(f"prepare transaction '{name}'".encode())
        time.sleep(one.wait)
        finish(connection, name)


def carry_out(connection: psycopg.Connection, change: Change) -> None:
    chance = random.Random(change.seed)
    if change.target is None:
        {"fill": _update_fillers, "log": _log, "grant": grants.grant, "revoke": grants.revoke,
         "rebuild": grants.rebuild}[change.kind](connection, change.rows, chance)
        return
    uuid = HOT_UUIDS[change.target]
    if change.kind in ("delete", "insert", "move"):
        _with_event(connection, change, uuid, chance)
    elif change.kind == "touch":
        connection.execute(sql.SQL("update {} set owner_uuid = owner_uuid where uuid = %s").format(_table(uuid)), [uuid])
    else:
        _update(connection, uuid, new_values(uuid, chance, change.large))


def _update(connection: psycopg.Connection, uuid: str, values: dict[str, Any]) -> None:
    connection.execute(sql.SQL("update {} set {} where uuid = %s").format(
        _table(uuid), sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values)),
        [*values.values(), uuid])


def _with_event(connection: psycopg.Connection, change: Change, uuid: str, chance: random.Random) -> None:
    """What changes who may read a record is written to `logs`, with the record as it was."""
    before = connection.execute(sql.SQL("select to_jsonb(one)::text, owner_uuid from {} as one where uuid = %s for update").format(
        _table(uuid)), [uuid]).fetchone()
    if change.kind == "insert":
        insert_record(connection, uuid, new_row(uuid, chance, change.large), or_leave=True)
        if before is None:
            insert(connection, "create", uuid, notify=False)
    elif before is not None:
        if change.kind == "delete":
            connection.execute(sql.SQL("delete from {} where uuid = %s").format(_table(uuid)), [uuid])
        else:
            _update(connection, uuid, owned(uuid, chance))
        insert(connection, "delete" if change.kind == "delete" else "update", uuid, notify=False, owner_uuid=before[1],
               properties=f'{{"old_attributes":{before[0]}}}')


def _update_fillers(connection: psycopg.Connection, rows: int, chance: random.Random) -> None:
    """The same few again and again, in the order of their ids, so that writers wait for each other in one order."""
    while rows > 0:
        some = FILLER_UUIDS[:rows]
        connection.execute("with due as (select id from collections where uuid = any(%s) order by id for update)"
                           " update collections set replication_confirmed = %s from due where collections.id = due.id",
                           [list(some), chance.randrange(1_000_000)])
        rows -= len(some)


def _log(connection: psycopg.Connection, rows: int, chance: random.Random) -> None:
    """About a record, whether it is there or not; without NOTIFY, which would not go with two phases."""
    insert(connection, chance.choice(EVENT_TYPES), chance.choice(HOT_UUIDS), rows, notify=False, owner_uuid=chance.choice(OWNERS))


def _table(uuid: str) -> sql.Identifier:
    return sql.Identifier(class_of(uuid).table)
