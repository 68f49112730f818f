"""v0 sessions of all users, each at its own pace: some slow, some that come and go."""

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from urllib.parse import quote

import psycopg

from oracle.grants.judge import Stay
from oracle.loop_thread import LoopThread
from oracle.socket_client import Ended, SocketClient


@dataclass
class Session:
    """One client of one user."""

    name: str
    user_uuid: str                  # empty: SystemRootToken's, who may see everything
    token_uuid: str                 # empty: one of the configuration, which does not die
    token: str
    scopes: list[str]
    pause: float = 0                # seconds after each read, while writers write
    receive_buffer: int | None = None
    leaves: float = 0               # probability to disconnect after a read
    resumes: bool = False           # having left, it comes back with last_log_id (else without, and soon)
    stays: list[Stay] = field(default_factory=lambda: [Stay(ended=True)])
    settled: bool = False           # connected, and the server has answered
    mark: int = 0                   # a log id that it may resume after: it has everything up to there
    problems: list[str] = field(default_factory=list)
    renew: bool = False             # the token was replaced: connects again

    def take(self) -> list[Stay]:
        """What it was sent, to be judged; and begins anew. In the thread of the clients."""
        stays, self.stays = self.stays, [Stay()]
        self.stays[0].ended = not self.settled
        return stays


class Clients(LoopThread):
    """Runs all sessions in an event loop on a thread of its own.

    `busy`: writers write; slow and restless sessions are ordinary ones otherwise. `open`: whether those who lost
    their connection with the relay, or want to resume, may come back.
    """

    def __init__(self, sessions: list[Session], port: int, places: psycopg.Connection, seed: str) -> None:
        super().__init__()
        self.sessions = sessions
        self.busy = False
        self.open = True
        self._port = port
        self._places = places
        self._random = random.Random(seed)
        self._run(self._live(one) for one in sessions)

    def unsettled(self) -> list[Session]:
        self._raise_failures()
        return [one for one in self.sessions if not one.settled or one.renew]

    def take(self) -> dict[str, list[Stay]]:
        """What each session was sent since last time."""
        async def all_of_them() -> dict[str, list[Stay]]:
            return {one.name: one.take() for one in self.sessions}

        taken: dict[str, list[Stay]] = self._call(all_of_them())
        return taken

    def place(self) -> int:
        """No transaction with a greater place has committed yet. One query, in the loop's thread: it must not be late."""
        row = self._places.execute("select last_value from oracle.place").fetchone()
        assert row is not None
        return int(row[0])

    async def _live(self, one: Session) -> None:
        resume = False
        while True:
            one.renew = False
            target = f"/websocket?api_token={quote(one.token, safe='/')}"
            try:
                client = await asyncio.wait_for(SocketClient.connect(self._port, target, one.receive_buffer), 5)
            except (OSError, Ended, TimeoutError):
                await asyncio.sleep(0.03)
                continue
            stay = Stay(ended=True, resumed_after=one.mark if resume else None)
            try:
                resume = await self._follow(one, client, stay)
            except Ended as end:
                if self.open:
                    one.problems.append(f"the relay ended its connection: {end} {end.code or ''}")
                resume = True
            finally:
                one.settled = False
                one.stays[-1].ended = True
                client.abort()
            if one.renew:
                resume = False
            # A replay is decided by what may be read at that time, which is known when nobody writes any more.
            while (resume and self.busy) or not self.open:
                await asyncio.sleep(0.005)

    async def _follow(self, one: Session, client: SocketClient, stay: Stay) -> bool:
        """Returns when the session leaves: whether it will resume; throws Ended."""
        request: dict[str, object] = {"method": "subscribe"}
        if stay.resumed_after is not None:
            request["last_log_id"] = stay.resumed_after
        client.send(request)
        wide = one.receive_buffer is None
        number = -1                     # of the last event on this connection; -1: the answer has not come
        while True:
            try:
                texts = await asyncio.wait_for(client.texts(1 << 16 if wide else one.receive_buffer or 0), 0.05)
            except TimeoutError:
                texts = []
            for text in texts:
                message = json.loads(text)
                if number < 0:
                    if message != {"status": 200}:
                        one.problems.append(f"the answer to subscribe was {text[:200]!r}")
                    stay.due_from, stay.ended = self.place(), False
                    one.stays.append(stay)
                    number, one.settled = 0, True
                elif message:
                    number += 1
                    if message.get("msgID") != number:
                        one.problems.append(f"message {number} of a connection was {text[:200]!r}")
                    one.stays[-1].got.append(message["id"])
                    one.mark = message["id"]
            if one.renew:
                return False
            if not self.busy:
                if not wide:
                    client.widen()
                    wide = True
                continue
            if one.pause:
                await asyncio.sleep(one.pause)
            if number >= 0 and self._random.random() < one.leaves:
                if self._random.random() < 0.5:
                    await client.close()
                return one.resumes


def wait_settled(clients: Clients, timeout: float) -> list[Session]:
    """Until every session is connected and answered; returns those that are not after so many seconds."""
    deadline = time.monotonic() + timeout
    while clients.unsettled() and time.monotonic() < deadline:
        time.sleep(0.003)
    return clients.unsettled()
