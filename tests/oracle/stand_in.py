"""What the relays that know the answers have in common: the oracles are tested with them."""

import asyncio
import threading
from abc import ABC, abstractmethod
from typing import Self

from support.wait import free_port


class StandInServer(ABC):
    """Has the parts of a Relay that rounds need, and runs `_serve_until_the_end` in an event loop on a thread of its own.

    `wrong` names what it does wrong now and then, or nothing.
    """

    def __init__(self, source: str) -> None:
        self.port = free_port()
        self.source = source
        self.wrong = ""
        self.cluster: dict[str, dict[str, object]] = {"Walcast": {}, "API": {}}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self, wait: bool = True) -> Self:
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

    def status(self) -> dict[str, object]:
        return {"wrong": self.wrong}

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

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        await self._serve_until_the_end(ready)

    @abstractmethod
    async def _serve_until_the_end(self, ready: threading.Event) -> None:
        """Says when it is ready; back when `_ending` is set."""
