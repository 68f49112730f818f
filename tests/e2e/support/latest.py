"""Requests for the newest state of a record, and those that wait for it."""

import threading
import time
from collections.abc import Callable

from support.arvados import SYSTEM_ROOT_TOKEN
from support.http import Answer
from support.relay import Relay
from support.v1_schema import problem_of
from support.wait import until

PATH = "/arvados/v1/latest/"
BEARER = {"Authorization": f"Bearer {SYSTEM_ROOT_TOKEN}"}


def latest(relay: Relay, uuid: str, query: str = "", method: str = "GET", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return relay.http(f"{PATH}{uuid}" + (f"?{query}" if query else ""), method, {**BEARER, **named})


def problem(answer: Answer) -> tuple[int, str]:
    """Status and code, of an answer that is an error as the schema has it."""
    wrong = problem_of(answer.json())
    assert wrong is None, wrong
    assert answer.json()["errors"] == [answer.json()["message"]]
    return answer.status, answer.json()["code"]


class Poll(threading.Thread):
    """A request that waits, and what came of it."""

    def __init__(self, ask: Callable[[], Answer]) -> None:
        super().__init__()
        self.ask = ask
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        self.seconds = 0.0
        self.start()

    def run(self) -> None:
        begun = time.monotonic()
        try:
            self.answer = self.ask()
        except BaseException as error:
            self.error = error
        self.seconds = time.monotonic() - begun

    def result(self, timeout: float = 20) -> Answer:
        self.join(timeout)
        assert not self.is_alive(), f"no answer within {timeout:g} s"
        assert self.answer is not None, self.error
        return self.answer


def waiting(relay: Relay, count: int = 1) -> None:
    until(f"{count} requests to wait", lambda: relay.metric("walcast_latest_requests") >= count, 30)
    time.sleep(0.1)  # until what they wait for is known
