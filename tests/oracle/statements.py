"""What Arvados itself does to its database, all the while: none of it may fail or wait because of the relay."""

import json
import subprocess
import threading
import time
from dataclasses import dataclass

import psycopg

from oracle.writers import outage
from support.arvados import ArvadosDatabase
from support.paths import ROOT

PROGRAM = ROOT / "build/tests/db/arvados_statements"

#: The longest that a statement may wait for a lock that the relay's connections hold. It takes none but those of its short
#: SELECTs; the longest fault that stops one of them half-way lasts less.
LONGEST_WAIT = 3.0

#: Who waits for whom: a backend that is none of the relay's behind one that is.
WAITS = """
select waiting.pid, waiting.query, extract(epoch from clock_timestamp() - locks.since), blocking.query, blocking.state
from pg_stat_activity waiting
cross join lateral (select min(waitstart) as since from pg_locks where pid = waiting.pid and not granted) locks
cross join lateral unnest(pg_blocking_pids(waiting.pid)) as blocker
join pg_stat_activity blocking on blocking.pid = blocker
where waiting.wait_event_type = 'Lock' and locks.since is not null
  and waiting.application_name not like 'walcast%' and blocking.application_name like 'walcast%'
"""


@dataclass
class Script:
    name: str
    one_transaction: bool
    workers: int
    statements: list[str]

    def filled(self, worker: int, number: int) -> list[bytes]:
        return [text.replace("$W", str(worker)).replace("$N", str(number)).encode() for text in self.statements]


def load_scripts() -> list[Script]:
    """Those of tests/db/arvados_scripts.cpp."""
    lines = subprocess.run([str(PROGRAM)], capture_output=True, text=True, check=True).stdout.splitlines()
    return [Script(**json.loads(line)) for line in lines]


class Statements:
    """Runs the scripts on two connections at an even pace until close(), and watches who waits for the relay's locks.

    What PostgreSQL refuses because it is going down is nobody's fault but ours; everything else is a failure.
    """

    WORKERS = 2

    def __init__(self, database: ArvadosDatabase, pause: float = 0.02) -> None:
        self.done = 0                       # scripts
        self.longest_wait = 0.0             # seconds, behind the relay
        self._database = database
        self._pause = pause
        self._scripts = load_scripts()
        self._failures: list[str] = []
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=[worker], daemon=True, name="statements")
                         for worker in range(1, self.WORKERS + 1)]
        self._threads.append(threading.Thread(target=self._watch, daemon=True, name="locks"))
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(30)

    def take_failures(self) -> list[str]:
        failures, self._failures = self._failures, []
        return failures

    def _work(self, worker: int) -> None:
        number = 0
        while not self._end.is_set():
            try:
                with self._database.connect(connect_timeout=5) as connection:
                    while not self._end.is_set():
                        number += 1
                        self._round(connection, worker, number)
            except psycopg.Error as error:
                if not outage(error):
                    self._failures.append(f"the connection of the statements: {error}")
                self._end.wait(0.05)

    def _round(self, connection: psycopg.Connection, worker: int, number: int) -> None:
        for place, script in enumerate(self._scripts):
            if self._end.wait(self._pause):
                return
            if script.workers < self.WORKERS and place % self.WORKERS != worker - 1:
                continue
            statement = b"begin"
            try:
                if script.one_transaction:
                    connection.execute("begin")
                for statement in script.filled(worker, number):
                    connection.execute(statement)
                if script.one_transaction:
                    statement = b"commit"
                    connection.execute(statement)
                self.done += 1
            except psycopg.Error as error:
                if outage(error) or connection.broken:
                    raise
                self._failures.append(f"a statement of Arvados failed: {script.name}: {statement.decode()}: {error}")
                connection.execute("rollback")

    def _watch(self) -> None:
        reported: set[int] = set()
        while not self._end.wait(0.1):
            try:
                with self._database.connect(connect_timeout=5) as connection:
                    while not self._end.wait(0.1):
                        self._look(connection, reported)
            except psycopg.Error:
                time.sleep(0.1)  # an outage

    def _look(self, connection: psycopg.Connection, reported: set[int]) -> None:
        for pid, query, seconds, blocking, state in connection.execute(WAITS.encode()).fetchall():
            self.longest_wait = max(self.longest_wait, float(seconds))
            if seconds > LONGEST_WAIT and pid not in reported:
                reported.add(pid)
                self._failures.append(f"{query!r} has waited for {seconds:.1f} s for the relay's {blocking!r} ({state})")
