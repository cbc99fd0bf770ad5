"""``POST /playlist`` and ``GET /similar-pairs``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import parse_qsl

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from handler.answers import expect_json, json_answer
from handler.asgi import read_body
from handler.documentation import M3U8, NOT_FOUND, Route, body, parameters
from handler.lists.files import Files
from handler.lists.formats import playlist_type
from handler.lists.lists import Lists
from handler.lists.schemas import (
    PairsQuery,
    PairsResponse,
    PlaylistRequest,
    PlaylistResponse,
)
from handler.parse import parse_body, parse_query
from handler.schemas import ErrorResponse
from handler.service import Answer, Service

NO_PLAYLIST: Final[Answer] = {"matched": [], "songs": []}
"""The fields of a playlist that failed, beside ``error``."""

Asked = TypeVar("Asked")
Found = TypeVar("Found")


class ListRoutes:
    """Over ``service``; a POST body may be ``max_body_bytes`` long, ``files`` makes files."""

    def __init__(self, service: Service, files: Files, max_body_bytes: int = 65_536) -> None:
        self._lists = Lists(service)
        self._files = files
        self._max_body_bytes = max_body_bytes

    def routes(self) -> list[Route]:
        """All of them, documented."""
        playlist = {200: PlaylistResponse} | dict.fromkeys(
            (400, 404, 413, 415, 422, 500, 503), PlaylistResponse
        )
        return [
            Route(
                *("POST", "/playlist", self.playlist),
                "Songs from one to another, that go on from some, or these; m3u8 if Accept says so",
                playlist,
                {"requestBody": body(PlaylistRequest)},
                asked=PlaylistRequest,
                nothing=NO_PLAYLIST,
                examples={404: NO_PLAYLIST | NOT_FOUND},
                contents={200: M3U8},
                tag="songs",
            ),
            Route(
                *("GET", "/similar-pairs", self.pairs),
                "Songs that the catalogue may hold twice, a page at a time",
                {200: PairsResponse, 422: ErrorResponse, 503: ErrorResponse},
                {"parameters": parameters(PairsQuery)},
                examples={422: {"error": "limit: '0', expected a whole number from 1 to 200"}},
                tag="songs",
            ),
        ]

    async def playlist(self, request: Request) -> Response:
        """Songs in an order to be heard."""
        expect_json(request)
        asked = parse_body(await read_body(request, self._max_body_bytes), PlaylistRequest)
        kind = playlist_type(request.scope["headers"])
        if kind is None:
            return json_answer(await _run(self._lists.playlist, asked))
        return self._files.answer(await _run(self._lists.playlist_songs, asked), kind)

    async def pairs(self, request: Request) -> Response:
        """A page of near-duplicates."""
        text = request.scope["query_string"].decode("latin-1")
        query = parse_query(parse_qsl(text, keep_blank_values=True), PairsQuery)
        return json_answer(await _run(self._lists.pairs, query))


async def _run(find: Callable[[Asked], Found], asked: Asked) -> Found:
    # In a thread always: of 5,000 songs a playlist takes 20 ms, a page of pairs half a second.
    return await to_thread.run_sync(find, asked)
