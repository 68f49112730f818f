"""Writers that carry out a plan of changes, and record the answers to each event just before they commit."""

import itertools
import threading
import time

import psycopg

from oracle.grants.plan import Step, Transaction
from support.arvados import ArvadosDatabase

_prepared = itertools.count(1)

#: What concurrent writers do to each other: a deadlock, the same new row.
EXPECTED = ("40P01", "40001", "23505")


class Writer(threading.Thread):
    """Does its transactions, one after the other. `story` tells them: (place, or why there is none; what was done)."""

    def __init__(self, database: ArvadosDatabase, transactions: tuple[Transaction, ...]) -> None:
        super().__init__(daemon=True, name="writer")
        self.failed: list[str] = []
        self.story: list[tuple[int | str, list[str]]] = []
        self._database = database
        self._transactions = transactions

    def run(self) -> None:
        with self._database.connect() as connection:
            for transaction in self._transactions:
                time.sleep(transaction.wait)
                self._carry_out(transaction, connection)

    def _carry_out(self, transaction: Transaction, connection: psycopg.Connection) -> None:
        story: list[str] = []
        try:
            place = self._try(transaction, connection, story)
        except psycopg.Error as error:
            connection.execute("rollback")
            if error.sqlstate not in EXPECTED:
                self.failed.append(f"{error}; after {story}")
            self.story.append((f"failed: {str(error).splitlines()[0]}", story))
        else:
            self.story.append((place if transaction.end in ("commit", "prepare") else transaction.end, story))

    def _try(self, transaction: Transaction, connection: psycopg.Connection, story: list[str]) -> int:
        name = f"oracle-grants-{next(_prepared)}"
        preparing = transaction.end.startswith("prepare")
        connection.execute("begin")
        if preparing:
            connection.execute("set local oracle.quiet = on")
        behind = False                  # whether the permission tables are
        for step in transaction.steps:
            behind = self._step(step, connection, behind, story)
            if transaction.pause:
                time.sleep(transaction.pause)
        if behind:
            upkeep(connection, transaction.steps[-1].full, story)
        row = connection.execute("select oracle.judge()").fetchone()
        assert row is not None
        if not preparing:
            connection.execute(transaction.end.encode())
            return int(row[0])
        connection.execute(f"prepare transaction '{name}'".encode())
        time.sleep(transaction.wait)
        connection.execute(f"{'commit' if transaction.end == 'prepare' else 'rollback'} prepared '{name}'".encode())
        story.append("two-phase")
        return int(row[0])

    def _step(self, step: Step, connection: psycopg.Connection, behind: bool, story: list[str]) -> bool:
        """Returns whether the permission tables are behind."""
        before = behind
        if not step.kept:
            connection.execute("savepoint step")
        for change in step.changes:
            connection.execute(change.statement.encode(), change.arguments)
            story.append(change.what if step.kept else f"({change.what})")
            behind = behind or change.permissions
        if behind and step.upkeep:
            upkeep(connection, step.full, story)
            behind = False
        if step.kept:
            return behind
        connection.execute("rollback to step")
        return before


def upkeep(connection: psycopg.Connection, full: bool, story: list[str]) -> None:
    connection.execute("select oracle.upkeep(%s)", (full,))
    story.append("rebuild" if full else "upkeep")
