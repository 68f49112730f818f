"""Clients that come, read a while, and go: politely, or as if their machine had died. All in one event loop, in a thread."""

import asyncio
import json
import random
import threading
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from support.arvados import ANONYMOUS_TOKEN, SYSTEM_ROOT_TOKEN
from support.client import difference
from support.load import Writer


@dataclass
class Visitor:
    """One who comes again and again, with `last_log_id` if he `returns`; the others want what is new."""

    name: str
    returns: bool
    ids: list[int] = field(default_factory=list)  # what came in this visit, or in all if he returns; not yet checked
    last: int | None = None                       # the last id that came


@dataclass
class Counts:
    visits: int = 0
    crashes: int = 0
    resumed: int = 0
    events: int = 0
    dropped: list[str] = field(default_factory=list)


async def leave(connection: ClientConnection) -> None:
    """Says goodbye; the socket is gone afterwards even if the wait for the answer is cancelled."""
    try:
        await connection.close()
    finally:
        connection.transport.abort()


class Visitors(threading.Thread):
    """Runs `count` of them until it is stopped. `wrong` is what did not come once each in commit order.

    Every fourth asks for nothing but is there, every eighth reads slowly; some are nobody whom the relay knows.
    """

    def __init__(self, url: str, count: int, committed: list[int], stay: float) -> None:
        super().__init__(daemon=True, name="visitors")
        self.counts = Counts()
        self.wrong: list[str] = []
        self._url = url
        self._count = count
        self._committed = committed
        self._place: dict[int, int] = {}
        self._stay = stay
        self._random = random.Random(4)
        self._stop_event = threading.Event()

    def run(self) -> None:
        asyncio.run(self._run())

    def stop(self) -> None:
        self._stop_event.set()
        self.join(timeout=30)
        assert not self.is_alive(), "the visitors hang"

    async def _run(self) -> None:
        lives = [asyncio.create_task(self._live(number)) for number in range(self._count)]
        while not self._stop_event.is_set():
            await asyncio.sleep(0.1)
            for life in lives:
                if life.done():
                    life.result()
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)

    async def _live(self, number: int) -> None:
        visitor = Visitor(f"visitor {number}", returns=number % 2 == 0)
        token = ANONYMOUS_TOKEN if number % 16 == 15 else SYSTEM_ROOT_TOKEN
        while True:
            try:
                async with asyncio.timeout(30):
                    connection = await connect(f"{self._url}?api_token={token}", compression=None, ping_interval=None,
                                               open_timeout=20, close_timeout=5, proxy=None, max_queue=4)
            except (OSError, TimeoutError) as error:
                self.counts.dropped.append(f"no connection: {error}")
                continue
            self.counts.visits += 1
            crashes = self._random.random() < 0.4
            try:
                async with asyncio.timeout(self._random.uniform(0, 2 * self._stay)):
                    if number % 4 != 3:
                        await self._visit(visitor, connection, slow=number % 8 == 1)
                    else:
                        await asyncio.sleep(3600)
            except TimeoutError:
                pass
            except ConnectionClosed as error:
                self.counts.dropped.append(str(error))
            finally:
                self._check(visitor)
                if crashes:
                    self.counts.crashes += 1
                    connection.transport.abort()
                else:
                    await leave(connection)

    async def _visit(self, visitor: Visitor, connection: ClientConnection, slow: bool) -> None:
        request: dict[str, Any] = {"method": "subscribe", "filters": Writer.FILTER}
        if visitor.returns and visitor.last is not None:
            request["last_log_id"] = visitor.last
            self.counts.resumed += 1
        else:
            visitor.last = None
        await connection.send(json.dumps(request))
        answer = json.loads(await connection.recv())
        if answer != {"status": 200}:
            self.wrong.append(f"{visitor.name}: the answer to subscribe is {answer}")
        while True:
            event = json.loads(await connection.recv())
            if event:
                visitor.ids.append(event["id"])
                self.counts.events += 1
            if slow:
                await asyncio.sleep(0.02)

    def _check(self, visitor: Visitor) -> None:
        """Once each, in commit order, and from where he was if he returned. The writer notes a commit a moment after it."""
        got, visitor.ids = visitor.ids, []
        if not got:
            return
        for number in range(len(self._place), len(self._committed)):
            self._place[self._committed[number]] = number
        first = self._place.get(got[0]) if visitor.last is None else self._place[visitor.last] + 1
        while got and got[-1] not in self._place:
            got.pop()  # comes again
        if not got or first is None:
            return
        expected = self._committed[first:first + len(got)]
        if got != expected:
            self.wrong.append(f"{visitor.name}: {difference(expected, got)}")
        visitor.last = got[-1]
