"""What a user reads by the permission graph, in SQL, and a subscription to it whose changes must add up to that."""

from typing import Any

import psycopg

from support.institute import Institute
from support.v1 import Subscription, V1Client

TARGETS = """
    select distinct theirs.target_uuid
    from materialized_permissions as me join materialized_permissions as theirs on theirs.user_uuid = me.target_uuid
    where me.user_uuid = %s and me.perm_level >= 1 and me.traverse_owned and me.target_uuid like '%%-tpzed-%%'
        and theirs.perm_level >= 1"""


def targets(connection: psycopg.Connection, user: str) -> set[str]:
    return {uuid for uuid, in connection.execute(TARGETS, [user])}


class Ledger:
    """The set of targets, as the records of snapshots and changes have it. A snapshot says only how many there are, maybe
    of a moment ago: `known` is None until that is as many as in SQL."""

    def __init__(self, institute: Institute, user: str, known: set[str] | None = None) -> None:
        self.institute, self.user = institute, user
        self.known: set[str] | None = targets(institute.connection, user) if known is None else set(known)
        self.count = len(self.known)
        self.all = False

    @property
    def targets(self) -> set[str]:
        assert self.known is not None, f"{self.count} targets of {self.user}, while SQL says {targets(self.institute.connection, self.user)}"
        return self.known

    def take_state(self, record: Any) -> None:
        self.known, self.count, self.all = None, record["count"], record["all"]
        self._look()

    def take(self, record: dict[str, Any]) -> None:
        gained, lost = record["gained_uuids"], record["lost_uuids"]
        assert gained == sorted(set(gained)) and lost == sorted(set(lost))
        assert len(gained) == min(record["gained"], 1000) and len(lost) == min(record["lost"], 1000)
        assert gained or lost or record["all"] != self.all, "nothing has changed"
        self.count += record["gained"] - record["lost"]
        self.all = record["all"]
        if self.known is None:
            return self._look()
        assert not set(gained) & self.known, "gained what was there"
        assert set(lost) <= self.known, "lost what was not there"
        self.known = self.known - set(lost) | set(gained)

    def _look(self) -> None:
        now = targets(self.institute.connection, self.user)
        if len(now) == self.count:
            self.known = now


class Follower(Ledger):
    """A subscription to somebody's grants."""

    def __init__(self, client: V1Client, institute: Institute, user: str, **more: Any) -> None:
        super().__init__(institute, user)
        self.one: Subscription = client.subscribe(f"grants/{user}", **more)

    def expect_state(self) -> None:
        """snapshot and live, and changes until there are as many as in SQL."""
        self.take_state(self.one.expect_snapshot())
        while self.known is None:
            self.take(self.one.expect("change")["record"])

    def expect(self, gained: set[str] | None = None, lost: set[str] | None = None, timeout: float = 10) -> None:
        """One change, which is this."""
        record = self.one.expect("change", timeout, type="update")["record"]
        self.take(record)
        assert (set(record["gained_uuids"]), set(record["lost_uuids"])) == (gained or set(), lost or set())

    def expect_nothing_but(self, marker: str) -> None:
        """The next change is that this one is gained, by what is committed now."""
        self.institute.grant(self.user, marker)
        self.expect({marker})

    def expect_all(self, every: bool) -> None:
        record = self.one.expect("change")["record"]
        assert record == {"gained": 0, "lost": 0, "gained_uuids": [], "lost_uuids": [], "all": every}
        self.all = every
