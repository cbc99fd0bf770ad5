"""The answer to whoever asks by something else than a name: the songs near an embedding."""

from __future__ import annotations

from typing import Protocol

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from embed.catalogue import Song
from embed.index import Vectors
from handler.answers import json_answer
from handler.lists.files import Files
from handler.lists.formats import playlist_type
from handler.schemas import Wanted
from handler.service import Answer


class Near(Protocol):
    """What is needed of a service; see ``handler.service.Service``."""

    @property
    def is_quick(self) -> bool: ...
    def near(self, query: Vectors, wanted: Wanted) -> Answer: ...
    def near_songs(self, query: Vectors, wanted: Wanted) -> list[Song]: ...


async def near_answer(
    service: Near, files: Files, request: Request, query: Vectors, wanted: Wanted
) -> Response:
    """The songs near ``query``, as JSON or, if ``request`` prefers that, as a playlist.

    Raises NoSuchSongError when a name of ``not_like`` means no song.
    """
    if kind := playlist_type(request.scope["headers"]):
        if service.is_quick:
            songs = service.near_songs(query, wanted)
        else:
            songs = await to_thread.run_sync(service.near_songs, query, wanted)
        return files.answer(songs, kind)
    if service.is_quick:
        return json_answer(service.near(query, wanted))
    return json_answer(await to_thread.run_sync(service.near, query, wanted))
