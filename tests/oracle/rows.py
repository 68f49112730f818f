"""The rows of `logs` that the oracle writes."""

import psycopg

from support.arvados import CLUSTER, SYSTEM_USER

BEACON = "oracle-beacon"
EVENT_TYPES = ["update", "oracle-create", "delete", "oracle-blip"]
OBJECTS = [f"{CLUSTER}-4zz18-oracle000000000", f"{CLUSTER}-dz642-oracle000000000", f"{CLUSTER}-4zz18-oracle000000001"]


def insert(connection: psycopg.Connection, event_type: str, object_uuid: str, count: int = 1, notify: bool = True,
           padding: int = 0, owner_uuid: str = SYSTEM_USER, properties: str | None = None) -> list[int]:
    """`count` rows in one statement, with NOTIFY for each as Rails does; returns their ids."""
    rows = connection.execute(
        "with log as (insert into logs (uuid, owner_uuid, object_uuid, object_owner_uuid, event_type, event_at, properties,"
        " created_at, updated_at) select 'zzzzz-57u5n-' || gen_random_uuid(), %s, %s, %s, %s, now(), %s,"
        " statement_timestamp() at time zone 'UTC', statement_timestamp() at time zone 'UTC'"
        " from generate_series(1, %s) returning id) select id"
        + (", pg_notify('logs', id::text)" if notify else "") + " from log",
        [SYSTEM_USER, object_uuid, owner_uuid, event_type,
         properties or ('{"text":"' + "x" * padding + '"}' if padding else '{"new_attributes":{"name":"n"}}'), count]).fetchall()
    return [row[0] for row in rows]
