"""``/recommend/text``: GET for a link, POST for what does not fit one."""

from __future__ import annotations

from typing import Final, Protocol
from urllib.parse import parse_qsl

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from embed.contrast import without
from embed.index import Vectors
from handler.answers import expect_json, json_answer
from handler.asgi import read_body
from handler.documentation import BUSY, NOT_FOUND, Route, body, parameters
from handler.errors import LackingError
from handler.parse import parse_body, parse_query
from handler.routes import NO_SONGS
from handler.schemas import RecommendResponse, Wanted
from handler.service import Answer
from handler.words.moods import Moods
from handler.words.schemas import TextQuery, TextRequest, Wish

PATH: Final = "/recommend/text"


_EXAMPLE: Final = {
    "matched": None,
    "recommendations": [{"song": "Moderat - A New Error", "similarity": 0.3121}],
    "error": None,
}
_ERRORS: Final = {
    422: "q: '', expected a text of 1 to 1,000 characters, not only spaces",
    501: "this bundle has no text tower; python -m export --model laion/clap-htsat-unfused "
    "--to BUNDLE --towers text adds it",
    503: "words: 34 requests are before this one, try again in 1 s",
}


class Near(Protocol):
    """What words need of a service; see ``handler.service.Service``."""

    @property
    def is_quick(self) -> bool: ...
    def near(self, query: Vectors, wanted: Wanted) -> Answer: ...


class Words:
    """Over ``service``; ``moods`` is an error where the bundle has no text tower."""

    def __init__(self, service: Near, moods: Moods | LackingError, max_body_bytes: int) -> None:
        self._service = service
        self._moods = moods
        self._max_body_bytes = max_body_bytes

    def routes(self) -> list[Route]:
        """Both, documented."""
        answers = dict.fromkeys((200, 404, 422, 500, 501, 503), RecommendResponse)
        more = answers | dict.fromkeys((400, 413, 415), RecommendResponse)
        examples = {200: _EXAMPLE, 404: NO_SONGS | NOT_FOUND}
        examples |= {status: NO_SONGS | {"error": error} for status, error in _ERRORS.items()}
        summary = "Songs that sound like words"
        return [
            Route(
                *("GET", PATH, self.ask, summary, answers),
                {"parameters": parameters(TextQuery), "responses": BUSY},
                nothing=NO_SONGS,
                examples=examples,
                tag="songs",
            ),
            Route(
                *("POST", PATH, self.post, f"{summary}, less others", more),
                {"requestBody": body(TextRequest), "responses": BUSY},
                asked=TextRequest,
                nothing=NO_SONGS,
                examples=examples,
                tag="songs",
            ),
        ]

    async def ask(self, request: Request) -> Response:
        """Songs that sound like the words in a query string."""
        text = request.scope["query_string"].decode("latin-1")
        return await self._answer(parse_query(parse_qsl(text, keep_blank_values=True), TextQuery))

    async def post(self, request: Request) -> Response:
        """Songs that sound like the words in a body."""
        expect_json(request)
        return await self._answer(
            parse_body(await read_body(request, self._max_body_bytes), TextRequest)
        )

    async def _answer(self, asked: Wish) -> Response:
        if isinstance(self._moods, LackingError):
            raise self._moods
        wanted, unwanted = asked.sides
        found, *others = await self._moods.embed([wanted, *unwanted])
        query = without(found, others, asked.minus_weight)
        near = self._service.near
        if self._service.is_quick:
            return json_answer(near(query, asked))
        return json_answer(await to_thread.run_sync(near, query, asked))
