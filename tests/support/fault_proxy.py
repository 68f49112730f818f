"""A TCP proxy that does to a connection what networks do: stops, loses, delays, throttles, half-closes, cuts, refuses."""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
CHUNK = 64 * 1024


class Link:
    """One connection through the proxy: `near` is whoever connected, `far` the server behind the proxy."""

    def __init__(self, near: asyncio.StreamWriter) -> None:
        self.near = near
        self.far: asyncio.StreamWriter | None = None
        self.spoilt = False                 # bytes were lost, or one direction is shut: it must not live on
        self.lossy = False                  # bytes were lost: TCP would never deliver what comes behind them
        self.deaf = False                   # half-closed by us: what the server sends goes nowhere
        self.left: int | None = None        # bytes from the server that may still pass, then it is cut

    def cut(self) -> None:
        """Ends both sides at once; the peers see a reset."""
        for writer in (self.near, self.far):
            if writer is None:
                continue
            with suppress(OSError, AttributeError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class FaultProxy:
    """Listens on 127.0.0.1:`port` and passes everything on to 127.0.0.1:`target`, until told otherwise.

    The functions may be called from any thread, and take effect before they return; the traffic runs in an event loop on a
    thread of the proxy's own. Faults of different kinds may overlap. TCP loses no byte of a connection that lives on: when
    a fault that lost some ends, so do the connections that it touched.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.target = target
        self.passed = 0                     # bytes, in both directions
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._stopped = False
        self._swallowing = False
        self._delay = 0.0
        self._rate = 0.0
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name=f"proxy-{port}")
        self._thread.start()
        self._call(self._listen())

    def __enter__(self) -> "FaultProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # Faults

    def stop(self) -> None:
        """Nothing passes, and new connections get no answer; nothing is lost: go() lets it all through."""
        self._set(_stopped=True)

    def go(self) -> None:
        self._set(_stopped=False)

    def swallow(self) -> None:
        """Bytes go in and never come out, as behind a firewall that forgot; spit() ends the connections that lost some."""
        self._set(_swallowing=True)

    def spit(self) -> None:
        self._set(_swallowing=False)
        self._call(self._cut(spoilt_only=True))

    def delay(self, seconds: float) -> None:
        """Each piece waits that long; 0 ends it."""
        self._set(_delay=seconds)

    def throttle(self, bytes_per_second: float) -> None:
        """Of each direction of each connection; 0 ends it."""
        self._set(_rate=bytes_per_second)

    def half_close(self) -> None:
        """Whoever connected reads the end of the stream, and can go on sending; heal() ends these connections."""
        self._call(self._half_close())

    def heal(self) -> None:
        self._call(self._cut(spoilt_only=True))

    def drop_after(self, count: int | None) -> None:
        """Each connection of this moment ends when so many more bytes came from the server: amid a message. None: it lives."""
        self._call(self._drop_after(count))

    def cut(self) -> None:
        """Ends all connections, with a reset."""
        self._call(self._cut(spoilt_only=False))

    def refuse(self) -> None:
        """Nobody listens, until accept(); existing connections live on."""
        self._call(self._close_listener())

    def accept(self) -> None:
        self._call(self._listen())

    def redirect(self, target: int) -> None:
        """New connections go to 127.0.0.1:`target`, as when an address moves to another machine."""
        self._set(target=target)

    # In the loop's thread

    def _call(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)

    def _set(self, **state: object) -> None:
        async def change() -> None:
            for name, value in state.items():
                setattr(self, name, value)
            self._changed.set()
            self._changed = asyncio.Event()

        self._call(change())

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port, backlog=200)

    async def _close_listener(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _end(self) -> None:
        await self._close_listener()
        await self._cut(spoilt_only=False)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _cut(self, spoilt_only: bool) -> None:
        for link in list(self._links):
            if link.spoilt or not spoilt_only:
                link.cut()

    async def _half_close(self) -> None:
        for link in list(self._links):
            link.spoilt = link.deaf = True
            with suppress(OSError, RuntimeError):
                link.near.write_eof()

    async def _drop_after(self, count: int | None) -> None:
        for link in self._links:
            link.left = count

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(writer)
        self._links.add(link)
        try:
            await self._while_stopped()
            far_reader, link.far = await asyncio.open_connection("127.0.0.1", self.target, limit=CHUNK)
            await asyncio.gather(self._pump(link, reader, link.far, from_server=False),
                                 self._pump(link, far_reader, link.near, from_server=True))
        except OSError:
            pass  # one side is gone: so is the other
        finally:
            self._links.discard(link)
            link.cut() if link.far is None else self._close(link)

    @staticmethod
    def _close(link: Link) -> None:
        for writer in (link.near, link.far):
            if writer is not None:
                writer.close()

    async def _while_stopped(self) -> None:
        while self._stopped:
            await self._changed.wait()

    async def _pump(self, link: Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter, from_server: bool) -> None:
        while True:
            await self._while_stopped()
            data = await source.read(max(1, min(CHUNK, int(self._rate / 20))) if self._rate else CHUNK)
            await self._while_stopped()
            if self._delay:
                await asyncio.sleep(self._delay)
            if self._rate:
                await asyncio.sleep(len(data) / self._rate)
            if not data:
                break
            if self._swallowing or link.lossy or (from_server and link.deaf):
                link.spoilt = True
                link.lossy = link.lossy or self._swallowing
                continue
            ends = False
            if from_server and link.left is not None:
                ends = link.left <= len(data)
                data = data[:link.left]
                link.left -= len(data)
            self.passed += len(data)
            sink.write(data)
            await sink.drain()
            if ends:
                await asyncio.sleep(0.01)  # so that these bytes arrive before the reset, which would overtake them
                link.cut()
                return
        if not (from_server and link.deaf):
            sink.write_eof()
