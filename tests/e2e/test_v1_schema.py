"""schema/v1.schema.json by a validator that knows its draft, and the examples of docs/protocol-v1.md against it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "schema" / "v1.schema.json").read_text())
DEFINITIONS = SCHEMA["$defs"]


def validator(definition: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{definition}", "$defs": DEFINITIONS})


def examples() -> Iterator[dict[str, Any]]:
    """Every message in a block of JSON in the reference."""
    text = (ROOT / "docs" / "protocol-v1.md").read_text()
    decoder = json.JSONDecoder()
    for block in re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        rest = block.strip()
        while rest:
            message, end = decoder.raw_decode(rest)
            yield message
            rest = rest[end:].lstrip()


EXAMPLES = list(examples())


def ops(direction: str) -> set[str]:
    """The names of the definitions for a direction."""
    return {choice["$ref"].removeprefix("#/$defs/") for choice in DEFINITIONS[direction]["oneOf"]}


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: message["op"])
def test_examples_are_valid(message: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(message)
    assert validator("from_client").is_valid(message) != validator("from_server").is_valid(message)


@pytest.mark.parametrize("definition", sorted(ops("from_client") | ops("from_server")))
def test_every_message_has_an_example(definition: str) -> None:
    assert any(validator(definition).is_valid(message) for message in EXAMPLES)


def test_records_of_grants() -> None:
    records = [message["record"] for message in EXAMPLES if message["op"] in ("snapshot", "change") and message["id"] == "c"]
    assert len(records) == 2
    validator("count").validate(records[0])
    validator("permissions").validate(records[1])
    assert not validator("count").is_valid(records[1])
    assert not validator("permissions").is_valid(records[0])


@pytest.mark.parametrize("definition", sorted(ops("from_client") | ops("from_server")))
def test_each_key_is_missed(definition: str) -> None:
    """What a definition requires is what makes a message: without it there is none."""
    message = next(message for message in EXAMPLES if validator(definition).is_valid(message))
    for key in DEFINITIONS[definition]["required"]:
        without = {name: value for name, value in message.items() if name != key}
        assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(without), key
    jsonschema.Draft202012Validator(SCHEMA).validate({**message, "a key of the future": {}})
