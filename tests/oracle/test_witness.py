"""The witness's decoder against bytes written by hand."""

import struct

from oracle.witness import Commit, Decoder


def text(value: str | None) -> bytes:
    return b"n" if value is None else b"t" + struct.pack("!I", len(value.encode())) + value.encode()


BEGIN = b"B" + struct.pack("!QqI", 900, 0, 77)
RELATION = (b"R" + struct.pack("!I", 16384) + b"public\0logs\0d" + struct.pack("!H", 3)
            + b"".join(bytes([key]) + name + b"\0" + struct.pack("!Ii", 20, -1)
                       for key, name in ((1, b"id"), (0, b"event_type"), (0, b"object_uuid"))))


def insert(log_id: int, event_type: str | None, object_uuid: str | None) -> bytes:
    return b"I" + struct.pack("!I", 16384) + b"N" + struct.pack("!H", 3) + text(str(log_id)) + text(event_type) + text(object_uuid)


def commit(end: int) -> bytes:
    return b"C\0" + struct.pack("!QQq", end - 8, end, 1_500_000)


def test_a_transaction_is_told_at_its_commit() -> None:
    decoder = Decoder()
    told = [decoder.feed(message) for message in (
        BEGIN, RELATION, insert(5, "update", "zzzzz-4zz18-a"), insert(3, None, "ä"), commit(1000))]
    assert told[:-1] == [[], [], [], []]
    assert told[-1] == [Commit(5, "update", "zzzzz-4zz18-a", 1000, 946_684_801.5), Commit(3, "", "ä", 1000, 946_684_801.5)]


def test_the_next_transaction_begins_empty_and_knows_the_relation() -> None:
    decoder = Decoder()
    for message in (BEGIN, RELATION, insert(5, "update", "x"), commit(1000), BEGIN):
        decoder.feed(message)
    assert decoder.feed(commit(1100)) == []
    for message in (BEGIN, insert(6, "update", "x")):
        decoder.feed(message)
    assert [row.id for row in decoder.feed(commit(1200))] == [6]
