"""What the schema says about each message of protocol v1."""

import json
from functools import cache
from typing import Any

import jsonschema

from support.paths import ROOT

SCHEMA = ROOT / "schema/v1.schema.json"

#: Whose name in the schema is not that of the op.
NAMES = {"auth": "authenticated"}


@cache
def _server_messages() -> dict[str, jsonschema.Draft202012Validator]:
    """By op, so that a message is held against one description and not against twelve."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    named = [choice["$ref"].rpartition("/")[2] for choice in schema["$defs"]["from_server"]["oneOf"]]
    ops = {schema["$defs"][name]["properties"]["op"]["enum"][0]: name for name in named}
    assert all(NAMES.get(op, op) == name for op, name in ops.items()), ops
    return {op: jsonschema.Draft202012Validator({"$defs": schema["$defs"], "$ref": f"#/$defs/{name}"}) for op, name in ops.items()}


def problem_of(message: Any) -> str | None:
    """What is wrong with a message of the server, None if it is as the schema has it."""
    if not isinstance(message, dict):
        return f"not an object: {str(message)[:200]}"
    validator = _server_messages().get(message.get("op", ""))
    if validator is None:
        return f"an op that the schema does not know: {str(message)[:200]}"
    for error in validator.iter_errors(message):
        return f"{error.message[:300]} at {error.json_path} in {str(message)[:300]}"
    return None
