"""Writers of `logs` that carry out a plan, whatever becomes of the database meanwhile."""

import itertools
import threading
import time
from contextlib import suppress

import psycopg

from oracle.plan import Piece
from oracle.rows import EVENT_TYPES, OBJECTS, insert
from support.arvados import ArvadosDatabase

_prepared = itertools.count(1)


class Writer(threading.Thread):
    """Does its pieces, one after the other, on a connection of its own; those that an outage hits are lost or not.

    Which, nobody needs to know here: the witness tells what was committed.
    """

    def __init__(self, database: ArvadosDatabase, pieces: tuple[Piece, ...]) -> None:
        super().__init__(daemon=True, name="writer")
        self.failed: list[str] = []         # what PostgreSQL refused while it was there
        self.interrupted = 0
        self._database = database
        self._pieces = pieces
        self._connection: psycopg.Connection | None = None

    def run(self) -> None:
        for piece in self._pieces:
            time.sleep(piece.wait)
            try:
                self._carry_out(piece, self._connected())
            except psycopg.Error as error:
                self.interrupted += 1
                if not outage(error):
                    self.failed.append(f"{piece}: {error}")
                self._leave()
                time.sleep(0.05)
        self._leave()

    def _connected(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = self._database.connect(connect_timeout=5)
        return self._connection

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _carry_out(self, piece: Piece, connection: psycopg.Connection) -> None:
        connection.execute("begin")
        for part, (rows, kept) in enumerate(piece.rows):
            if not kept:
                connection.execute(f"savepoint part{part}")
            insert(connection, EVENT_TYPES[piece.choice % 4], OBJECTS[piece.choice % 3], rows, piece.notify, piece.padding)
            if not kept:
                connection.execute(f"rollback to part{part}")
            if piece.pause:
                time.sleep(piece.pause)
        if not piece.end.startswith("prepare"):
            connection.execute(piece.end.encode())
            return
        name = f"oracle-{'rollback' if piece.end == 'prepare-rollback' else 'commit'}-{next(_prepared)}"
        connection.execute(f"prepare transaction '{name}'".encode())
        time.sleep(piece.wait)
        finish(connection, name)


def finish(connection: psycopg.Connection, name: str) -> None:
    """The second phase that the name of a prepared transaction promises."""
    connection.execute(f"{'rollback' if '-rollback-' in name else 'commit'} prepared '{name}'".encode())


def finish_all(connection: psycopg.Connection) -> None:
    """The second phase of whatever an outage left prepared."""
    for name, in connection.execute("select gid from pg_prepared_xacts where gid like 'oracle-%'").fetchall():
        with suppress(psycopg.errors.UndefinedObject):
            finish(connection, name)


def outage(error: psycopg.Error) -> bool:
    """Whether a statement failed because PostgreSQL went away: the connection broke, or it is shutting down or starting."""
    state = error.sqlstate or ""
    return state in ("57P01", "57P02", "57P03") or state.startswith("08") or (
        isinstance(error, psycopg.OperationalError) and not state)
