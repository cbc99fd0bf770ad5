"""uvicorn, as this API runs it: it says where it is, and leaves without a request lost."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import time
from types import FrameType

import click
import uvicorn

_CLOSE = (b"connection", b"close")


class Server(uvicorn.Server):
    """Serves until told to stop; on SIGTERM it goes on for ``drain_s`` seconds first.

    Meanwhile every answer asks its client to close the connection. Load balancers hear late
    that a server leaves, and a connection that is kept alive may be used in the very moment it
    is closed: uvicorn alone loses requests to both. Ctrl-C, or a second signal, ends it at once.

    ``what`` is served, ``example`` the name of a song to try.
    """

    def __init__(self, config: uvicorn.Config, what: str, example: str, drain_s: int = 0) -> None:
        super().__init__(config)
        self._what = what
        self._example = shlex.quote(json.dumps({"song": example}, ensure_ascii=False))
        self._drain_s = drain_s
        self._leaves_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, and say so."""
        await super().startup(sockets)
        host, port, *_ = (sockets or [])[0].getsockname()
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        click.echo(f"{self._what} at {url}, documented at {url}/docs. Try:")
        click.echo(f"  curl {url}/recommend -H 'content-type: application/json' -d {self._example}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: drain, or end."""
        begins = self.started and self._leaves_at is None
        if sig == signal.SIGTERM and self._drain_s and begins:
            self._leaves_at = time.monotonic() + self._drain_s
            self.config.encoded_headers.append(_CLOSE)
            self.server_state.default_headers.append(_CLOSE)
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to end."""
        if self._leaves_at is not None and time.monotonic() >= self._leaves_at:
            self._leaves_at = float("inf")
            super().handle_exit(signal.SIGTERM, None)
        return await super().on_tick(counter)
