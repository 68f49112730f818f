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

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from oracle.records.history import Entry, History, Story
from oracle.records.pools import BEACON
from support.arvados import SYSTEM_USER, ArvadosDatabase
from support.records import Record
from support.resume_token import Point, point_of, sealed
from support.wait import free_port

SYSTEM, TIMELINE = 1, 1


@dataclass
class Subscription:
    id: str
    uuid: str
    select: list[str] | None
    hash: int
    sent: int = 0                       # entries of the story
    held: Entry | None = None           # one that comes after the next
    deaf: bool = False


@dataclass
class Peer:
    socket: ServerConnection
    subscriptions: dict[str, Subscription] = field(default_factory=dict)


class StandIn:
    """Has the parts of a Relay that rounds need. It reads a slot of its own, and has every record in memory.

    `wrong` names what it does wrong now and then, one of WRONGS, or nothing.
    """

    #: ... and how it is put by the judge, or by the client that notices at once.
    WRONGS = {
        "lose": "MISSING|said to have|is not in changed|row that is", "repeat": "behind Place|REPEATED|row that is",
        "swap": "after Place|MISSING|said to have", "stale": "STATE|said to have", "ahead": "MISSING|after Place",
        "null": "STATE|is not in changed|said to have", "wrong-old": "said to have",
        "gap": "MISSING|said to have|is not in changed|row that is", "resume-again": "REPEATED|behind Place|after Place|row that is",
        "foreign": "RESUMED|TOKEN|said to have|after Place", "not-found": "NOT FOUND", "deaf": "MISSING", "reset": "RESET",
        "late": "is said to have been at", "mute": "NOT WHOLE"}

    def __init__(self, database: ArvadosDatabase) -> None:
        self.port = free_port()
        self.source = "slot"
        self.wrong = ""
        self.cluster: dict[str, dict[str, object]] = {"Walcast": {}}
        self._history = History(database, "stand_in")
        self._chance = random.Random(1)
        self._peers: list[Peer] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # As a Relay

    def start(self, wait: bool = True) -> "StandIn":
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), daemon=True, name="stand-in")
        self._thread.start()
        assert ready.wait(10)
        return self

    def wait_listening(self) -> None:
        """It does when it is started."""

    def wait_live(self) -> None:
        """Likewise."""

    def running(self) -> bool:
        return self._thread is not None

    def log_tail(self) -> str:
        return ""

    def kill(self) -> None:
        assert self._loop is not None and self._thread is not None
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(10)
        self._thread = None

    def stop(self, timeout: float = 10) -> int:
        self.kill()
        return 0

    def close(self) -> None:
        if self._thread is not None:
            self.kill()

    # The loop

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
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
        peer = Peer(socket)
        with suppress(ConnectionClosed):
            await self._send(peer, op="hello", protocol=1, server="walcast/0", heartbeat_s=30, limits={
                "subscriptions": 0, "frame_bytes": 1 << 20, "sessions_per_user": 0, "sessions_per_address": 0})
            await self._send(peer, op="auth", user=SYSTEM_USER, expires_at=None)
            self._peers.append(peer)
            async for text in socket:
                request = json.loads(text)
                if request["op"] == "subscribe":
                    await self._subscribe(peer, request)
                elif peer.subscriptions.pop(request["id"], None):
                    await self._send(peer, op="end", id=request["id"], reason="unsubscribed")
        if peer in self._peers:
            self._peers.remove(peer)

    async def _subscribe(self, peer: Peer, request: dict[str, Any]) -> None:
        uuid = request["topic"].partition("/")[2]
        select = request.get("select")
        one = Subscription(request["id"], uuid, select, hash(f"{uuid} {select}") & 0xFFFFFFFF)
        story = self._history.story(uuid)
        if story.row(len(story)) is None or self._seldom("not-found"):
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

    def _refusal(self, one: Subscription, token: str | None) -> str | None:
        if token is None:
            return None
        point = point_of(token)
        if self.wrong == "foreign":
            return None
        if sealed(point) != token:
            return "auth"
        if point.system_identifier != SYSTEM:
            return "epoch"
        if point.timeline != TIMELINE:
            return "timeline"
        if point.commit > self._history.last:
            return "ahead"
        return "expired" if self._seldom("reset", 0.3) else "filter" if point.subscription != one.hash else None

    @staticmethod
    def _behind(story: Story, point: Point) -> int:
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
            if not one.deaf or one.uuid == BEACON:
                await self._tell(peer, one)

    async def _tell(self, peer: Peer, one: Subscription) -> None:
        story = self._history.story(one.uuid)
        while one.sent < len(story):
            number = one.sent
            one.sent += 1
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
        at = datetime.fromtimestamp(entry.at + self._seldom("late"), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + "Z"
        index = number - story.count(entry.commit - 1)
        await self._send(peer, op="change", id=one.id, token=self._token(one, entry.commit, index), **message, at=at)

    @staticmethod
    def _project(one: Subscription, row: Record | None) -> Record | None:
        return row if row is None else dict(row) if one.select is None else {name: row[name] for name in one.select}

    @staticmethod
    async def _send(peer: Peer, **message: object) -> None:
        await peer.socket.send(json.dumps(message))
