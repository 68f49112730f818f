"""An event loop on a thread of its own, which runs one task for each of many clients."""

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from typing import Any


class LoopThread:
    """For the classes that run clients."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="clients")
        self._thread.start()
        self._tasks: list[Any] = []

    def _run(self, each: Iterable[Coroutine[Any, Any, None]]) -> None:
        self._tasks = [asyncio.run_coroutine_threadsafe(one, self._loop) for one in each]

    def _call(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)

    def _raise_failures(self) -> None:
        """Of tasks, which should not end."""
        for task in self._tasks:
            if task.done():
                task.result()

    def close(self) -> None:
        async def end() -> None:
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self._call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
