"""Who may read what, commit by commit: Arvados' rules over the rows that the history has. Pure.

What the oracle leaves out of the world is left out here: trash, frozen projects, roles, permission links, inactive users.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from oracle.records.pools import BEACON, HOT_UUIDS, PROJECTS, USERS
from support.records import Record


@dataclass
class Sight:
    """Whether one user sees one object, from which commit on."""

    steps: list[tuple[int, bool]] = field(default_factory=lambda: [(0, False)])

    def at(self, commit: int) -> bool:
        """Behind that commit."""
        return self.steps[bisect_right(self.steps, commit, key=lambda step: step[0]) - 1][1]

    def ever(self, sees: bool, begin: int, end: int | None = None) -> bool:
        """Whether it was so at `begin`, or after any commit from there to `end`, or to the last one."""
        first = bisect_right(self.steps, begin, key=lambda step: step[0]) - 1
        return any(step[1] is sees for step in self.steps[first:] if end is None or step[0] <= end)

    def take(self, commit: int, sees: bool) -> None:
        if self.steps[-1][1] is not sees:
            self.steps.append((commit, sees))

    def forget(self, commit: int) -> None:
        del self.steps[:bisect_right(self.steps, commit, key=lambda step: step[0]) - 1]


class Rights:
    """Is told what a transaction changes, in its order, and then settles: only its end counts.

    `shown` is what a subscription to a record goes by: a record that a reader could see and that was deleted stays in
    sight of who may read what its last owner owns, until it is there again. `readable` is what events go by.
    """

    def __init__(self) -> None:
        self.shown = {(user, uuid): Sight() for user in USERS for uuid in (*HOT_UUIDS, BEACON)}
        self.readable = {(user, uuid): Sight() for user in USERS for uuid in (*HOT_UUIDS, *PROJECTS, *USERS, BEACON)}
        self.grants: dict[str, dict[str, tuple[int, bool]]] = {}     # level and whether it covers what the target owns
        self._rows: dict[str, Record] = {}
        self._owners: dict[str, str] = {}       # of rows that are gone, too
        self._gone: set[tuple[str, str]] = set()
        self._touched: set[str] = set()
        self._all_touched = False

    def grant(self, user: str, target: str, level: int, traverse: bool) -> None:
        self.grants.setdefault(user, {})[target] = (level, traverse)
        self._all_touched = True

    def revoke(self, user: str, target: str) -> None:
        self.grants.get(user, {}).pop(target, None)
        self._all_touched = True

    def row(self, uuid: str, row: Record | None) -> None:
        before = self._rows.get(uuid)
        if row is None:
            self._rows.pop(uuid, None)
        else:
            self._rows[uuid] = row
            self._owners[uuid] = row["owner_uuid"]
        self._touched.add(uuid)
        for one in (before, row):
            if one is not None and one.get("container_uuid"):
                self._touched.add(one["container_uuid"])

    def settle(self, commit: int) -> None:
        for user, uuid in self.readable if self._all_touched else self._pairs(self._touched):
            self._settle(user, uuid, commit)
        self._touched, self._all_touched = set(), False

    def may_read(self, user: str, uuid: str) -> bool:
        """Behind what was told last."""
        kind = uuid[6:11]
        if kind == "bi6l4":
            return True
        if kind == "dz642":
            return any(row.get("container_uuid") == uuid and self._granted(user, request, row["owner_uuid"])
                       for request, row in self._rows.items() if request[6:11] == "xvhdp")
        row = self._rows.get(uuid)
        if row is None:
            return False
        return self._reaches(user, uuid, False) if kind == "j7d0g" else self._granted(user, uuid, row["owner_uuid"])

    def forget(self, commit: int) -> None:
        for sight in (*self.shown.values(), *self.readable.values()):
            sight.forget(commit)

    def _pairs(self, uuids: Iterable[str]) -> list[tuple[str, str]]:
        return [(user, uuid) for uuid in uuids for user in USERS if (user, uuid) in self.readable]

    def _settle(self, user: str, uuid: str, commit: int) -> None:
        pair, readable = (user, uuid), self.may_read(user, uuid)
        if readable or uuid in self._rows or uuid[6:11] in ("bi6l4", "dz642"):
            self._gone.discard(pair)
        elif self.readable[pair].steps[-1][1] and self.may_read(user, self._owners[uuid]):
            self._gone.add(pair)
        self.readable[pair].take(commit, readable)
        if pair in self.shown:
            self.shown[pair].take(commit, readable or pair in self._gone)

    def _granted(self, user: str, uuid: str, owner: str) -> bool:
        return self._reaches(user, owner, True) or self._reaches(user, uuid, False)

    def _reaches(self, user: str, target: str, owned: bool) -> bool:
        """Itself, or by a user that it manages."""
        for me, (level, traverse) in self.grants.get(user, {}).items():
            if me[6:11] == "tpzed" and traverse and level >= 1:
                has = self.grants.get(me, {}).get(target)
                if has is not None and has[0] >= 1 and (has[1] or not owned):
                    return True
        return False
