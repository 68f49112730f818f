"""Plain HTTP requests, each on a connection of its own."""

import http.client
import json
import ssl
from dataclasses import dataclass
from email.message import Message
from typing import Any


@dataclass
class Answer:
    status: int
    headers: Message
    body: str

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "")

    def json(self) -> Any:
        return json.loads(self.body)


def request(port: int, path: str, method: str = "GET", headers: dict[str, str] | None = None,
            tls_ca: str | None = None) -> Answer:
    """Headers are sent as given; nothing follows redirects or decodes anything but UTF-8."""
    if tls_ca:
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=10, context=ssl.create_default_context(cafile=tls_ca))
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode())
    finally:
        connection.close()


def texts(value: Any) -> set[str]:
    """Every string value in a JSON document, at any depth; not the keys."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return set().union(*map(texts, value))
    return {value} if isinstance(value, str) else set()
