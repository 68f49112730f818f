"""The recorded v0 conversations (tests/vectors/v0-vectors.json): their placeholders, and how to compare."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from support.paths import VECTORS

Vector = dict[str, Any]
Step = dict[str, Any]


def load() -> list[Vector]:
    vectors: list[Vector] = json.loads(VECTORS.read_text(encoding="utf-8"))
    return vectors


class Placeholders:
    """`{id:K}`, `{now}`, `{now-60}` and `{pad:N}` in texts, `{"now": s}` as the value of a column."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self._now = datetime.now(UTC)

    def text(self, template: str) -> str:
        def value(match: re.Match[str]) -> str:
            name, number = match.group(1), match.group(2)
            if name == "id":
                return str(self.ids[int(number[1:])])
            if name == "pad":
                return "x" * int(number[1:])
            time = self._now + timedelta(seconds=int(number or 0))
            return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

        return re.sub(r"\{(id|pad|now)(:\d+|[+-]\d+)?\}", value, template)

    def column(self, value: Any) -> Any:
        if isinstance(value, dict):
            return (self._now + timedelta(seconds=value["now"])).replace(tzinfo=None)
        return value

    def row(self, columns: dict[str, Any]) -> dict[str, Any]:
        return {name: self.column(value) for name, value in columns.items() if not name.startswith("_")}


def parsed(text: str) -> Any:
    """JSON with every number as a double, so that 1, 1.0 and 1e0 are equal, but not true and 1."""
    def mark(value: Any) -> Any:
        if isinstance(value, bool) or value is None:
            return repr(value)
        if isinstance(value, list):
            return [mark(item) for item in value]
        if isinstance(value, dict):
            return {key: mark(item) for key, item in value.items()}
        return ("text", value) if isinstance(value, str) else value

    return mark(json.loads(text, parse_int=float))


def expected(step: Step, key: str = "got") -> list[str] | None:
    """The frames that a step must bring on a connection (`got`, `got_b`); None if it says nothing."""
    got: list[str] | None = step.get("walcast", {}).get(key, step.get(key))
    return got
