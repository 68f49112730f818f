"""What the rounds of `records` happen to: a scene with records in it, a proxy before its relay, clients, and the history."""

import random
from pathlib import Path

from fault_proxy import FaultProxy
from oracle.records.clients import Clients
from oracle.records.history import History
from oracle.records import grants
from oracle.records.pools import BEACON, FILLER_UUIDS, HOT_UUIDS, PROJECTS, USERS, new_row
from oracle.records.stand_in import StandIn
from oracle.scene import Scene
from support.clock import Clock
from support.records import insert_record
from support.wait import free_port


PREDICATE = Path(__file__).parents[1] / "grants/predicate.sql"


class World(Scene):
    """Made once. Its clients are connected to the relay, or to one that knows the answers (`stand_in`).

    `epoch` is that of the first transaction ids. With `clock` the relay's clock can be set.
    """

    def __init__(self, directory: Path, seed: int, stand_in: bool = False, epoch: int = 0, clock: bool = False) -> None:
        # Writers that block each other find it out soon, and one of them gives up.
        super().__init__(directory, "slot", epoch, deadlock_timeout="'30ms'")
        self.postgres.load("arvados", PREDICATE)
        self.history = History(self.database)
        self.clock: Clock | None = None     # the relay's
        if stand_in:
            self.relay = StandIn(self.database)  # type: ignore[assignment]
        elif clock:
            self.clock = Clock(directory / "clock")
            self.relay.environment.update(self.clock.environment)
        self._beacons = 0
        chance = random.Random(f"world/{seed}")
        connection = self.connected()
        connection.execute("set synchronous_commit = off")
        with connection.transaction():
            for uuid in (*USERS, *PROJECTS, BEACON, *HOT_UUIDS, *FILLER_UUIDS):
                insert_record(connection, uuid, new_row(uuid, chance, chance.random() < 0.3))
            grants.begin(connection, chance)
        tokens = {user: self.database.token(user).v2 for user in USERS}
        if isinstance(self.relay, StandIn):
            self.relay.users = {token: user for user, token in tokens.items()}
        self.start_relay()
        self.relay.wait_listening()
        self.relay.wait_live()
        self.proxies["client"] = FaultProxy(free_port(), self.relay.port)
        self.clients = Clients(self.relay.port, self.proxies["client"].port, str(seed), tokens, self.history.rights)

    def beacon(self) -> str:
        """A change that every client is told; returns what is new. It may always be committed: it waits for no standby."""
        self._beacons += 1
        name = f"beacon {self._beacons}"
        connection = self.connected()
        connection.execute("set synchronous_commit = local")
        connection.execute("update collections set name = %s where uuid = %s", [name, BEACON])
        return name

    def close(self) -> None:
        self.clients.close()
        super().close()
