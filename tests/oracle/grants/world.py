"""What the rounds of `grants` happen to: a scene with objects and permissions in it, and sessions of all users."""

import random
import time
from pathlib import Path

from oracle.grants.clients import Clients, Session
from oracle.grants.plan import Round
from oracle.grants.pools import ANONYMOUS_USER, KEEP_SERVICE, Pools, table_of
from oracle.grants.population import mend, populate
from oracle.grants.stand_in import StandIn
from oracle.scene import Scene
from support.arvados import ANONYMOUS_TOKEN, SYSTEM_ROOT_TOKEN
from support.paths import ROOT
from support.wait import until

SCRIPTS = [ROOT / "deploy/demo/functions.sql", Path(__file__).parent / "predicate.sql", Path(__file__).parent / "record.sql"]

#: The scopes of the last users' sessions.
SCOPES = [["GET /arvados/v1/collections/", "GET /arvados/v1/keep_services/"],
          ["GET /arvados/v1/groups/", "GET /arvados/v1/users/"], ["GET /"]]


class World(Scene):
    """Made once. Its clients are connected to the relay directly, or to one that knows the answers (`stand_in`)."""

    def __init__(self, directory: Path, source: str, seed: int, users: int, stand_in: bool = False) -> None:
        # Writers that block each other find it out soon, and one of them gives up.
        super().__init__(directory, source, deadlock_timeout="'30ms'")
        self.pools = Pools.of(users)
        self._chance = random.Random(f"world/{seed}")
        for script in SCRIPTS:
            self.postgres.load("arvados", script)
        self.database.connection.execute("set synchronous_commit = off")
        populate(self.database.connection, self.pools, self._chance)
        sessions = self._sessions()
        self.configure((("OutboxBytes", self._chance.choice(["8KiB", "256KiB"])), ("Shards", self._chance.choice([1, 2])),
                        ("FeedBytes", self._chance.choice(["1MiB", "16MiB"]))))
        if stand_in:
            self.relay = StandIn(self.database, source)  # type: ignore[assignment]
        self.start_relay()
        self.relay.wait_listening()
        self.relay.wait_live()
        self.clients = Clients(sessions, self.relay.port, self.database.connect(), str(seed))

    def _sessions(self) -> list[Session]:
        """One of each user, a second one of some with another pace; the root's and the anonymous user's."""
        root = Session("root", "", "", SYSTEM_ROOT_TOKEN, ["all"])
        found = [root]
        habits: list[dict[str, object]] = [{}, {"leaves": 0.03}, {"pause": 0.02, "receive_buffer": 4096},
                                           {"leaves": 0.02, "resumes": True}]
        for number, uuid in enumerate(self.pools.users):
            limited = number - len(self.pools.users) + 3
            scopes = SCOPES[limited] if limited >= 0 else ["all"]
            found.append(self._session(f"user {number}", uuid, scopes, **(habits[number % 4] if limited < 0 else {})))
            if number % 3 == 0:
                found.append(self._session(f"user {number}, again", uuid, ["all"], **habits[(number + 1) % 4]))
        found.append(self._session("anonymous", ANONYMOUS_USER, ["GET /"]))
        found.append(Session("anonymous, configured", ANONYMOUS_USER, "", ANONYMOUS_TOKEN, ["GET /"]))
        return found

    def _session(self, name: str, user_uuid: str, scopes: list[str], **habit: object) -> Session:
        self.database.connection.execute("insert into oracle.watched values (%s) on conflict do nothing", [user_uuid])
        session = Session(name, user_uuid, "", "", scopes, **habit)  # type: ignore[arg-type]
        self._give_token(session)
        return session

    def _give_token(self, session: Session) -> None:
        scopes = "[" + ",".join(f'"{scope}"' for scope in session.scopes) + "]"
        token = self.database.token(session.user_uuid, scopes=scopes)
        self.database.connection.execute("insert into oracle.session_tokens values (%s)", [token.uuid])
        session.token_uuid, session.token = token.uuid, token.v2

    def set_margin(self, plan: Round) -> None:
        """A relay that was away answers late."""
        self.connected().execute("update oracle.margin set after = %s", [0.3 if plan.fault is None else 20])

    def beacon(self) -> int:
        """The last event of a round, which everybody may read who is let in at all; returns its place."""
        connection = self.connected()
        with connection.transaction():
            connection.execute("select demo.change('keep_services', %s, '{}')", [KEEP_SERVICE])
            row = connection.execute("select oracle.judge()").fetchone()
            assert row is not None
            return int(row[0])

    def wait_until_read(self, timeout: float) -> None:
        """Until the relay has read, and dealt with, everything that has been committed."""
        if self.relay.source != "slot" or isinstance(self.relay, StandIn):
            return
        row = self.connected().execute("select pg_logical_emit_message(true, 'oracle', '') - '0/0'::pg_lsn").fetchone()
        assert row is not None

        def read() -> bool:
            try:
                status = self.relay.status()
            except OSError:
                return False  # it has not started yet
            high, low = status["source"]["decoded"].split("/")
            return int(high, 16) << 32 | int(low, 16) >= int(row[0]) and status["backlog_bytes"] == 0

        until("the relay to have read everything", read, timeout)
        time.sleep(0.02)  # what was read last is on its way to those who judge it

    def touch_everything(self) -> None:
        """An event about each object that is there."""
        connection = self.connected()
        for uuid in self.pools.all:
            with connection.transaction():
                connection.execute("select demo.change(%s::regclass, %s, '{}')", [table_of(uuid), uuid])
                connection.execute("select oracle.judge()")

    def mend(self, dead: list[Session]) -> None:
        """Between rounds: who was merged is a user again, dead sessions get new tokens."""
        mend(self.connected())
        for session in dead:
            if session.token_uuid:
                self.database.connection.execute("delete from oracle.session_tokens where token_uuid = %s", [session.token_uuid])
                self._give_token(session)
            session.renew = True

    def close(self) -> None:
        self.clients.close()
        super().close()
