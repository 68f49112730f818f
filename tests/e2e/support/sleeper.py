"""A client of protocol v1 that reads nothing until it is told to."""

from support.arvados import SYSTEM_ROOT_TOKEN
from support.client import parse
from support.raw_websocket import TEXT, RawWebSocket
from support.relay import Relay
from support.v1 import PATH
from support.v1_schema import problem_of
from support.v1_state import State


class Sleeper:
    """A client that reads a frame only when it is told to, one after the other."""

    def __init__(self, relay: Relay) -> None:
        self.raw = RawWebSocket(relay.port, f"{PATH}?api_token={SYSTEM_ROOT_TOKEN}")
        self.states: dict[str, State] = {}
        self.next("hello")
        self.next("auth")

    def __enter__(self) -> "Sleeper":
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.socket.close()

    def next(self, *ops: str) -> dict[str, object]:
        frame = self.raw.read()
        assert frame is not None and frame[0] == TEXT, frame
        message = parse(frame[1].decode())
        problem = problem_of(message)
        assert problem is None, problem
        assert not ops or message["op"] in ops, str(message)[:300]
        if message.get("id") in self.states:
            self.states[message["id"]].take(message)
        return dict(message)

    def follow(self, uuid: str, more: str = "") -> State:
        return self.subscribe(f"record/{uuid}", more)

    def subscribe(self, topic: str, more: str = "") -> State:
        name = f"s{len(self.states)}"
        state = self.states[name] = State(latest="latest" in more, is_record=topic.startswith("record/"))
        self.raw.frame(TEXT, f'{{"op":"subscribe","id":"{name}","topic":"{topic}"{more}}}'.encode())
        self.next("snapshot")
        self.next("live")
        return state
