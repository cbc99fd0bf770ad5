"""What stands between a client and a server: passes bytes on, refuses, or keeps them.

``python -m tests.relay PATH PORT`` leads from a Unix socket to a port of its own network.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

Upstream = Path | int
"""A Unix socket, or a port on loopback."""


async def _connect(to: Upstream) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(to, Path):
        return await asyncio.open_unix_connection(to)
    return await asyncio.open_connection("127.0.0.1", to)


class Relay:
    """Listens on a free port of loopback, and leads to ``upstream``; in a thread of its own."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.port = 0
        self.connections = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._flowing = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self.resume()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def refuse(self) -> None:
        """Nobody listens any more, and who was connected is not."""
        self._run(self._refuse())

    def hold(self) -> None:
        """Connections stay, and are taken, but nothing passes."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def resume(self) -> None:
        """On the same port again, if there was one."""
        self._run(self._resume())

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    async def _resume(self) -> None:
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            # First nobody new: what is being accepted while it closes Python 3.11 leaves open.
            for listening in server.sockets:
                self._loop.remove_reader(listening.fileno())
        self._flowing.set()
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.wait(tasks, timeout=0.05)
        if server is not None:
            server.close()
        await asyncio.sleep(0)  # what was aborted is closed in the loop's next round

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            there, back = await _connect(self.upstream)
        except OSError:
            writer.transport.abort()
        else:
            self._writers.add(back)
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
            self._writers.discard(back)
        self._writers.discard(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


async def _lead(path: str, port: int) -> None:
    relay = Relay(port)
    relay._flowing.set()
    server = await asyncio.start_unix_server(relay._serve, path)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_lead(sys.argv[1], int(sys.argv[2])))
