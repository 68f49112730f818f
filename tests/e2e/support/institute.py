"""Objects and permissions, changed as Arvados changes them (deploy/demo/functions.sql): with upkeep, in one transaction."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from support.arvados import SYSTEM_USER, ArvadosDatabase, insert_log, new_uuid
from support.paths import ROOT

FUNCTIONS = ROOT / "deploy/demo/functions.sql"

#: The infix of each table that has one.
KINDS = {"collections": "4zz18", "groups": "j7d0g", "container_requests": "xvhdp", "containers": "dz642", "workflows": "7fd4e",
         "links": "o0j2j", "virtual_machines": "2x53u", "credentials": "oss07", "authorized_keys": "fngyi"}
TABLES = {kind: table for table, kind in KINDS.items()} | {"tpzed": "users", "gj3su": "api_client_authorizations"}

EVENT_TYPE = "e2e-grants"
#: Deletions are asked about by owner; everything else here is of one type.
FILTER = [["event_type", "in", [EVENT_TYPE, "delete"]]]


class Institute:
    """One database, changed over one connection. Every change is a transaction of its own with its upkeep; inside
    `transaction()` they are one, with one upkeep at its end."""

    def __init__(self, database: ArvadosDatabase) -> None:
        self.database = database
        self.connection = database.connect()
        database.postgres.load(database.name, FUNCTIONS)
        self._open = False
        if self.connection.execute("select from users where uuid = %s", [SYSTEM_USER]).fetchone() is None:
            database.admin(uuid=SYSTEM_USER)

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        if self._open:
            yield self.connection
            return
        self._open = True
        try:
            with self.connection.transaction():
                yield self.connection
                self.connection.execute("select demo.refresh_permissions()")
        finally:
            self._open = False

    def create(self, table: str, **columns: Any) -> str:
        uuid = new_uuid(KINDS[table])
        row = {"uuid": uuid, "name": "e2e", **columns}
        if table == "collections":
            row.setdefault("current_version_uuid", uuid)
        with self.transaction() as connection:
            connection.execute("select demo.create(%s::regclass, %s::jsonb)", [table, json.dumps(row)])
        return uuid

    def change(self, uuid: str, **columns: Any) -> None:
        """`trash_at` may be True or False: long ago, or never."""
        if isinstance(columns.get("trash_at"), bool):
            columns["trash_at"] = "2020-01-01" if columns["trash_at"] else None
        with self.transaction() as connection:
            done = connection.execute("select demo.change(%s::regclass, %s, %s::jsonb)",
                                      [TABLES[uuid[6:11]], uuid, json.dumps(columns)]).fetchone()
            assert done == (True,), f"there is no {uuid}"

    def destroy(self, uuid: str) -> None:
        with self.transaction() as connection:
            done = connection.execute("select demo.destroy(%s::regclass, %s)", [TABLES[uuid[6:11]], uuid]).fetchone()
            assert done == (True,), f"there is no {uuid}"

    def user(self, **columns: Any) -> str:
        with self.transaction():
            return self.database.user(**columns)

    def project(self, owner: str, **columns: Any) -> str:
        return self.create("groups", group_class="project", owner_uuid=owner, **columns)

    def role(self, **columns: Any) -> str:
        return self.create("groups", group_class="role", owner_uuid=SYSTEM_USER, **columns)

    def collection(self, owner: str, **columns: Any) -> str:
        return self.create("collections", owner_uuid=owner, **columns)

    def grant(self, tail: str, head: str, name: str = "can_read") -> str:
        return self.create("links", link_class="permission", name=name, tail_uuid=tail, head_uuid=head)

    def event(self, object_uuid: str | None, **columns: Any) -> int:
        """A row of `logs` about an object; returns its id. Needs no upkeep."""
        return insert_log(self.connection, **{"object_uuid": object_uuid, "event_type": EVENT_TYPE, **columns})
