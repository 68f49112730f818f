"""Who knows what was committed, and in which order: a second slot, read over SQL and decoded here, not by the relay."""

import struct
from dataclasses import dataclass

import psycopg

from support.arvados import ArvadosDatabase
from support.wait import until

NAME = "oracle_witness"     # of the slot and of the publication


@dataclass(frozen=True)
class Commit:
    """One row of `logs`, and the transaction that committed it."""

    id: int
    event_type: str
    object_uuid: str
    end: int                # position behind the commit
    at: float               # when, in seconds since 1970


class Decoder:
    """pgoutput, protocol version 1, as far as inserts need it (PostgreSQL's documentation, 55.9).

    A transaction is B, any number of R and I, C; prepared ones come as a whole at COMMIT PREPARED, rolled back parts not at
    all. Numbers are big-endian.
    """

    POSTGRES_EPOCH = 946_684_800

    def __init__(self) -> None:
        self._columns: dict[int, list[str]] = {}
        self._rows: list[dict[str, str]] = []

    def feed(self, message: bytes) -> list[Commit]:
        """The rows of a transaction when `message` is its commit, otherwise none."""
        kind = message[:1]
        if kind == b"B":
            self._rows = []
        elif kind == b"R":
            self._relation(message)
        elif kind == b"I":
            self._insert(message)
        elif kind == b"C":
            # flags 1, position of the commit 8, position behind it 8, microseconds since 2000 8
            _, end, at = struct.unpack_from("!QQq", message, 2)
            return [Commit(int(row["id"]), row["event_type"], row["object_uuid"], end, at / 1e6 + self.POSTGRES_EPOCH)
                    for row in self._rows]
        return []

    def _relation(self, message: bytes) -> None:
        """relation 4, schema and name (each to a zero byte), replica identity 1, columns 2; each: flags 1, name, type 4, modifier 4."""
        relation, = struct.unpack_from("!I", message, 1)
        at = message.index(b"\0", message.index(b"\0", 5) + 1) + 2
        count, = struct.unpack_from("!H", message, at)
        at += 2
        names = []
        for _ in range(count):
            end = message.index(b"\0", at + 1)
            names.append(message[at + 1:end].decode())
            at = end + 9
        self._columns[relation] = names

    def _insert(self, message: bytes) -> None:
        """relation 4, 'N', columns 2; each: 'n', or 't' and length 4 and text."""
        relation, = struct.unpack_from("!I", message, 1)
        at = 8
        row = {}
        for name in self._columns[relation]:
            kind = message[at:at + 1]
            at += 1
            value = ""
            if kind == b"t":
                size, = struct.unpack_from("!I", message, at)
                value = message[at + 4:at + 4 + size].decode()
                at += 4 + size
            row[name] = value
        self._rows.append(row)


class SlotReader:
    """A slot of the oracle's own and its publication: what was written since last time, asked for over SQL.

    After a crash of PostgreSQL a slot may go back, and give again what was read: positions tell.
    """

    def __init__(self, database: ArvadosDatabase, name: str, publication: str) -> None:
        self._database = database
        self._name = name
        connection = database.connection
        connection.execute(f"create publication {name} {publication}".encode())
        connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [name])

    def read(self) -> list[bytes]:
        """Messages of pgoutput, protocol version 1."""
        return until("the witness's slot to be readable", self._read_once, timeout=30)[0]

    def _read_once(self) -> tuple[list[bytes]] | None:
        try:
            with self._database.connect() as connection:
                return ([data for data, in connection.execute(
                    "select data from pg_logical_slot_get_binary_changes(%s, null, null, 'proto_version', '1',"
                    " 'publication_names', %s)", [self._name, self._name], binary=True)],)
        except psycopg.OperationalError:
            return None


class Witness:
    """Reads its slot when asked, and never tells the same commit twice."""

    def __init__(self, database: ArvadosDatabase) -> None:
        self._last = 0
        self._slot = SlotReader(database, NAME, "for table logs (id, event_type, object_uuid) with (publish = 'insert')")

    def read(self) -> list[Commit]:
        """Everything committed since last time, in commit order."""
        decoder = Decoder()
        found: list[Commit] = []
        for message in self._slot.read():
            found += [commit for commit in decoder.feed(message) if commit.end > self._last]
        if found:
            self._last = found[-1].end
        return found
