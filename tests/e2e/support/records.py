"""What the record of a row is: schema/classes.yaml, and the JSON of each column, worked out here and not by the relay."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
import yaml
from psycopg import sql

from support.arvados import SYSTEM_USER, new_uuid
from support.paths import ROOT

Record = dict[str, Any]

#: Integers beyond it are strings: JavaScript would round them.
EXACT = 2 ** 53


@dataclass(frozen=True)
class RecordClass:
    kind: str
    infix: str
    table: str
    resource: str
    key: str
    published: tuple[str, ...]
    on_demand: tuple[str, ...]
    secret: tuple[str, ...]
    serialized: frozenset[str]


@cache
def classes() -> dict[str, RecordClass]:
    """By the middle part of the uuid."""
    known = yaml.safe_load((ROOT / "schema/classes.yaml").read_text(encoding="utf-8"))["classes"]
    return {one["uuid_infix"]: RecordClass(
        one["class"], one["uuid_infix"], one["table"], one["resource"], one["key"], tuple(one["published"]),
        tuple(one.get("on_demand", ())), tuple(one.get("secret", ())), frozenset(one.get("serialized", ()))) for one in known}


def class_of(uuid: str) -> RecordClass:
    return classes()[uuid[6:11]]


def column_types(connection: psycopg.Connection, table: str) -> dict[str, str]:
    """What PostgreSQL calls the types, without their modifiers."""
    rows = connection.execute("select attname, format_type(atttypid, null) from pg_attribute"
                              " where attrelid = %s::regclass and attnum > 0 and not attisdropped", [table]).fetchall()
    return {name: kind for name, kind in rows}


def as_json(text: str | None, kind: str, serialized: bool) -> Any:
    """The value of a column, from PostgreSQL's text form of it."""
    if text is None:
        return None
    if kind == "boolean":
        return text[0] == "t"
    if kind in ("integer", "bigint", "smallint"):
        return int(text) if abs(int(text)) <= EXACT else text
    if kind == "double precision":
        return float(text)
    if kind.startswith("timestamp"):
        return text.replace(" ", "T") + "Z"
    if kind in ("json", "jsonb"):
        return json.loads(text)
    if serialized:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def read_record(connection: psycopg.Connection, uuid: str, columns: Sequence[str] | None = None) -> Record | None:
    """The record as it is in the database now; None if there is none. All published columns, or some."""
    of = class_of(uuid)
    wanted = of.published if columns is None else columns
    kinds = column_types(connection, of.table)
    row = connection.execute(sql.SQL("select {} from {} where uuid = %s").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in wanted), sql.Identifier(of.table)),
        [uuid]).fetchone()
    if row is None:
        return None
    return {name: as_json(text, kinds[name], name in of.serialized) for name, text in zip(wanted, row, strict=True)}


#: What a row of each class must have beside its uuid, owner and times.
NEEDED: dict[str, Record] = {
    "4zz18": {}, "dz642": {"state": "Queued"}, "xvhdp": {"state": "Uncommitted"}, "j7d0g": {"name": "n", "group_class": "project"},
    "7fd4e": {}, "o0j2j": {"link_class": "star", "tail_uuid": SYSTEM_USER, "head_uuid": SYSTEM_USER}, "2x53u": {}, "fngyi": {},
    "bi6l4": {"read_only": False}, "tpzed": {"is_active": True, "is_admin": False}, "57u5n": {"event_type": "update"},
    "oss07": {"name": "n", "credential_class": "c", "external_id": "e", "secret": "kept", "expires_at": "2030-01-01"},
    "gj3su": {"api_token": "", "user_id": 0},
}


def insert_record(connection: psycopg.Connection, uuid: str, columns: Record, or_leave: bool = False) -> None:
    """A row of the uuid's class; with `or_leave` nothing happens if there is one."""
    row = {"uuid": uuid, **({} if uuid[6:11] == "gj3su" else {"owner_uuid": SYSTEM_USER}), **NEEDED[uuid[6:11]], **columns}
    if uuid[6:11] == "4zz18":
        row.setdefault("current_version_uuid", uuid)
    times = [name for name in ("created_at", "modified_at", "updated_at") if name not in row
             and not (name == "updated_at" and uuid[6:11] == "oss07") and not (name == "modified_at" and uuid[6:11] == "gj3su")]
    now = sql.SQL("statement_timestamp() at time zone 'UTC'")
    connection.execute(sql.SQL("insert into {} ({}) values ({}) {}").format(
        sql.Identifier(class_of(uuid).table), sql.SQL(", ").join(map(sql.Identifier, [*row, *times])),
        sql.SQL(", ").join([*(sql.Placeholder() for _ in row), *(now for _ in times)]),
        sql.SQL("on conflict (uuid) do nothing" if or_leave else "")), list(row.values()))


def update_record(connection: psycopg.Connection, uuid: str, /, **columns: Any) -> None:
    done = connection.execute(sql.SQL("update {} set {} where uuid = %s").format(
        sql.Identifier(class_of(uuid).table),
        sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns)), [*columns.values(), uuid])
    assert done.rowcount == 1, f"there is no {uuid}"


def delete_record(connection: psycopg.Connection, uuid: str) -> None:
    connection.execute(sql.SQL("delete from {} where uuid = %s").format(sql.Identifier(class_of(uuid).table)), [uuid])


def new_record(connection: psycopg.Connection, infix: str = "4zz18", /, **columns: Any) -> str:
    uuid = new_uuid(infix)
    insert_record(connection, uuid, columns)
    return uuid
