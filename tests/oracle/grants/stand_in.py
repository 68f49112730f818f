"""A relay that knows the answers, or plants a wrong one: what the oracle is tested with."""

import asyncio
import json
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from oracle.grants.pools import ANONYMOUS_USER
from oracle.grants.scopes import allows
from oracle.stand_in import StandInServer
from support.arvados import ANONYMOUS_TOKEN, SYSTEM_ROOT_TOKEN, ArvadosDatabase

T = TypeVar("T")


@dataclass
class Row:
    """One row of oracle.verdicts."""

    place: int
    id: int
    target: str | None
    sendable: bool
    readers: list[str]
    alive: list[str]


@dataclass
class Peer:
    """One connection that has subscribed."""

    socket: ServerConnection
    user: str                       # empty: SystemRootToken's
    token: str                      # its uuid; empty: one of the configuration
    scopes: list[str]
    number: int = 0
    dead: bool = False
    last: dict[str | None, bool] = field(default_factory=dict)      # by target: the last answer
    held: int | None = None         # an event that comes after the next one


class StandIn(StandInServer):
    """Sends what oracle.verdicts says as it is committed; a replay asks the predicate.

    `wrong` names what it does wrong now and then: leak, lose, repeat, swap, late-revocation, late-grant, undead, or nothing.
    """

    def __init__(self, database: ArvadosDatabase, source: str) -> None:
        super().__init__(source)
        self._database = database
        self._chance = random.Random(1)
        self._peers: list[Peer] = []

    # The loop

    async def _serve_until_the_end(self, ready: threading.Event) -> None:
        self._peers = []
        with self._database.connect() as connection:
            self._connection: psycopg.Connection = connection
            self._place = self._query("select coalesce(max(place), 0) from oracle.verdicts", [], lambda row: int(row[0]))[0]
            server: Server
            async with serve(self._serve, "127.0.0.1", self.port, compression=None, max_queue=None) as server:
                ready.set()
                while not self._ending.is_set():
                    for row in self._rows("place > %s", self._place):
                        self._place = row.place
                        for peer in list(self._peers):
                            self._offer(peer, row)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._ending.wait(), 0.003)
                for peer in list(server.connections):
                    peer.transport.abort()

    def _query(self, sql: str, arguments: list[object], make: Callable[[tuple[object, ...]], T]) -> list[T]:
        return [make(row) for row in self._connection.execute(sql.encode(), arguments).fetchall()]

    def _rows(self, where: str, *arguments: object) -> list[Row]:
        return self._query("select place, log_id, target, sendable, readers, alive from oracle.verdicts where " + where
                           + " order by place, log_id", list(arguments), lambda row: Row(*row))  # type: ignore[arg-type]

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        peer = self._peer(socket, unquote(parse_qs(urlsplit(socket.request.path).query)["api_token"][0]))
        with suppress(ConnectionClosed):
            async for text in socket:
                request = json.loads(text)
                self._write(peer, {"status": 200})
                after = request.get("last_log_id")
                if after is not None:
                    self._replay(peer, after)
                self._peers.append(peer)
        if peer in self._peers:
            self._peers.remove(peer)

    def _peer(self, socket: ServerConnection, token: str) -> Peer:
        if token == SYSTEM_ROOT_TOKEN:
            return Peer(socket, "", "", ["all"])
        if token == ANONYMOUS_TOKEN:
            return Peer(socket, ANONYMOUS_USER, "", ["GET /"])
        uuid = token.split("/")[1]
        found = self._query("select u.uuid, a.scopes from api_client_authorizations as a join users as u on u.id = a.user_id"
                            " where a.uuid = %s", [uuid], lambda row: (str(row[0]), json.loads(str(row[1]))))
        user, scopes = found[0] if found else ("", [])
        return Peer(socket, user, uuid, scopes)

    def _replay(self, peer: Peer, after: int) -> None:
        """By what may be read now; from the place of `after` on, which is the last of its transaction or not."""
        place = self._query("select place from oracle.verdicts where log_id = %s", [after], lambda row: int(str(row[0])))
        now = self._query("select oracle.alive(demo.clock())", [], lambda row: row[0])[0]
        readers: dict[str | None, list[str]] = {}
        for row in self._rows("(place > %s or place = %s and log_id > %s) and place <= %s", place[0], place[0], after, self._place):
            if row.target not in readers:
                readers[row.target] = self._query("select oracle.readers(%s, demo.clock())", [row.target],
                                                  lambda found: list(found[0]))[0]  # type: ignore[call-overload]
            row.readers, row.alive = readers[row.target], now  # type: ignore[assignment]
            if self._answer(peer, row):
                self._send(peer, row.id)

    def _answer(self, peer: Peer, row: Row) -> bool:
        if not row.sendable or not allows(peer.scopes, row.target):
            return False
        if not peer.user:
            return True
        peer.dead = peer.dead or (peer.token != "" and peer.token not in row.alive)
        return peer.user in row.readers and (not peer.dead or self.wrong == "undead")

    def _offer(self, peer: Peer, row: Row) -> None:
        answer = self._answer(peer, row)
        before, peer.last[row.target] = peer.last.get(row.target, answer), answer
        seldom = self._chance.random() < 0.01 and bool(peer.user)
        if self.wrong == "late-revocation" and before and not answer and row.sendable and not peer.dead:
            answer = True
        if self.wrong == "late-grant" and answer and not before:
            answer = False
        if seldom and row.sendable:
            answer = True if self.wrong == "leak" else False if self.wrong == "lose" else answer
        if not answer:
            return
        if seldom and self.wrong == "swap" and peer.held is None:
            peer.held = row.id
            return
        self._send(peer, row.id)
        if seldom and self.wrong == "repeat":
            self._send(peer, row.id)
        if peer.held is not None:
            self._send(peer, peer.held)
            peer.held = None

    def _send(self, peer: Peer, log_id: int) -> None:
        peer.number += 1
        self._write(peer, {"msgID": peer.number, "id": log_id})

    @staticmethod
    def _write(peer: Peer, message: dict[str, object]) -> None:
        """At once, whatever the other side reads: memory is no concern here."""
        payload = json.dumps(message).encode()
        assert len(payload) < 126
        if peer.socket.state is State.OPEN and not peer.socket.transport.is_closing():
            peer.socket.transport.write(bytes([0x81, len(payload)]) + payload)
