"""v0 clients that follow everything across disconnects with last_log_id, each at its own pace and with its own filter."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from support.arvados import SYSTEM_ROOT_TOKEN
from support.client import Filter
from oracle.loop_thread import LoopThread
from oracle.rows import BEACON, EVENT_TYPES, OBJECTS
from oracle.socket_client import Ended, SocketClient

TARGET = f"/websocket?api_token={SYSTEM_ROOT_TOKEN}"
Wanted = Callable[[str, str], bool]     # of event_type and object_uuid


@dataclass
class Habit:
    """What kind of client one is."""

    name: str
    filters: Filter | None
    wanted: Wanted                  # the same as `filters`, in Python
    through_proxy: bool = False
    pause: float = 0                # seconds after each read, while rounds run
    receive_buffer: int | None = None
    leaves: float = 0               # probability to disconnect after a read


def habits() -> list[Habit]:
    """Every filter names BEACON, the event at which each client must arrive."""
    some, other = EVENT_TYPES[:2], EVENT_TYPES[2]
    return [
        Habit("all", None, lambda kind, of: True),
        Habit("types", [["event_type", "in", [BEACON, *some]]], lambda kind, of: kind in (BEACON, *some)),
        Habit("collections", [["object_uuid", "is_a", "arvados#collection"]], lambda kind, of: of[6:11] == "4zz18"),
        Habit("not", [["event_type", "!=", other]], lambda kind, of: kind != other, through_proxy=True),
        Habit("all, proxied", None, lambda kind, of: True, through_proxy=True),
        Habit("one object", [["object_uuid", "=", OBJECTS[0]]], lambda kind, of: of == OBJECTS[0], through_proxy=True),
        Habit("slow", None, lambda kind, of: True, pause=0.02, receive_buffer=4096),
        Habit("restless", [["event_type", "like", "%-%"]], lambda kind, of: "-" in kind, leaves=0.03),
        Habit("slow, proxied, restless", None, lambda kind, of: True, through_proxy=True, pause=0.01, receive_buffer=8192,
              leaves=0.01),
    ]


@dataclass
class Follower:
    """One client: what it was sent, and how its connections ended."""

    habit: Habit
    ids: list[int] = field(default_factory=list)
    connects: int = 0
    closes: list[tuple[float, str]] = field(default_factory=list)   # when, and how, the other side ended a connection
    faults: list[str] = field(default_factory=list)                 # what no relay should ever send
    beacon: int = 0                                                 # the newest one it was sent
    judged: int = 0                                                 # how many of `ids` were looked at

    def forget(self) -> None:
        """What was judged, apart from the last one. Called by the judge's thread; the client's only appends."""
        if self.judged > 1:
            gone, self.judged = self.judged - 1, 1
            del self.ids[:gone]


class Clients(LoopThread):
    """Runs all followers in an event loop on a thread of its own. `hurry` makes the slow and restless ones ordinary."""

    def __init__(self, direct_port: int, proxy_port: int, seed: str) -> None:
        super().__init__()
        self.followers = [Follower(habit) for habit in habits()]
        self.hurry = False
        self._ports = {False: direct_port, True: proxy_port}
        self._random = random.Random(seed)
        self._run(self._live(one) for one in self.followers)

    def lacking(self, beacon: int) -> list[Follower]:
        """Those that have not been sent this beacon."""
        self._raise_failures()
        return [one for one in self.followers if one.beacon < beacon]

    async def _live(self, one: Follower) -> None:
        while True:
            try:
                client = await asyncio.wait_for(
                    SocketClient.connect(self._ports[one.habit.through_proxy], TARGET, one.habit.receive_buffer), 5)
            except (OSError, Ended, TimeoutError):
                await asyncio.sleep(0.03)  # the relay is away, or the proxy
                continue
            try:
                await self._follow(one, client)
            except Ended as end:
                one.closes.append((time.time(), f"{end} {end.code or ''}".strip()))
            finally:
                client.abort()

    async def _follow(self, one: Follower, client: SocketClient) -> None:
        """Returns when the client has had enough; throws Ended."""
        request: dict[str, object] = {"method": "subscribe"}
        if one.habit.filters is not None:
            request["filters"] = one.habit.filters
        if one.ids:
            request["last_log_id"] = one.ids[-1]
        client.send(request)
        wide = one.habit.receive_buffer is None
        number = -1                     # of the last event on this connection; -1: the answer has not come
        while True:
            for text in await client.texts(1 << 16 if wide else one.habit.receive_buffer):
                message = json.loads(text)
                if number < 0:
                    if message != {"status": 200}:
                        one.faults.append(f"the answer to subscribe was {text[:200]!r}")
                    number, one.connects = 0, one.connects + 1
                elif message:
                    number += 1
                    if message.get("msgID") != number:
                        one.faults.append(f"message {number} of a connection was {text[:200]!r}")
                    one.ids.append(message["id"])
                    if message["event_type"] == BEACON:
                        one.beacon = message["id"]
            if self.hurry:
                if not wide:
                    client.widen()
                    wide = True
                continue
            if one.habit.pause:
                await asyncio.sleep(one.habit.pause)
            if self._random.random() < one.habit.leaves:
                if self._random.random() < 0.5:
                    await client.close()
                return
