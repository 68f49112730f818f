"""An Arvados database as far as the relay sees it: users, tokens, and rows of `logs`."""

import itertools
from typing import Any

import psycopg
from psycopg import sql

from support.postgres import Postgres

CLUSTER = "zzzzz"
SYSTEM_ROOT_TOKEN = "systemroottoken00000000000000000000000000000000000"
MANAGEMENT_TOKEN = "managementtoken0000000000000000000000000000000000"
ANONYMOUS_TOKEN = "anonymoustoken000000000000000000000000000000000000"
SYSTEM_USER = f"{CLUSTER}-tpzed-000000000000000"

#: Every secret that the tests give to a relay: none of them may be in a log or in an answer.
SECRETS: set[str] = {SYSTEM_ROOT_TOKEN, MANAGEMENT_TOKEN, ANONYMOUS_TOKEN}

_numbers = itertools.count(1)


def new_uuid(kind: str) -> str:
    """A uuid nobody had before, such as zzzzz-4zz18-e2e000000000017."""
    return f"{CLUSTER}-{kind}-e2e{next(_numbers):012d}"


class Token:
    """A row of api_client_authorizations, in the forms in which clients send it."""

    def __init__(self, uuid: str, secret: str) -> None:
        self.uuid = uuid
        self.v1 = secret
        self.v2 = f"v2/{uuid}/{secret}"


def insert_log(connection: psycopg.Connection, notify: bool = True, **columns: Any) -> int:
    """Writes a row of `logs` as Rails does, NOTIFY included, and returns its id.

    Columns that are not named have an ordinary value. A transaction of the caller's stays open.
    """
    row: dict[str, Any] = {
        "uuid": new_uuid("57u5n"),
        "owner_uuid": SYSTEM_USER,
        "object_uuid": f"{CLUSTER}-4zz18-aaaaaaaaaaaaaaa",
        "object_owner_uuid": SYSTEM_USER,
        "event_type": "update",
        "event_at": "2026-01-02 03:04:05.678901",
        "properties": '{"old_attributes":{"name":"a"},"new_attributes":{"name":"b"}}',
        **columns,
    }
    now = sql.SQL("statement_timestamp() at time zone 'UTC'")
    times = {name: now for name in ("created_at", "updated_at") if name not in row}
    statement = sql.SQL("with log as (insert into logs ({}) values ({}) returning id) select id, {} from log").format(
        sql.SQL(", ").join(map(sql.Identifier, [*row, *times])),
        sql.SQL(", ").join([*(sql.Placeholder() for _ in row), *times.values()]),
        sql.SQL("pg_notify('logs', id::text)" if notify else "null"))
    result = connection.execute(statement, list(row.values())).fetchone()
    assert result is not None
    return int(result[0])


class ArvadosDatabase:
    """One database of a cluster, with a connection of the test's own."""

    def __init__(self, postgres: Postgres, name: str) -> None:
        self.postgres = postgres
        self.name = name
        self.connection = self.connect()

    def connect(self, **more: Any) -> psycopg.Connection:
        return self.postgres.connect(self.name, **more)

    def reconnect(self) -> None:
        """After the cluster was restarted."""
        self.connection.close()
        self.connection = self.connect()

    def configure(self, **settings: str) -> None:
        """Restarts the cluster with these settings in postgresql.conf."""
        self.postgres.set(**settings)
        self.postgres.restart()
        self.reconnect()

    def log(self, **columns: Any) -> int:
        """One row of `logs` in a transaction of its own; see insert_log."""
        return insert_log(self.connection, **columns)

    def user(self, **columns: Any) -> str:
        """A new active user who is no administrator; returns the uuid."""
        row: dict[str, Any] = {"uuid": new_uuid("tpzed"), "owner_uuid": SYSTEM_USER, "is_admin": False,
                               "is_active": True, **columns}
        self._insert("users", row)
        return str(row["uuid"])

    def admin(self, **columns: Any) -> str:
        return self.user(**{"is_admin": True, **columns})

    def token(self, user_uuid: str, **columns: Any) -> Token:
        """A new token of that user. `expires_at` and the like are SQL expressions, such as "now() + interval '1 s'"."""
        token = Token(new_uuid("gj3su"), f"secretof{next(_numbers):042d}")
        times = {name: columns.pop(name) for name in ("expires_at", "refreshes_at") if name in columns}
        self._insert("api_client_authorizations", {"uuid": token.uuid, "api_token": token.v1, "scopes": '["all"]', **columns},
                     user_id=sql.SQL("(select id from users where uuid = {})").format(sql.Literal(user_uuid)),
                     **{name: sql.SQL("({}) at time zone 'UTC'").format(sql.SQL(text)) for name, text in times.items()})
        SECRETS.add(columns.get("api_token", token.v1))
        return token

    def container(self, **columns: Any) -> str:
        row = {"uuid": new_uuid("dz642"), "owner_uuid": SYSTEM_USER, "state": "Running", **columns}
        self._insert("containers", row)
        return str(row["uuid"])

    def _insert(self, table: str, row: dict[str, Any], **expressions: sql.Composable) -> None:
        now = sql.SQL("statement_timestamp() at time zone 'UTC'")
        made: dict[str, sql.Composable] = {"created_at": now, "updated_at": now, **expressions}
        self.connection.execute(
            sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, [*row, *made])),
                sql.SQL(", ").join([*(sql.Placeholder() for _ in row), *made.values()])),
            list(row.values()))
