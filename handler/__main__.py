"""``python -m handler``: the API on a port, by uvicorn.

Exit codes: 0 stopped by SIGTERM or Ctrl-C, 2 wrong use, no bundle, or no port.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from types import FrameType
from typing import NoReturn

import click
import uvicorn

from handler.parse import parse_songs
from handler.server import Server
from handler.settings import SETTINGS, Settings

_BACKLOG = 2048
"""Connections that may wait to be accepted; uvicorn's own default."""


def _help() -> str:
    lines = [
        f"  {setting.name}  {setting.description}"
        + (f" [{setting.default}]" if setting.default is not None else "")
        for setting in SETTINGS
    ]
    return "\b\nSettings, from the environment (an option wins over its variable):\n" + "\n".join(
        lines
    )


@click.command(epilog=_help())
@click.option("--bundle", metavar="BUNDLE", help="The bundle to serve.  [VIBE_BUNDLE]")
@click.option("--host", help="Address to listen on.  [VIBE_HOST]")
@click.option("--port", metavar="PORT", help="Port to listen on.  [VIBE_PORT]")
def main(bundle: str | None, host: str | None, port: str | None) -> None:
    """Serve the songs of a bundle over HTTP."""
    for name, value in (("VIBE_BUNDLE", bundle), ("VIBE_HOST", host), ("VIBE_PORT", port)):
        if value is not None:
            os.environ[name] = value
    # Only now: importing it reads the settings and opens the bundle.
    from handler import main as wiring  # noqa: PLC0415

    settings = wiring.settings
    listening = _listen(settings)
    config = uvicorn.Config(
        wiring.app,
        lifespan="off",
        ws="none",
        # handler.main has set up the log, uvicorn's too; the line of a request is ours.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.shutdown_s,
    )
    # uvicorn raises the signal again once it has shut down: that is a good end, not a death.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    songs = wiring.service.health()["songs_loaded"]
    first = wiring.service.songs(parse_songs([("limit", "1")]))["songs"][0]
    try:
        Server(config, f"{songs:,} songs", first, settings.drain_s).run([listening])
    finally:
        wiring.listener.close()  # else the end would wait for a clip that is being decoded


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, settings.port)
    try:
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as error:
        # create_server adds the address to strerror; a host that cannot be found has no errno.
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror
        print(f"handler: {settings.host}:{settings.port}: {reason}", file=sys.stderr)
        sys.exit(2)


def _leave(signal_number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    sys.exit(0)


if __name__ == "__main__":
    main()
