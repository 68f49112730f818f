"""The plans of all statements that a cluster carries out, as PostgreSQL's module auto_explain logs them."""

import json
import re
from typing import Any

from support.postgres import Postgres

_ENTRY = re.compile(r"\[\d+\] (?P<application>\S*) LOG:  duration: [\d.]+ ms  plan:\n(?P<plan>(?:\t.*\n)+)")


class Explained:
    """Restarts the cluster with the module; from then on every plan is in its log."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        postgres.set(session_preload_libraries="'auto_explain'", **{
            "auto_explain.log_min_duration": "0", "auto_explain.log_format": "json", "auto_explain.log_nested_statements": "on"})
        postgres.restart()
        self._from = postgres.log.stat().st_size

    def plans(self, application: str) -> list[tuple[str, list[str]]]:
        """Of the programs whose application_name begins so: each statement, and the tables that it scans from end to end."""
        with open(self._postgres.log, encoding="utf-8", errors="replace") as file:
            file.seek(self._from)
            text = file.read()
        found = []
        for entry in _ENTRY.finditer(text):
            if entry["application"].startswith(application):
                plan = json.loads(entry["plan"])
                found.append((plan["Query Text"], list(_scanned(plan["Plan"]))))
        return found


def _scanned(node: dict[str, Any]) -> list[str]:
    tables = [node["Relation Name"]] if node["Node Type"] == "Seq Scan" else []
    for child in node.get("Plans", []):
        tables += _scanned(child)
    return tables
