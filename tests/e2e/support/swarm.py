"""Many v0 clients in one event loop: quick ones that come and go, slow ones that read at their leisure."""

import asyncio
import json
import random
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from support.load import Writer


@dataclass
class Member:
    """One client: what it was sent, and whether the relay ever closed its connection."""

    name: str
    pause: float = 0            # seconds after each message, while the swarm is not in a hurry
    leaves: float = 0           # probability to disconnect after a message
    ids: list[int] = field(default_factory=list)
    connects: int = 0
    dropped: list[str] = field(default_factory=list)


class Swarm:
    """Runs its members until each has the last event that the writer committed. Members that leave come back."""

    def __init__(self, url: str, members: list[Member]) -> None:
        self.members = members
        self._url = url
        self._in_a_hurry = False
        self._all_subscribed = asyncio.Event()
        self._random = random.Random(1)

    async def run(self, writer: Writer, seconds: float, patience: float) -> list[int]:
        """Load for `seconds`, then up to `patience` seconds to catch up; returns the ids in commit order."""
        tasks = [asyncio.create_task(self._live(member)) for member in self.members]
        try:
            await asyncio.wait_for(self._all_subscribed.wait(), 20)
            writer.start()
            await asyncio.sleep(seconds)
            committed = await asyncio.to_thread(writer.stop)
            self._in_a_hurry = True
            # Whoever has not the last event by then lacks something: the caller's comparison tells what.
            deadline = asyncio.get_running_loop().time() + patience
            while asyncio.get_running_loop().time() < deadline:
                for task in tasks:
                    if task.done():
                        task.result()
                if all(committed[-1] in member.ids[-50:] for member in self.members):
                    break
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.3)  # for what should not come
            return committed
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _live(self, member: Member) -> None:
        while True:
            async with connect(self._url, compression=None, ping_interval=None, open_timeout=20, max_queue=4,
                               proxy=None) as connection:
                await self._follow(member, connection)

    async def _follow(self, member: Member, connection: ClientConnection) -> None:
        resume = {"last_log_id": member.ids[-1]} if member.ids else {}
        try:
            await connection.send(json.dumps({"method": "subscribe", "filters": Writer.FILTER, **resume}))
            assert json.loads(await connection.recv()) == {"status": 200}
            member.connects += 1
            if all(one.connects for one in self.members):
                self._all_subscribed.set()
            while True:
                event = json.loads(await connection.recv())
                if event:
                    member.ids.append(event["id"])
                if self._in_a_hurry:
                    continue
                if member.pause:
                    await asyncio.sleep(member.pause)
                if self._random.random() < member.leaves:
                    return
        except ConnectionClosed as error:
            member.dropped.append(str(error))
