"""The inside of a resume token, which is opaque to clients: for tests that say where one is, and that make and change some."""

import base64
import hashlib
import hmac
import struct
from typing import NamedTuple

from support.arvados import SYSTEM_ROOT_TOKEN

FIELDS = struct.Struct("!BBQIQIQQqII")
MAC_SIZE = 16


class Place(NamedTuple):
    """Where in the stream: the beginning of a commit record, and the change in its transaction."""

    commit: int
    index: int


class Point(NamedTuple):
    """Everything that a token says; the order is that of server/protocol/resume_token.hpp."""

    version: int
    key: int
    system_identifier: int
    timeline: int
    commit: int
    index: int
    subscription: int
    subject: int
    row_id: int
    schema: int
    issued_at_s: int


def decoded(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def encoded(token: bytes) -> str:
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def point_of(token: str) -> Point:
    return Point(*FIELDS.unpack_from(decoded(token)))


def place_of(token: str) -> Place:
    point = point_of(token)
    return Place(point.commit, point.index)


def sealed(point: Point, secret: str = SYSTEM_ROOT_TOKEN) -> str:
    """As a relay with that SystemRootToken makes it: the key is HKDF-SHA256 (RFC 5869) of it, without salt, one block long."""
    extracted = hmac.digest(bytes(32), secret.encode(), "sha256")
    key = hmac.digest(extracted, b"walcast resume tokens\x01", "sha256")
    signed = FIELDS.pack(*point)
    return encoded(signed + hmac.new(key, signed, hashlib.sha256).digest()[:MAC_SIZE])


def changed(token: str, **fields: int) -> str:
    """The same token with other values of some fields, and a signature that is good for them."""
    return sealed(point_of(token)._replace(**fields))


def flipped(token: str, byte: int) -> str:
    """The token with one bit of that byte (-1: the last) changed, and the signature that it had."""
    raw = bytearray(decoded(token))
    raw[byte] ^= 1
    return encoded(bytes(raw))
