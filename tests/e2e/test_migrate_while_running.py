"""Arvados' statements go on while a database is prepared and restored under a running relay."""

import threading

import pytest

from support.arvados import MANAGEMENT_TOKEN, ArvadosDatabase, insert_log
from support.relay import Relay, walcast
from support.wait import until

MANAGER = {"Authorization": f"Bearer {MANAGEMENT_TOKEN}"}


class Arvados(threading.Thread):
    """What Arvados does to the tables that need a replica identity, over and over."""

    def __init__(self, database: ArvadosDatabase) -> None:
        super().__init__()
        self._database, self._stop_asked = database, threading.Event()
        self.rounds, self.failures = 0, list[str]()

    def run(self) -> None:
        with self._database.connect() as connection:
            while not self._stop_asked.is_set():
                try:
                    with connection.transaction():
                        connection.execute("lock table materialized_permissions in exclusive mode")
                        connection.execute("delete from materialized_permissions")
                        connection.execute("insert into materialized_permissions values "
                                           "('zzzzz-tpzed-000000000000001', 'zzzzz-j7d0g-000000000000001', 3, true)")
                        connection.execute("update materialized_permissions set perm_level = 1")
                        connection.execute("delete from trashed_groups")
                        connection.execute("delete from frozen_groups")
                        insert_log(connection, event_type="arvados")
                    self.rounds += 1
                except Exception as problem:  # pylint: disable=broad-except
                    self.failures.append(str(problem))
                self._stop_asked.wait(0.005)

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()


@pytest.mark.only_source("slot")
def test_down_and_up(relay: Relay, database: ArvadosDatabase) -> None:
    """No statement fails; the relay lives, says what is wrong while the publication is gone, and goes on afterwards.

    What was written meanwhile cannot be read from the slot, whenever that is: a slot decodes with the catalog of the
    time. So it has to be made again.
    """
    config = relay.write_config()
    arvados = Arvados(database)
    arvados.start()
    try:
        for verb in ("down", "up"):
            before = arvados.rounds
            done = walcast("migrate", verb, config=config)
            assert done.returncode == 0, done.stderr
            until(f"Arvados to go on after {verb}", lambda before=before: arvados.rounds >= before + 20)
            if verb == "down":
                until("the relay to say what to do", lambda: "walcast migrate up" in relay.http(
                    "/status.json", headers=MANAGER).json()["source"]["problem"])
    finally:
        arvados.stop()
    assert not arvados.failures, arvados.failures[:3]
    with relay.client() as client:
        client.subscribe([["event_type", "in", ["afterwards"]]])
        until("events to come again", lambda: (database.log(event_type="afterwards"), client.events(0.3, limit=1))[1])
    until("health to say so", lambda: relay.http("/_health/ping", headers=MANAGER).json()["health"] == "OK")
