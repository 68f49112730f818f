"""Arvados' rules of reading a second time, in Python and from the links themselves: what the predicate is tested with."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from oracle.grants.pools import TABLES

LEVELS = {"can_read": 1, "can_login": 1, "can_write": 2, "can_manage": 3}

#: Classes whose GET honours include_trash.
IN_TRASH = ("collections", "groups", "container_requests")


def kind(uuid: str | None) -> str:
    return uuid[6:11] if uuid else ""


class Model:
    """A state of the database, read once. Small worlds only: everything is walked anew for each question."""

    def __init__(self, connection: psycopg.Connection, now: datetime) -> None:
        self._now = now
        self._rows: dict[str, dict[str, Any]] = {}
        with connection.cursor(row_factory=dict_row) as cursor:
            for table in TABLES.values():
                for row in cursor.execute(f"select * from {table}").fetchall():
                    self._rows[row["uuid"]] = {**row, "table": table}
        self._edges: dict[str, list[tuple[str, int]]] = {}
        for row in self._of("groups", "users"):
            self._edges.setdefault(row["owner_uuid"], []).append((row["uuid"], 3))
        for row in self._of("links"):
            if row["link_class"] == "permission":
                self._edges.setdefault(row["tail_uuid"], []).append((row["head_uuid"], LEVELS.get(row["name"], 0)))
        self._reach = {row["uuid"]: self._walk(row["uuid"]) for row in self._of("users")}

    def _of(self, *tables: str) -> Iterable[dict[str, Any]]:
        return (row for row in self._rows.values() if row["table"] in tables)

    def _walk(self, user: str) -> dict[str, tuple[int, bool]]:
        """What the user reaches: the best level of all paths, and whether the target's belongings are reached too."""
        best = {user: (3, True)}
        paths = [(user, 3)]
        seen = set(paths)
        while paths:
            at, level = paths.pop()
            if at != user and kind(at) != "j7d0g":
                continue
            for target, step in self._edges.get(at, []):
                reached = min(level, step)
                opens = kind(target) == "j7d0g" or (kind(target) == "tpzed" and step == 3)
                old = best.get(target, (0, False))
                best[target] = (max(old[0], reached), old[1] or opens)
                if (target, reached) not in seen:
                    seen.add((target, reached))
                    paths.append((target, reached))
        return {target: found for target, found in best.items() if found[0] >= 1}

    def _can(self, user: str, target: str | None, level: int, owned: bool) -> bool:
        for me, (reached, opens) in self._reach.get(user, {}).items():
            if kind(me) == "tpzed" and opens and reached >= level and target in self._reach.get(me, {}):
                found, all_of_it = self._reach[me][target]
                if found >= level and (all_of_it or not owned):
                    return True
        return False

    def _above(self, uuid: str | None) -> Iterable[dict[str, Any]]:
        """The projects that something lies in, if this is its owner."""
        while uuid in self._rows and self._rows[uuid]["table"] == "groups":
            yield self._rows[uuid]
            uuid = self._rows[uuid]["owner_uuid"]

    def _past(self, time: datetime | None) -> bool:
        return time is not None and time <= self._now

    def _trashed(self, row: dict[str, Any]) -> bool:
        return any(self._past(group["trash_at"]) for group in self._above(row["owner_uuid"]))

    def _frozen(self, row: dict[str, Any]) -> bool:
        return any(group["frozen_by_uuid"] is not None for group in self._above(row["owner_uuid"]))

    def _generic(self, user: str, row: dict[str, Any], include_trash: bool) -> bool:
        table = row["table"]
        granted = self._can(user, row["uuid"], 1, False) or (table != "groups" and self._can(user, row["owner_uuid"], 1, True))
        if table == "groups" and row["group_class"] == "role" and self._rows[user]["is_active"]:
            granted = True
        gone = self._trashed(row) or (table in ("groups", "collections") and self._past(row["trash_at"]))
        return granted and not (gone and (not include_trash or self._frozen(row)))

    def _manages(self, user: str, uuid: str | None) -> bool:
        if uuid == user or self._can(user, uuid, 3, False):
            return True
        row = self._rows.get(uuid or "")
        if row is None or row["table"] in ("api_client_authorizations", "keep_services"):
            return False
        return self._can(user, row["owner_uuid"], 3, True)

    def readable(self, user: str, uuid: str) -> bool:
        if uuid[32:33] == "+":
            return any(row["portable_data_hash"] == uuid and self._generic(user, row, True) for row in self._of("collections"))
        row = self._rows.get(uuid)
        if row is None:
            return False
        table = row["table"]
        if table == "keep_services":
            return True
        if table == "api_client_authorizations":
            return bool(row["user_id"] == self._rows[user]["id"])
        if table == "containers":
            return any(request["container_uuid"] == uuid and self._generic(user, request, False)
                       for request in self._of("container_requests"))
        if table == "workflows" and row["collection_uuid"] is not None:
            linked = self._rows.get(row["collection_uuid"])
            return linked is not None and linked["uuid"] == linked["current_version_uuid"] and self._generic(user, linked, False)
        if table == "links" and row["link_class"] == "permission":
            return bool(row["tail_uuid"] == user) or self._manages(user, row["head_uuid"])
        if table == "users" and (row["redirect_to_user_uuid"] is not None or not (row["is_active"] or uuid == user)):
            return False
        return self._generic(user, row, table in IN_TRASH)
