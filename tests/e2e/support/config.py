"""The relay's configuration for a test, as a dictionary. JSON is YAML, so it is written as JSON."""

import os
from typing import Any

from support.arvados import ANONYMOUS_TOKEN, CLUSTER, MANAGEMENT_TOKEN, SYSTEM_ROOT_TOKEN


def relay_config(port: int, database: str, database_port: int, *, source: str, slot: str, user: str = "postgres",
                 tls: tuple[str, str] | None = None) -> dict[str, Any]:
    """Arvados' own keys for cluster zzzzz and the section Walcast; tests change what they are about."""
    scheme = "https" if tls else "http"
    cluster: dict[str, Any] = {
        "SystemRootToken": SYSTEM_ROOT_TOKEN,
        "ManagementToken": MANAGEMENT_TOKEN,
        "Users": {"AnonymousUserToken": ANONYMOUS_TOKEN},
        "API": {"SendTimeout": "60s", "WebsocketClientEventQueue": 64},
        "SystemLogs": {"LogLevel": "debug", "Format": "json"},
        "PostgreSQL": {
            "Connection": {"host": "127.0.0.1", "port": str(database_port), "dbname": database, "user": user,
                           "sslmode": "disable"},
            "ConnectionPool": 12,
        },
        "Services": {"Websocket": {
            "ExternalURL": f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/websocket",
            "InternalURLs": {f"{scheme}://127.0.0.1:{port}/": {}},
        }},
        "Walcast": {"Source": source, "Slot": slot, "DrainTimeout": "5s"},
    }
    if shards := os.environ.get("WALCAST_SHARDS"):
        cluster["Walcast"]["Shards"] = int(shards)
    if tls:
        cluster["TLS"] = {"Certificate": f"file://{tls[0]}", "Key": f"file://{tls[1]}"}
    return {"Clusters": {CLUSTER: cluster}}
