"""The routes that names alone answer: /songs, /recommend, and those that watch over us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar
from urllib.parse import parse_qsl

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from embed.catalogue import Song
from handler.answers import expect_json, json_answer
from handler.asgi import read_body
from handler.documentation import M3U8, NOT_FOUND, Route, body, parameters
from handler.lists.files import Files
from handler.lists.formats import playlist_type
from handler.parse import parse_recommend, parse_songs
from handler.schemas import (
    ErrorResponse,
    HealthResponse,
    RecommendRequest,
    RecommendResponse,
    SongsQuery,
    SongsResponse,
    StatusResponse,
)
from handler.service import Answer

NO_SONGS: Final[Answer] = {"matched": None, "recommendations": []}
"""The fields of a recommendation that failed, beside ``error``."""

Query = TypeVar("Query")
Found = TypeVar("Found")


class Api(Protocol):
    """What the routes need of a service; see ``handler.service.Service``."""

    @property
    def is_quick(self) -> bool: ...
    def health(self) -> Answer: ...
    def ready(self) -> None: ...
    def songs(self, query: SongsQuery) -> Answer: ...
    def recommend(self, request: RecommendRequest) -> Answer: ...
    def recommended(self, request: RecommendRequest) -> list[Song]: ...


class Routes:
    """Over ``service``; a POST body may be ``max_body_bytes`` long, ``files`` makes playlists."""

    def __init__(self, service: Api, max_body_bytes: int, files: Files) -> None:
        self._service = service
        self._files = files
        self._max_body_bytes = max_body_bytes

    def routes(self) -> list[Route]:
        """All of them, documented."""
        recommend = {200: RecommendResponse} | dict.fromkeys(
            (400, 404, 413, 415, 422, 500, 503), RecommendResponse
        )
        return [
            Route("GET", "/health", self.health, "What is served", {200: HealthResponse}),
            Route("GET", "/livez", self.livez, "Whether it runs", {200: StatusResponse}),
            Route(
                *("GET", "/readyz", self.readyz, "Whether it can answer"),
                {200: StatusResponse, 503: ErrorResponse},
            ),
            Route(
                *("GET", "/songs", self.songs, "Names of songs, in order, a page at a time"),
                {200: SongsResponse, 422: ErrorResponse, 503: ErrorResponse},
                {"parameters": parameters(SongsQuery)},
                examples={422: {"error": "limit: '0', expected a whole number from 1 to 1,000"}},
                tag="songs",
            ),
            Route(
                *("POST", "/recommend", self.recommend),
                "Songs that sound like one, or several; m3u8 if Accept says so",
                recommend,
                {"requestBody": body(RecommendRequest)},
                asked=RecommendRequest,
                nothing=NO_SONGS,
                examples={404: NO_SONGS | NOT_FOUND},
                contents={200: M3U8},
                tag="songs",
            ),
        ]

    async def health(self, request: Request) -> Response:  # noqa: ARG002 - an endpoint's shape
        """What is being served."""
        return json_answer(self._service.health())

    async def livez(self, request: Request) -> Response:  # noqa: ARG002
        """That the process runs."""
        return json_answer({"status": "alive"})

    async def readyz(self, request: Request) -> Response:  # noqa: ARG002
        """That it can answer: there is no application without an open bundle, but an engine
        elsewhere may be down. Asking is also what finds out that it is back."""
        if self._service.is_quick:
            self._service.ready()
        else:
            await to_thread.run_sync(self._service.ready)
        return json_answer({"status": "ready"})

    async def songs(self, request: Request) -> Response:
        """A page of names."""
        # request.query_params and request.headers take as long as all else that a request needs.
        text = request.scope["query_string"].decode("latin-1")
        query = parse_songs(parse_qsl(text, keep_blank_values=True))
        return json_answer(await self._run(self._service.songs, query))

    async def recommend(self, request: Request) -> Response:
        """Songs that sound like those named."""
        expect_json(request)
        asked = parse_recommend(await read_body(request, self._max_body_bytes))
        if kind := playlist_type(request.scope["headers"]):
            return self._files.answer(await self._run(self._service.recommended, asked), kind)
        return json_answer(await self._run(self._service.recommend, asked))

    async def _run(self, find: Callable[[Query], Found], query: Query) -> Found:
        if self._service.is_quick:
            return find(query)
        return await to_thread.run_sync(find, query)
