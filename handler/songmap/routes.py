"""``/map``: all points at once, names page by page, likeness to a seed.

At 50,000 songs ``/map`` is 0.5 MB of JSON, a page of names 0.35 MB: see docs/map.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import orjson
from anyio import to_thread
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from handler.caching import IMMUTABLE, REVALIDATE, Content
from handler.documentation import NOT_FOUND, NOT_MODIFIED, Route, parameters
from handler.parse import parse_query
from handler.schemas import ErrorResponse
from handler.service import Answer
from handler.songmap.atlas import Atlas
from handler.songmap.schemas import (
    MapResponse,
    NamesQuery,
    NamesResponse,
    SimilaritiesQuery,
    SimilaritiesResponse,
)

_NOTHING: Final[Answer] = {"matched": None, "similarities": None}

_KEPT: Final = 16
"""Pages of names that are kept, compressed: about 5 MB."""

Query = TypeVar("Query", bound=BaseModel)


class SongMap:
    """The routes over ``atlas``; what they answer is made when first asked for."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._overview: Content | None = None
        self._pages: dict[int, Content] = {}

    def routes(self) -> list[Route]:
        """All of them, documented."""
        similar = dict.fromkeys((200, 404, 422, 500, 503), SimilaritiesResponse)
        return [
            Route(
                *("GET", "/map", self.overview, "Where songs lie"),
                {200: MapResponse, 503: ErrorResponse},
                contents=NOT_MODIFIED,
                tag="page",
            ),
            Route(
                *("GET", "/map/names", self.names, "Names by row, a page at a time"),
                {200: NamesResponse, 422: ErrorResponse, 503: ErrorResponse},
                {"parameters": parameters(NamesQuery)},
                examples={
                    422: {"error": "page: '-1', expected a whole number from 0 to 1,000,000"}
                },
                contents=NOT_MODIFIED,
                tag="page",
            ),
            Route(
                *("GET", "/map/similarities", self.similarities, "How like a song all others are"),
                similar,
                {"parameters": parameters(SimilaritiesQuery)},
                nothing=_NOTHING,
                examples={
                    404: _NOTHING | NOT_FOUND,
                    422: _NOTHING | {"error": "song: '', expected a name of 1 to 1,000 characters"},
                },
                contents=NOT_MODIFIED,
                tag="page",
            ),
        ]

    async def overview(self, request: Request) -> Response:
        """Every point."""
        if self._overview is None:
            self._overview = await to_thread.run_sync(_content, self._atlas.overview)
        return self._overview.answer(request)

    async def names(self, request: Request) -> Response:
        """A page of names."""
        query = _asked(request, NamesQuery)
        content = self._pages.get(query.page)
        if content is None:
            content = await to_thread.run_sync(_content, lambda: self._atlas.names(query))
            if len(self._pages) >= _KEPT:
                self._pages.pop(next(iter(self._pages)))
            self._pages[query.page] = content
        return content.answer(request, self._caching(query.v))

    async def similarities(self, request: Request) -> Response:
        """All songs' likeness to one."""
        query = _asked(request, SimilaritiesQuery)
        content = await to_thread.run_sync(_content, lambda: self._atlas.similarities(query))
        return content.answer(request, self._caching(query.v))

    def _caching(self, version: str) -> str:
        return IMMUTABLE if version == self._atlas.version else REVALIDATE


def _asked(request: Request, model: type[Query]) -> Query:
    text = request.scope["query_string"].decode("latin-1")
    return parse_query(parse_qsl(text, keep_blank_values=True), model)


def _content(answer: Callable[[], Answer]) -> Content:
    content = Content(orjson.dumps(answer()), "application/json")
    _ = content.gzipped, content.digest  # here in the thread, not in the event loop
    return content
