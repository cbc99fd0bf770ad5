"""``/recommend/text``: GET for a link, POST for what does not fit one."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from embed.contrast import without
from handler.answers import expect_json
from handler.asgi import read_body
from handler.documentation import BUSY, M3U8, NOT_FOUND, Route, body, parameters
from handler.errors import LackingError
from handler.lists.files import Files
from handler.near import Near, near_answer
from handler.parse import parse_body, parse_query
from handler.routes import NO_SONGS
from handler.schemas import RecommendResponse
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


class Words:
    """Over ``service``; ``moods`` is an error where the bundle has no text tower, ``files`` makes
    playlists."""

    def __init__(
        self,
        service: Near,
        moods: Moods | LackingError,
        max_body_bytes: int,
        files: Files | None = None,
    ) -> None:
        self._service = service
        self._files = files or Files()
        self._moods = moods
        self._max_body_bytes = max_body_bytes

    def routes(self) -> list[Route]:
        """Both, documented."""
        answers = dict.fromkeys((200, 404, 422, 500, 501, 503), RecommendResponse)
        more = answers | dict.fromkeys((400, 413, 415), RecommendResponse)
        examples = {200: _EXAMPLE, 404: NO_SONGS | NOT_FOUND}
        examples |= {status: NO_SONGS | {"error": error} for status, error in _ERRORS.items()}
        summary = "Songs that sound like words; m3u8 if Accept says so"
        return [
            Route(
                *("GET", PATH, self.ask, summary, answers),
                {"parameters": parameters(TextQuery), "responses": BUSY},
                nothing=NO_SONGS,
                examples=examples,
                contents={200: M3U8},
                tag="songs",
            ),
            Route(
                *("POST", PATH, self.post, f"{summary} (less others)", more),
                {"requestBody": body(TextRequest), "responses": BUSY},
                asked=TextRequest,
                nothing=NO_SONGS,
                examples=examples,
                contents={200: M3U8},
                tag="songs",
            ),
        ]

    async def ask(self, request: Request) -> Response:
        """Songs that sound like the words in a query string."""
        text = request.scope["query_string"].decode("latin-1")
        asked = parse_query(parse_qsl(text, keep_blank_values=True), TextQuery)
        return await self._answer(request, asked)

    async def post(self, request: Request) -> Response:
        """Songs that sound like the words in a body."""
        expect_json(request)
        asked = parse_body(await read_body(request, self._max_body_bytes), TextRequest)
        return await self._answer(request, asked)

    async def _answer(self, request: Request, asked: Wish) -> Response:
        if isinstance(self._moods, LackingError):
            raise self._moods
        wanted, unwanted = asked.sides
        found, *others = await self._moods.embed([wanted, *unwanted])
        query = without(found, others, asked.minus_weight)
        return await near_answer(self._service, self._files, request, query, asked)
