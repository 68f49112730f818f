"""A relay of protocol v1 that knows the answers, or plants a wrong one: what the oracle is tested with."""

import asyncio
import json
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from oracle.records.clients import EVENTS
from oracle.records.history import History, LoggedEvent, Sequence, Story
from oracle.records.pools import BEACON
from oracle.records.rights import Sight
from oracle.stand_in import StandInServer
from support.arvados import SYSTEM_USER, ArvadosDatabase
from support.records import Record
from support.resume_token import Point, point_of, sealed

SYSTEM, TIMELINE = 1, 1


@dataclass
class Subscription:
    id: str
    uuid: str
    select: list[str] | None
    hash: int
    user: str                           # empty: an administrator
    sent: int = 0                       # entries of the story, or events
    at: int = 0                         # the commit up to which its rights were looked at
    silent: bool = False
    deaf: bool = False


@dataclass
class Peer:
    socket: ServerConnection
    user: str
    subscriptions: dict[str, Subscription] = field(default_factory=dict)


class StandIn(StandInServer):
    """It reads a slot of its own, and has every record in memory.

    `wrong` names what it does wrong now and then, one of WRONGS, or nothing.
    """

    #: ... and how it is put by the judge, or by the client that notices at once.
    WRONGS = {
        "lose": "MISSING|said to have|is not in changed|row that is", "repeat": "behind Place|REPEATED|row that is",
        "swap": "after Place|MISSING|said to have|is not in changed|row that is", "stale": "STATE|said to have", "ahead": "MISSING|after Place",
        "null": "STATE|is not in changed|said to have", "wrong-old": "said to have",
        "gap": "MISSING|said to have|is not in changed|row that is", "resume-again": "REPEATED|behind Place|after Place|row that is",
        "foreign": "RESUMED|TOKEN|said to have|after Place", "not-found": "NOT FOUND", "deaf": "MISSING", "reset": "RESET",
        "late": "is said to have been at", "mute": "NOT WHOLE", "leak": "LEAK|SILENT", "blind": "SILENT", "hasty": "SILENT",
        "event-lose": "MISSING", "event-repeat": "REPEATED|behind Place", "event-leak": "LEAK", "event-filter": "FILTER"}

    def __init__(self, database: ArvadosDatabase) -> None:
        super().__init__("slot")
        self.users: dict[str, str] = {}     # by token
        self._history = History(database, "stand_in")
        self._chance = random.Random(1)
        self._peers: list[Peer] = []

    # The loop

    async def _serve_until_the_end(self, ready: threading.Event) -> None:
        self._peers = []
        async with serve(self._serve, "127.0.0.1", self.port, compression=None, max_queue=None, write_limit=1 << 30) as server:
            self._history.read()
            ready.set()
            while not self._ending.is_set():
                self._history.read()
                for peer in list(self._peers):
                    with suppress(ConnectionClosed):
                        await self._offer(peer)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), 0.02)
            for peer in list(server.connections):
                peer.transport.abort()

    def _seldom(self, wrong: str, share: float = 0.03) -> bool:
        return self.wrong == wrong and self._chance.random() < share

    def _token(self, of: Subscription, commit: int, index: int) -> str:
        return sealed(Point(1, 1, SYSTEM, TIMELINE, commit, index, of.hash, 0, 0, 0, int(time.time())))

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        token = unquote(parse_qs(urlsplit(socket.request.path).query)["api_token"][0])
        peer = Peer(socket, self.users.get(token, ""))
        with suppress(ConnectionClosed):
            await self._send(peer, op="hello", protocol=1, server="walcast/0", heartbeat_s=30, limits={
                "subscriptions": 0, "frame_bytes": 1 << 20, "sessions_per_user": 0, "sessions_per_address": 0})
            await self._send(peer, op="auth", user=peer.user or SYSTEM_USER, expires_at=None)
            self._peers.append(peer)
            async for text in socket:
                request = json.loads(text)
                if request["op"] == "subscribe" and request["topic"] == EVENTS:
                    await self._subscribe_events(peer, request)
                elif request["op"] == "subscribe":
                    await self._subscribe(peer, request)
                elif peer.subscriptions.pop(request["id"], None):
                    await self._send(peer, op="end", id=request["id"], reason="unsubscribed")
        if peer in self._peers:
            self._peers.remove(peer)

    async def _subscribe(self, peer: Peer, request: dict[str, Any]) -> None:
        uuid = request["topic"].partition("/")[2]
        select = request.get("select")
        one = Subscription(request["id"], uuid, select, hash(f"{uuid} {select}") & 0xFFFFFFFF, peer.user, at=self._history.last)
        story, sight = self._history.story(uuid), self._sight(one)
        if story.row(len(story)) is None or (sight and not sight.at(one.at)) or self._seldom("not-found"):
            await self._send(peer, op="error", id=one.id, code="not_found", message="there is none")
            return
        peer.subscriptions[one.id] = one
        refused = self._refusal(one, request.get("after"))
        if request.get("after") is not None and refused is None:
            point = point_of(request["after"])
            one.sent = self._behind(story, point) - self._seldom("resume-again", 0.3)
            one.sent += uuid != BEACON and self._seldom("gap", 0.3)
            one.sent = min(max(one.sent, 0), len(story))
            await self._tell(peer, one)
        else:
            if refused:
                await self._send(peer, op="reset", id=one.id, reason="auth" if self._seldom("reset", 0.5) else refused)
            one.sent = len(story)
            await self._send(peer, op="snapshot", id=one.id, token=self._token(one, self._history.last, 0xFFFFFFFF),
                             record=self._project(one, story.row(one.sent - self._seldom("stale", 0.1))))
        await self._send(peer, op="live", id=one.id, token=self._token(one, self._history.last + self._seldom("ahead", .3) * 10_000_000,
                                                                       0xFFFFFFFF))

    async def _subscribe_events(self, peer: Peer, request: dict[str, Any]) -> None:
        types = request["filters"][0][2] if request.get("filters") else None
        one = Subscription(request["id"], EVENTS, types, hash(f"events {types}") & 0xFFFFFFFF, peer.user)
        events, refused = self._history.events, self._refusal(one, request.get("after"))
        peer.subscriptions[one.id] = one
        one.sent = len(events)
        if request.get("after") is not None and refused is None:
            one.sent = self._behind(events, point_of(request["after"]))
            await self._tell_events(peer, one)
        elif refused:
            await self._send(peer, op="reset", id=one.id, reason=refused)
        await self._send(peer, op="live", id=one.id, token=self._token(one, self._history.last, 0xFFFFFFFF))

    def _sight(self, one: Subscription) -> Sight | None:
        return self._history.rights.shown[one.user, one.uuid] if one.user else None

    def _refusal(self, one: Subscription, token: str | None) -> str | None:
        if token is None:
            return None
        point = point_of(token)
        if self.wrong == "foreign":
            return None
        if sealed(point) != token or point.subject != 0:
            return "auth"
        if point.system_identifier != SYSTEM:
            return "epoch"
        if point.timeline != TIMELINE:
            return "timeline"
        if point.commit > self._history.last:
            return "ahead"
        return "expired" if self._seldom("reset", 0.3) else "filter" if point.subscription != one.hash else None

    @staticmethod
    def _behind(story: Story | Sequence[LoggedEvent], point: Point) -> int:
        """Entries up to a place: all of its commit, or so many of it."""
        if point.index == 0xFFFFFFFF:
            return story.count(point.commit)
        return min(story.count(point.commit - 1) + point.index + 1, story.count(point.commit))

    async def _offer(self, peer: Peer) -> None:
        if self._seldom("mute", 0.01):
            peer.subscriptions.clear()
        # Who has been told the beacon has been told everything before it.
        for one in sorted(peer.subscriptions.values(), key=lambda one: one.uuid == BEACON):
            one.deaf = one.deaf or self._seldom("deaf", 0.001)
            if one.uuid == EVENTS:
                await self._tell_events(peer, one)
            elif not one.deaf or one.uuid == BEACON:
                for commit, sees in [step for step in (self._sight(one) or Sight()).steps if step[0] > one.at]:
                    await self._tell(peer, one, commit - 1)
                    await self._turn(peer, one, commit, sees)
                await self._tell(peer, one)
                one.at = self._history.last

    async def _turn(self, peer: Peer, one: Subscription, commit: int, sees: bool) -> None:
        """From this commit on its user may read the record, or not."""
        one.at = commit
        if sees is not one.silent or (self.wrong == "leak" and not sees) or (self.wrong == "blind" and sees):
            return
        one.silent = not sees
        if not sees:
            return await self._send(peer, op="silenced", id=one.id, reason="permission")
        one.sent = self._history.story(one.uuid).count(commit)
        await self._send(peer, op="restored", id=one.id)
        token = self._token(one, commit, 0xFFFFFFFF)
        record = self._project(one, self._history.story(one.uuid).row(one.sent))
        await self._send(peer, op="snapshot", id=one.id, token=token, record=record)
        await self._send(peer, op="live", id=one.id, token=token)
        if self._seldom("hasty", 0.5):
            await self._send(peer, op="silenced", id=one.id, reason="permission")
            one.silent = True

    async def _tell_events(self, peer: Peer, one: Subscription) -> None:
        events = self._history.events
        while one.sent < len(events):
            number, event = one.sent, events[one.sent]
            one.sent += 1
            readable = not one.user or one.user in event.readers
            if one.select and event.row["event_type"] not in one.select and not self._seldom("event-filter") or \
                    not (readable or self._seldom("event-leak", 0.3)) or self._seldom("event-lose"):
                continue
            for _ in range(2 if self._seldom("event-repeat") else 1):
                await self._send(peer, op="change", id=one.id, token=self._token(one, event.commit, number - events.count(event.commit - 1)),
                                 type="insert", record=event.row, at=as_time(event.at))

    async def _tell(self, peer: Peer, one: Subscription, up_to: int = 1 << 62) -> None:
        story = self._history.story(one.uuid)
        while one.sent < story.count(up_to):
            number = one.sent
            one.sent += 1
            if one.silent:
                continue
            if self._seldom("lose") and one.uuid != BEACON:
                continue
            if self._seldom("swap", 0.1) and number + 1 < len(story):
                await self._change(peer, one, story, number + 1)
                await self._change(peer, one, story, number)
                one.sent += 1
                continue
            await self._change(peer, one, story, number)
            if self._seldom("repeat"):
                await self._change(peer, one, story, number)

    async def _change(self, peer: Peer, one: Subscription, story: Story, number: int) -> None:
        entry, before = story[number], story.row(number)
        message: dict[str, Any] = {"type": entry.kind, "record": self._project(one, entry.row)}
        if entry.kind == "update":
            assert entry.row is not None and before is not None
            columns = [name for name in message["record"] if entry.row[name] != before[name]]
            if one.select and not columns:
                return
            message["old"] = {name: "wrong" if self._seldom("wrong-old") else before[name] for name in columns}
            message["changed"] = [name for name in message["record"] if name in entry.fields or name in columns]
            message["old"] = {name: value for name, value in message["old"].items() if name in message["changed"]}
            if entry.left_out & set(message["record"]):
                message["unchanged"] = sorted(entry.left_out & set(message["record"]))
                for name in message["unchanged"]:
                    if self._seldom("null", 0.3):
                        message["record"][name] = None
                    else:
                        del message["record"][name]
                message["unchanged"] = [name for name in message["unchanged"] if name not in message["record"]]
                if not message["unchanged"]:
                    del message["unchanged"]
        at = as_time(entry.at + self._seldom("late"))
        index = number - story.count(entry.commit - 1)
        await self._send(peer, op="change", id=one.id, token=self._token(one, entry.commit, index), **message, at=at)

    @staticmethod
    def _project(one: Subscription, row: Record | None) -> Record | None:
        return row if row is None else dict(row) if one.select is None else {name: row[name] for name in one.select}

    @staticmethod
    async def _send(peer: Peer, **message: object) -> None:
        await peer.socket.send(json.dumps(message))


def as_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + "Z"
