"""Uploads by hand: piece by piece, broken off, or slow; and an ear that only reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.types import ASGIApp, Message

from handler.app import create_app
from handler.asgi import App
from handler.schemas import Wanted
from handler.service import Answer
from handler.sound.routes import Sound
from tests.services import Silent

QUERY = np.eye(1, 512, dtype=np.float32)[0]


@dataclass
class Reader:
    """An ear that answers ``QUERY`` to everything, and remembers what it was given."""

    error: Exception | None = None
    heard: list[bytes] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)

    def expect_model(self) -> None:
        pass

    async def embedding(self, clip: Path) -> NDArray[np.float32]:
        self.heard.append(clip.read_bytes())
        self.paths.append(clip)
        if self.error is not None:
            raise self.error
        return QUERY


class Holding(Reader):
    """One that answers when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def embedding(self, clip: Path) -> NDArray[np.float32]:
        found = await super().embedding(clip)
        await self.go.wait()
        return found


class Near(Silent):
    """A service that remembers what it was asked for; see ``Silent``."""

    def near(self, query: NDArray[np.float32], wanted: Wanted) -> Answer:
        assert query is QUERY
        self.asked.append(wanted)
        return {"matched": None, "recommendations": [], "error": None}


def app_with(ear: Any, queue: int = 2, service: Any = None, upload_s: float = 60) -> App:
    """Clips of up to 1,000 bytes."""
    service = service or Near()
    return create_app(service, features=[Sound(service, ear, 1_000, queue, upload_s)])


@dataclass(frozen=True)
class Replied:
    """What came back; ``taken`` messages of the body were asked for. ``status`` 0: nothing."""

    status: int
    headers: dict[str, str]
    json: Any
    taken: int


async def upload(
    app: ASGIApp,
    pieces: Iterable[bytes],
    query: str = "",
    breaks_off: bool = False,
    stalls: bool = False,
    **headers: str,
) -> Replied:
    """POST ``pieces``, each in a message of its own; then the client may break off, or stall."""
    left, sent, taken = list(pieces), list[Message](), 0
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/recommend/audio",
        "query_string": query.encode(),
        "headers": [(key.encode(), value.encode()) for key, value in named.items()],
        "server": ("127.0.0.1", 80),
    }

    async def receive() -> Message:
        nonlocal taken
        if not left and stalls:
            await asyncio.Event().wait()
        if not left and breaks_off:
            return {"type": "http.disconnect"}
        taken += 1
        body = left.pop(0) if left else b""
        return {
            "type": "http.request",
            "body": body,
            "more_body": bool(left) or breaks_off or stalls,
        }

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return Replied(0, {}, None, taken)
    found = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Replied(sent[0]["status"], found, json.loads(body), taken)
