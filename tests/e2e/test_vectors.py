"""The 96 recorded conversations with arvados-ws, over a real WebSocket."""

import pytest

from support import vectors
from support.arvados import ArvadosDatabase, insert_log
from support.client import Client
from support.relay import Relay

#: As in the recording: what has not come after this many seconds of silence does not come.
SILENCE = 0.35
#: After everything expected has come: a superfluous frame of the same batch would be right behind.
SETTLE = 0.08

CONVERSATIONS = vectors.load()


def frames(client: Client, wanted: int) -> list[str]:
    """All that comes: at least `wanted` frames if they come, and whatever follows them at once."""
    got: list[str] = []
    while True:
        # Events are given longer than the recording took: the machine may be busy, and they must come.
        text = client.text(5 if len(got) < wanted else SETTLE if wanted else SILENCE)
        if text is None:
            return got
        got.append(text)


class Conversation:
    """One vector on one relay: connections by name, and the ids of the rows written so far."""

    def __init__(self, relay: Relay, query: str | None) -> None:
        self._relay = relay
        self._query = query
        self._values = vectors.Placeholders()
        self._clients: dict[str, Client] = {}

    def client(self, name: str) -> Client:
        if name not in self._clients:
            self._clients[name] = self._relay.client(query=self._query)
        return self._clients[name]

    def play(self, number: int, step: vectors.Step) -> None:
        client = self.client(step.get("on", "a"))
        if "send" in step:
            client.send(self._values.text(step["send"]))
        if "binary" in step:
            client.send(self._values.text(step["binary"]).encode())
        for row in step.get("rows", []):
            self._insert(self._relay.database, row)
        for name, key in (("a", "got"), ("b", "got_b")):
            if name in self._clients:
                self._compare(number, step, name, key)

    def _insert(self, database: ArvadosDatabase, row: dict[str, object]) -> None:
        self._values.ids.append(insert_log(database.connection, bool(row.get("_notify", True)), **self._values.row(row)))

    def _compare(self, number: int, step: vectors.Step, name: str, key: str) -> None:
        wanted = [self._values.text(text) for text in vectors.expected(step, key) or []]
        got = frames(self.client(name), len(wanted))
        if step.get("either"):
            return
        shown = {k: v for k, v in step.items() if k in ("send", "binary", "rows")}
        assert [vectors.parsed(text) for text in got] == [vectors.parsed(text) for text in wanted], (
            f"step {number}, connection {name}: {str(shown)[:600]}\n  expected {str(wanted)[:1500]}\n  got      {str(got)[:1500]}")

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@pytest.mark.parametrize("vector", CONVERSATIONS, ids=[vector["name"] for vector in CONVERSATIONS])
def test_conversation(shared_relay: Relay, vector: vectors.Vector) -> None:
    conversation = Conversation(shared_relay, vector.get("query"))
    # A few conversations of the recording use the same uuids of rows, which are unique.
    uuids = [row["uuid"] for step in vector["steps"] for row in step.get("rows", [])]
    shared_relay.database.connection.execute("delete from logs where uuid = any(%s)", [uuids])
    try:
        for number, step in enumerate(vector["steps"]):
            conversation.play(number, step)
    finally:
        conversation.close()


def test_all_conversations_are_here() -> None:
    assert len(CONVERSATIONS) == 96
