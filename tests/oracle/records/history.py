"""Every state that every record has had, and at which commit: from a slot of the oracle's own, decoded here."""

import struct
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from oracle.records.pools import TABLES
from oracle.witness import SlotReader
from support.arvados import ArvadosDatabase
from support.records import Record, RecordClass, as_json, classes, column_types

NAME = "oracle_records"
POSTGRES_EPOCH = 946_684_800


@dataclass(frozen=True)
class Entry:
    """One change of one row: where its commit record begins, when it was committed, and the row behind it."""

    commit: int
    at: float
    kind: str                   # insert, update or delete
    row: Record | None
    fields: frozenset[str]      # names of columns whose text has become another
    left_out: frozenset[str]    # names of columns that were not in the log, as they are as before


class Story:
    """The entries of one record, in order. The first ones may have been forgotten: numbers stay."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.forgotten = 0
        self._before: Record | None = None      # the row before the first entry that is kept

    def __len__(self) -> int:
        return self.forgotten + len(self.entries)

    def __getitem__(self, number: int) -> Entry:
        assert number >= self.forgotten, "asked for an entry that was forgotten"
        return self.entries[number - self.forgotten]

    def row(self, count: int) -> Record | None:
        """The row behind so many entries."""
        return self._before if count <= self.forgotten else self[count - 1].row

    def count(self, commit: int) -> int:
        """How many entries are of commits up to this one."""
        return self.forgotten + bisect_right(self.entries, commit, key=lambda entry: entry.commit)

    def forget(self, commit: int) -> None:
        """What was committed before."""
        gone = self.count(commit - 1) - self.forgotten
        if gone > 0:
            self._before = self.entries[gone - 1].row
            self.forgotten += gone
            del self.entries[:gone]


@dataclass
class _Relation:
    of: RecordClass
    columns: list[str]
    kinds: dict[str, str]


class History:
    """Knows all published columns of the oracle's tables. Reads when asked, and takes each commit once."""

    def __init__(self, database: ArvadosDatabase, name: str = NAME) -> None:
        self.stories: dict[str, Story] = {}
        self.last = 0                                   # the newest commit
        self._kinds = {table: column_types(database.connection, table) for table in TABLES}
        self._classes = {of.table: of for of in classes().values()}
        self._relations: dict[int, _Relation] = {}
        self._uuids: dict[tuple[str, str], str] = {}    # by table and key
        self._texts: dict[str, dict[str, str | None]] = {}
        self._open: list[tuple[str, _Relation, dict[str, Any]]] = []
        self._commit, self._at = 0, 0.0
        tables = ", ".join(f"{table} ({', '.join(self._classes[table].published)})" for table in TABLES)
        self._slot = SlotReader(database, name, f"for table {tables}")

    def story(self, uuid: str) -> Story:
        return self.stories.setdefault(uuid, Story())

    def read(self) -> None:
        for message in self._slot.read():
            self._feed(message)

    def forget(self, commit: int) -> None:
        for story in self.stories.values():
            story.forget(commit)

    def _feed(self, message: bytes) -> None:
        """A transaction is B, any number of R, I, U and D, and C (PostgreSQL's documentation, 55.9)."""
        kind = message[:1]
        if kind == b"B":
            # position of the commit record 8, microseconds since 2000 8
            self._commit, at = struct.unpack_from("!Qq", message, 1)
            self._at, self._open = at / 1e6 + POSTGRES_EPOCH, []
        elif kind == b"R":
            self._relation(message)
        elif kind in (b"I", b"U", b"D"):
            of = self._relations[struct.unpack_from("!I", message, 1)[0]]
            self._open.append((kind.decode(), of, _tuple(message, of.columns)))
        elif kind == b"C" and self._commit > self.last:
            self.last = self._commit
            for letter, of, values in self._open:
                self._take(letter, of, values)

    def _relation(self, message: bytes) -> None:
        """relation 4, schema and name (each to a zero byte), replica identity 1, columns 2; each: flags 1, name, type 4, modifier 4."""
        relation, = struct.unpack_from("!I", message, 1)
        middle = message.index(b"\0", 5)
        end = message.index(b"\0", middle + 1)
        table, at = message[middle + 1:end].decode(), end + 2
        count, = struct.unpack_from("!H", message, at)
        at += 2
        names = []
        for _ in range(count):
            end = message.index(b"\0", at + 1)
            names.append(message[at + 1:end].decode())
            at = end + 9
        self._relations[relation] = _Relation(self._classes[table], names, self._kinds[table])

    def _take(self, letter: str, of: _Relation, values: dict[str, Any]) -> None:
        key = (of.of.table, values[of.of.key])
        if letter == "D":
            uuid = self._uuids.pop(key)
            del self._texts[uuid]
            self.story(uuid).entries.append(Entry(self._commit, self._at, "delete", None, frozenset(), frozenset()))
            return
        uuid = self._uuids[key] = values["uuid"]
        before = self._texts.get(uuid, {}) if letter == "U" else {}
        left_out = frozenset(name for name, text in values.items() if text is LEFT_OUT)
        texts = {name: before[name] if text is LEFT_OUT else text for name, text in values.items()}
        story = self.story(uuid)
        former = story.row(len(story)) if letter == "U" else None
        changed = frozenset(name for name in texts if name not in before or before[name] != texts[name])
        row: Record = {name: as_json(texts[name], of.kinds[name], name in of.of.serialized)
                       if former is None or name in changed else former[name] for name in of.of.published}
        self._texts[uuid] = texts
        story.entries.append(Entry(self._commit, self._at, "insert" if letter == "I" else "update", row, changed, left_out))


LEFT_OUT = object()


def _tuple(message: bytes, names: list[str]) -> dict[str, Any]:
    """The new row, or the key of the old one, behind relation 4: a letter, columns 2; each: n, u, or t and length 4 and text."""
    at = 5
    if message[:1] == b"U" and message[at:at + 1] in (b"K", b"O"):
        raise AssertionError("the oracle changes no key")
    at += 1
    count, = struct.unpack_from("!H", message, at)
    at += 2
    row: dict[str, Any] = {}
    for name in names[:count]:
        kind = message[at:at + 1]
        at += 1
        value: Any = LEFT_OUT if kind == b"u" else None
        if kind == b"t":
            size, = struct.unpack_from("!I", message, at)
            value = message[at + 4:at + 4 + size].decode()
            at += 4 + size
        row[name] = value
    return row
