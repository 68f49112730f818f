"""Clients of protocol v1 that subscribe to records and events, go on from tokens, leave and come back, each at its own pace."""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from oracle.loop_thread import LoopThread
from oracle.records.judge import Course
from oracle.records.judge_events import EventCourse
from oracle.records.pools import BEACON, COLUMNS, EVENT_TYPES, FILLER_UUIDS, HOT_UUIDS
from oracle.records.rights import Rights
from oracle.records.tape import Fact
from oracle.socket_client import Ended, SocketClient
from support.arvados import SYSTEM_ROOT_TOKEN
from support.records import classes
from support.resume_token import changed, flipped, place_of
from support.v1 import PATH
from support.v1_schema import problem_of
from support.v1_state import Message, State
from support.v1_state import Wrong as WrongMessage

EVENTS = "events"
KEPT = 6            # tokens that a subscription keeps, of any age up to KEPT_ROUNDS
KEPT_ROUNDS = 12


@dataclass
class Habit:
    """What kind of client one is."""

    name: str
    subscriptions: int
    user: str | None = None         # None: SystemRootToken's
    through_proxy: bool = False
    pause: float = 0                # seconds after each read, while rounds run
    receive_buffer: int | None = None
    leaves: float = 0               # probability to disconnect after a read
    changes: float = 0              # ... to end one subscription and begin another
    forgets: float = 0.1            # ... to come back without a token


def habits(users: Sequence[str]) -> list[Habit]:
    plain = [Habit(f"plain {n}", 9, changes=0.02) for n in range(6)]
    restless = [Habit(f"restless {n}", 7, leaves=0.04, changes=0.04) for n in range(6)]
    slow = [Habit(f"slow {n}", 6, pause=0.02, receive_buffer=4096, changes=0.01) for n in range(3)]
    proxied = [Habit(f"proxied {n}", 7, through_proxy=True, changes=0.02) for n in range(4)]
    tired = [Habit(f"slow, proxied, restless {n}", 5, through_proxy=True, pause=0.01, receive_buffer=8192, leaves=0.02)
             for n in range(2)]
    ordinary = [Habit(f"user {n}", 10, user, changes=0.03) for n, user in enumerate(users)]
    roaming = [Habit(f"restless user {n}", 9, user, leaves=0.03, changes=0.03) for n, user in enumerate(users)]
    lazy = [Habit(f"slow user {n}", 7, user, through_proxy=n % 2 == 0, pause=0.01, receive_buffer=4096, leaves=0.01, changes=0.02)
            for n, user in enumerate(users)]
    return [*plain, *restless, *slow, *proxied, *tired, *ordinary, *roaming, *lazy]


@dataclass
class Held:
    """One subscription that a client keeps up across connections: its state, what it was told, and tokens to go on from."""

    about: str                      # a uuid, or EVENTS
    select: tuple[str, ...] | None  # columns; of events the types
    latest: bool
    course: Course | EventCourse
    state: State
    id: str = ""
    tape: list[Fact] = field(default_factory=list)
    kept: deque[Fact] = field(default_factory=lambda: deque(maxlen=KEPT))
    last: Fact | None = None        # the newest with a token
    token: str = ""                 # what was asked with: none, good, or what was wrong with it on purpose
    answered: bool = False          # the request with this id
    gone: bool = False              # there is none: replaced by another as soon as may be
    retry_at: float = 0

    @property
    def title(self) -> str:
        return self.about + (f" of {','.join(self.select)}" if self.select else "")

    @property
    def live(self) -> bool:
        return self.state.stage == "live"


@dataclass
class Client:
    """What has become of one client."""

    habit: Habit
    held: list[Held] = field(default_factory=list)
    connected: bool = False
    connects: int = 0
    count: int = 0                  # of ids that were used
    leaving: bool = False           # at once
    problems: list[str] = field(default_factory=list)   # what no relay should ever send
    dead: list[Held] = field(default_factory=list)      # ended, not judged yet


class Clients(LoopThread):
    """Runs all clients in an event loop on a thread of its own. `hurry` makes them all ordinary, and has them stay as they are.

    `tokens` are those of the users.
    """

    def __init__(self, direct_port: int, proxy_port: int, seed: str, tokens: dict[str, str], rights: Rights) -> None:
        super().__init__()
        self.clients = [Client(habit) for habit in habits(list(tokens))]
        self._tokens = tokens
        self._rights = rights
        self.hurry = True
        self.round = 0
        self._ports = {False: direct_port, True: proxy_port}
        self._random = random.Random(f"clients/{seed}")
        for client in self.clients:
            user = client.habit.user
            client.held = [self._held(user, BEACON), *(self._drawn(user) for _ in range(client.habit.subscriptions))]
        self._run(self._live(one) for one in self.clients)

    # For the judge's thread

    def take(self) -> list[tuple[Client, Held, list[Fact], bool]]:
        """What each subscription was told since last time, and whether it is one that goes on."""
        async def swap() -> list[tuple[Client, Held, list[Fact], bool]]:
            found = []
            for client in self.clients:
                for going, some in ((False, client.dead), (True, client.held)):
                    for held in some:
                        found.append((client, held, held.tape, going))
                        held.tape = []
                client.dead = []
            return found

        return list(self._call(swap()))

    def restart(self) -> None:
        """Everybody leaves what there is, and begins anew without a token."""
        async def end() -> None:
            for client in self.clients:
                client.held = [self._held(client.habit.user, held.about, held.select, held.latest) for held in client.held]
                client.dead, client.problems, client.leaving = [], [], True

        self._call(end())

    def unsettled(self, beacon: str) -> list[str]:
        """Who has not got everything yet: what was committed before the beacon was written."""
        self._raise_failures()
        found = []
        for client in self.clients:
            waiting = [f"{one.about} is {one.state.stage}" for one in client.held if not settled(one, beacon)]
            if not client.connected or waiting:
                what = "not connected" if not client.connected else ", ".join(waiting)[:300]
                found.append(f"{client.habit.name}: {what}")
        return found

    def wrong(self) -> list[str]:
        """Messages that no relay should send, whatever was committed."""
        return [f"client {client.habit.name}: {problem}" for client in self.clients for problem in client.problems]

    # In the loop

    def _held(self, user: str | None, about: str, select: tuple[str, ...] | None = None, latest: bool = False) -> Held:
        if about == EVENTS:
            return Held(about, select, False, EventCourse(select, user), State(has_snapshot=False, is_record=False))
        sight = self._rights.shown[user, about] if user is not None else None
        return Held(about, select, latest, Course(about, select, latest, sight), State(latest=latest))

    def _drawn(self, user: str | None) -> Held:
        if self._random.random() < 0.08:
            types = tuple(sorted(self._random.sample(EVENT_TYPES, 2))) if self._random.random() < 0.5 else None
            return self._held(user, EVENTS, types)
        uuid = self._random.choice(HOT_UUIDS if user is not None or self._random.random() < 0.9 else FILLER_UUIDS)
        select = None
        if self._random.random() < 0.3:
            ordinary = sorted(COLUMNS[uuid[6:11]][0])
            select = tuple(sorted({"uuid", *self._random.sample(ordinary, min(2, len(ordinary)))}))
            assert set(select) <= set(classes()[uuid[6:11]].published)
        return self._held(user, uuid, select, self._random.random() < 0.15)

    async def _live(self, one: Client) -> None:
        while True:
            try:
                token = SYSTEM_ROOT_TOKEN if one.habit.user is None else self._tokens[one.habit.user]
                connection = await asyncio.wait_for(SocketClient.connect(
                    self._ports[one.habit.through_proxy], f"{PATH}?api_token={quote(token, safe='/')}", one.habit.receive_buffer), 5)
            except (OSError, Ended, TimeoutError):
                await asyncio.sleep(0.03)  # the relay is away, or the proxy
                continue
            try:
                await self._follow(one, connection)
            except Ended:
                pass
            finally:
                one.connected = False
                connection.abort()

    async def _follow(self, one: Client, connection: SocketClient) -> None:
        """Returns when the client has had enough; throws Ended."""
        wide = one.habit.receive_buffer is None
        while True:
            try:
                texts = await asyncio.wait_for(connection.texts(1 << 16 if wide else one.habit.receive_buffer or 0), 0.05)
            except TimeoutError:
                texts = []
            for text in texts:
                self._take(one, connection, json.loads(text))
            if one.leaving:
                one.leaving = False
                return
            if one.connected:
                self._renew(one, connection)
            if self.hurry:
                if not wide:
                    connection.widen()
                    wide = True
                continue
            if one.habit.pause:
                await asyncio.sleep(one.habit.pause)
            if one.connected and self._random.random() < one.habit.changes:
                self._exchange(one, connection)
            if self._random.random() < one.habit.leaves:
                if self._random.random() < 0.5:
                    await connection.close()
                return

    def _take(self, one: Client, connection: SocketClient, message: Message) -> None:
        problem = problem_of(message)
        if problem is not None:
            one.problems.append(problem)
            return
        op = message["op"]
        if op == "auth":
            one.connected, one.connects = True, one.connects + 1
            for held in one.held:
                self._ask(one, held, connection)
        elif op == "ping":
            if "token" in message:
                for held in one.held:
                    self._told(one, held, message)
        elif "id" in message:
            held = next((held for held in one.held if held.id == message["id"]), None)
            if held is not None:            # what comes for one that was ended is no matter
                self._told(one, held, message)
        elif op == "error":
            one.problems.append(f"an error about nothing: {message}")

    def _told(self, one: Client, held: Held, message: Message) -> None:
        op, state = message["op"], held.state
        try:
            if op == "ping":
                if not held.answered or state.stage == "over":
                    return      # it was on its way when this one was asked for, or there is none
                if not held.live:
                    raise WrongMessage(f"ping with a token, and {held.about} is {state.stage}")
                state.ping(message["token"])
            else:
                held.answered = True
                state.take(message)
        except WrongMessage as wrong:
            one.problems.append(f"{held.about}, {held.id}, token: {held.token}; {wrong}")
            state.stage = "over"
        token = message.get("token")
        fact = Fact(op, place_of(token) if token else None, token, round=self.round,
                    kind=message.get("type") or message.get("code") or message.get("reason") or "")
        if op == "change" and held.about == EVENTS:
            fact.record, fact.at = message["record"], message["at"]
        elif op in ("snapshot", "change"):
            fact.record, fact.known, fact.at = state.record, state.known, message.get("at", "")
            fact.changed = frozenset(message["changed"]) if "changed" in message else None
        elif token:
            fact.record, fact.known = state.record, state.known
        held.tape.append(fact)
        if token:
            held.last = fact
            if self._random.random() < 0.2:
                held.kept.append(fact)
        if op == "error":
            held.gone, held.retry_at = fact.kind == "not_found", time.monotonic() + 0.1

    def _renew(self, one: Client, connection: SocketClient) -> None:
        """Those that there are not make room for others; what was not to be had is asked for again."""
        for number, held in enumerate(one.held):
            if held.state.stage != "over" or time.monotonic() < held.retry_at:
                continue
            if held.gone and held.about != BEACON:
                one.dead.append(held)
                one.held[number] = held = self._drawn(one.habit.user)
            self._ask(one, held, connection)

    def _exchange(self, one: Client, connection: SocketClient) -> None:
        number = self._random.randrange(1, len(one.held))
        held = one.held[number]
        if held.state.stage != "over":
            connection.send({"op": "unsubscribe", "id": held.id})
        one.dead.append(held)
        one.held[number] = self._drawn(one.habit.user)
        self._ask(one, one.held[number], connection)

    def _ask(self, one: Client, held: Held, connection: SocketClient) -> None:
        one.count += 1
        held.id, held.gone, held.answered = f"{one.habit.name}/{one.count}", False, False
        after, token, foreign = self._token(one, held)
        topic = held.about if held.about == EVENTS else f"record/{held.about}"
        request: dict[str, Any] = {"op": "subscribe", "id": held.id, "topic": topic, "after": token}
        if held.select and held.about == EVENTS:
            request["filters"] = [["event_type", "in", list(held.select)]]
        elif held.select:
            request["select"] = list(held.select)
        if held.latest:
            request["latest"] = True
        held.state.ask(token)
        if after is not None and held.about != EVENTS:
            held.state.record, held.state.known = after.record, after.known
        if after is not None:
            held.state.at = after.place
        held.token = foreign or ("good" if after else "none")
        held.tape.append(Fact("subscribe", after=after, foreign=foreign, round=self.round))
        connection.send(request)

    def _token(self, one: Client, held: Held) -> tuple[Fact | None, str | None, str]:
        """Where to go on from: mostly where one was, seldom far behind, or with a token that must be refused."""
        while held.kept and held.kept[0].round < self.round - KEPT_ROUNDS:
            held.kept.popleft()
        after = held.last if held.last is not None and held.last.round >= self.round - KEPT_ROUNDS else None
        if after is None or self._random.random() < one.habit.forgets:
            return None, None, ""
        if held.kept and self._random.random() < 0.2:
            after = self._random.choice(held.kept)
        assert after.token is not None
        if self._random.random() < 0.96:
            return after, after.token, ""
        kind = self._random.choice(list(FOREIGN))
        if kind == "broken":
            return after, flipped(after.token, self._random.randrange(2, 74)), "auth"
        reason, fields = FOREIGN[kind]
        return after, changed(after.token, **fields), reason


#: Tokens that must be refused: the reason, and what is another in them.
FOREIGN: dict[str, tuple[str, dict[str, int]]] = {
    "broken": ("auth", {}), "of another user": ("auth", {"subject": 4711}), "of another cluster": ("epoch", {"system_identifier": 4711}),
    "of another history": ("timeline", {"timeline": 99}), "from the future": ("ahead", {"commit": 1 << 60}),
    "of another topic": ("filter", {"subscription": 4711})}


def settled(one: Held, beacon: str) -> bool:
    """Who was told the beacon has been told before what became of its rights."""
    if one.about == BEACON:
        return one.live and (one.state.record or {}).get("name") == beacon
    return one.live or one.state.stage == "silenced"
