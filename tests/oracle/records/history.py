"""Every state that every record has had, every event, and who might see them, by commit: from a slot of the oracle's own, decoded here."""

import struct
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from oracle.records.pools import TABLES, USERS
from oracle.records.rights import Rights
from oracle.witness import SlotReader
from support.arvados import ArvadosDatabase
from support.records import Record, RecordClass, as_json, classes, column_types

NAME = "oracle_records"
#: Of `logs`.
EVENT_COLUMNS = ("id", "uuid", "event_type", "object_uuid", "object_owner_uuid")
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


@dataclass(frozen=True)
class LoggedEvent:
    """One row of `logs`, and which users might read it at its commit."""

    commit: int
    at: float
    row: Record
    readers: frozenset[str]

    @property
    def decider(self) -> str:
        """The object that decides who may read it."""
        return str(self.row["object_owner_uuid" if self.row["event_type"] == "delete" else "object_uuid"])


T = TypeVar("T", "Entry", "LoggedEvent")


class Sequence(Generic[T]):
    """Entries in the order of their commits. The first ones may have been forgotten: numbers stay."""

    def __init__(self) -> None:
        self.entries: list[T] = []
        self.forgotten = 0

    def __len__(self) -> int:
        return self.forgotten + len(self.entries)

    def __getitem__(self, number: int) -> T:
        assert number >= self.forgotten, "asked for an entry that was forgotten"
        return self.entries[number - self.forgotten]

    def count(self, commit: int) -> int:
        """How many entries are of commits up to this one."""
        return self.forgotten + bisect_right(self.entries, commit, key=lambda entry: entry.commit)

    def forget(self, commit: int) -> None:
        """What was committed before."""
        gone = self.count(commit - 1) - self.forgotten
        self.forgotten += gone
        del self.entries[:gone]


class Story(Sequence[Entry]):
    """What happened to one record."""

    def __init__(self) -> None:
        super().__init__()
        self._before: Record | None = None      # the row before the first entry that is kept

    def row(self, count: int) -> Record | None:
        """The row behind so many entries."""
        return self._before if count <= self.forgotten else self[count - 1].row

    def forget(self, commit: int) -> None:
        self._before = self.row(self.count(commit - 1))
        super().forget(commit)


Row = dict[str, Any]


@dataclass
class _Relation:
    table: str
    of: RecordClass | None      # None: no record of the oracle's
    columns: list[str]
    kinds: dict[str, str]


class History:
    """Knows all published columns of the oracle's tables, `logs` and permissions. Reads when asked, and takes each commit once."""

    def __init__(self, database: ArvadosDatabase, name: str = NAME) -> None:
        self.stories: dict[str, Story] = {}
        self.events: Sequence[LoggedEvent] = Sequence()
        self.rights = Rights()
        self.last = 0                                   # the newest commit
        self._kinds = {table: column_types(database.connection, table) for table in TABLES}
        self._classes = {of.table: of for of in classes().values()}
        self._relations: dict[int, _Relation] = {}
        self._uuids: dict[tuple[str, str], str] = {}    # by table and key
        self._texts: dict[str, dict[str, str | None]] = {}
        self._open: list[tuple[str, _Relation, Row | None, Row | None]] = []
        self._commit, self._at = 0, 0.0
        tables = ", ".join(f"{table} ({', '.join(self._classes[table].published)})" for table in TABLES)
        self._slot = SlotReader(database, name, f"for table {tables}, materialized_permissions, logs ({', '.join(EVENT_COLUMNS)})")

    def story(self, uuid: str) -> Story:
        return self.stories.setdefault(uuid, Story())

    def read(self) -> None:
        for message in self._slot.read():
            self._feed(message)

    def forget(self, commit: int) -> None:
        for story in self.stories.values():
            story.forget(commit)
        self.events.forget(commit)
        self.rights.forget(commit)

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
            self._open.append((kind.decode(), of, *_rows(message, of.columns)))
        elif kind == b"C" and self._commit > self.last:
            self.last = self._commit
            logged: list[Row] = []
            for letter, of, old, new in self._open:
                if of.table == "materialized_permissions":
                    self._take_grant(old, new)
                elif of.of is not None:
                    self._take(letter, of, new or old or {})
                elif letter == "I":
                    logged.append(new or {})
            self.rights.settle(self._commit)
            for row in logged:
                self._take_event({**row, "id": int(row["id"])})

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
        self._relations[relation] = _Relation(table, self._classes[table] if table in TABLES else None, names, self._kinds.get(table, {}))

    def _take_grant(self, old: Row | None, new: Row | None) -> None:
        if old is not None:
            self.rights.revoke(old["user_uuid"], old["target_uuid"])
        if new is not None:
            self.rights.grant(new["user_uuid"], new["target_uuid"], int(new["perm_level"]), new["traverse_owned"] == "t")

    def _take_event(self, row: Row) -> None:
        made = LoggedEvent(self._commit, self._at, row, frozenset())
        readers = frozenset(user for user in USERS if self.rights.may_read(user, made.decider))
        self.events.entries.append(replace(made, readers=readers))

    def _take(self, letter: str, of: _Relation, values: Row) -> None:
        assert of.of is not None
        key = (of.of.table, values[of.of.key])
        if letter == "D":
            uuid = self._uuids.pop(key)
            del self._texts[uuid]
            self.rights.row(uuid, None)
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
        self.rights.row(uuid, row)
        story.entries.append(Entry(self._commit, self._at, "insert" if letter == "I" else "update", row, changed, left_out))


LEFT_OUT = object()


def _rows(message: bytes, names: list[str]) -> tuple[Row | None, Row | None]:
    """The old row (or its key) and the new one, as far as they are there: relation 4, then K or O and a row, then N and a row."""
    at, found = 5, {}
    while at < len(message):
        letter = message[at:at + 1]
        found[letter], at = _row(message, at + 1, names)
    return found.get(b"O", found.get(b"K")), found.get(b"N")


def _row(message: bytes, at: int, names: list[str]) -> tuple[Row, int]:
    """Columns 2; each: n, u, or t and length 4 and text. And where it ends."""
    count, = struct.unpack_from("!H", message, at)
    at += 2
    row: Row = {}
    for name in names[:count]:
        kind = message[at:at + 1]
        at += 1
        value: Any = LEFT_OUT if kind == b"u" else None
        if kind == b"t":
            size, = struct.unpack_from("!I", message, at)
            value = message[at + 4:at + 4 + size].decode()
            at += 4 + size
        row[name] = value
    return row, at
