"""HTTP: routes, and the one table from errors to status codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Final, Protocol, TypeVar
from urllib.parse import parse_qsl

import orjson
from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from embed.errors import AudioError, SearchError, VibeError
from handler.asgi import App, Endpoint, read_body
from handler.documentation import Route, body, parameters
from handler.parse import MalformedBodyError, parse_recommend, parse_songs, shown
from handler.schemas import (
    ANSWERS,
    ErrorResponse,
    HealthResponse,
    RecommendRequest,
    RecommendResponse,
    SongsQuery,
    SongsResponse,
    StatusResponse,
)
from handler.service import Answer, NoSuchSongError

_STATUS: Final[dict[type[BaseException], int]] = {
    MalformedBodyError: 400,
    NoSuchSongError: 404,
    SearchError: 422,
    AudioError: 422,
    VibeError: 503,  # the bundle's files fail us, not the request
}

_RECOMMEND: Final = "/recommend"

Query = TypeVar("Query")


class Api(Protocol):
    """What the routes need of a service; see ``handler.service.Service``."""

    @property
    def is_quick(self) -> bool: ...
    def health(self) -> Answer: ...
    def songs(self, query: SongsQuery) -> Answer: ...
    def recommend(self, request: RecommendRequest) -> Answer: ...


def create_app(service: Api, max_body_bytes: int = 65_536) -> App:
    """The API over ``service``; a POST body may be ``max_body_bytes`` long."""
    app = App(
        "vibe-search",
        "Songs that sound alike, by their audio alone.",
        _answer_error,
        models=(RecommendRequest, *ANSWERS),
    )
    for route in _Endpoints(service, max_body_bytes).routes():
        endpoint = _with_errors(route.endpoint)
        app.direct(route.method, route.path, endpoint, route.documentation())
    app.direct("GET", "/", _to_docs, {"include_in_schema": False})
    return app


class _Endpoints:
    def __init__(self, service: Api, max_body_bytes: int) -> None:
        self._service = service
        self._max_body_bytes = max_body_bytes

    def routes(self) -> list[Route]:
        recommend = {200: RecommendResponse} | dict.fromkeys(
            (400, 404, 413, 415, 422), RecommendResponse
        )
        return [
            Route("GET", "/health", self.health, "What is served", {200: HealthResponse}),
            Route("GET", "/livez", self.livez, "Whether it runs", {200: StatusResponse}),
            Route("GET", "/readyz", self.readyz, "Whether it can answer", {200: StatusResponse}),
            Route(
                *("GET", "/songs", self.songs, "Names of songs, in order, a page at a time"),
                {200: SongsResponse, 422: ErrorResponse},
                {"parameters": parameters(SongsQuery)},
            ),
            Route(
                *("POST", _RECOMMEND, self.recommend, "Songs that sound like one, or several"),
                recommend,
                {"requestBody": body(RecommendRequest)},
            ),
        ]

    async def health(self, request: Request) -> Response:  # noqa: ARG002 - an endpoint's shape
        return _json(self._service.health())

    async def livez(self, request: Request) -> Response:  # noqa: ARG002
        return _json({"status": "alive"})

    async def readyz(self, request: Request) -> Response:  # noqa: ARG002
        # There is no application without an open bundle.
        return _json({"status": "ready"})

    async def songs(self, request: Request) -> Response:
        # request.query_params and request.headers take as long as all else that a request needs.
        text = request.scope["query_string"].decode("latin-1")
        query = parse_songs(parse_qsl(text, keep_blank_values=True))
        return _json(await self._run(self._service.songs, query))

    async def recommend(self, request: Request) -> Response:
        _expect_json(request)
        asked = parse_recommend(await read_body(request, self._max_body_bytes))
        return _json(await self._run(self._service.recommend, asked))

    async def _run(self, answer: Callable[[Query], Answer], query: Query) -> Answer:
        if self._service.is_quick:
            return answer(query)
        return await to_thread.run_sync(answer, query)


def _with_errors(endpoint: Endpoint) -> Endpoint:
    @wraps(endpoint)
    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (VibeError, HTTPException) as error:
            return await _answer_error(request, error)

    return answered


async def _answer_error(request: Request, error: Exception) -> Response:
    """The answer to a request that failed, in the fields of the route's good answers."""
    headers = None
    if isinstance(error, HTTPException):
        status, message, headers = error.status_code, error.detail, error.headers
        if status == HTTPStatus.NOT_FOUND:
            message = f"{shown(request.scope['path'])}: no such page, see /docs"
        elif status == HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = (headers or {}).get("Allow", "")
            message = f"method: {shown(request.method)}, expected {allowed}"
    else:
        status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
        message = str(error)
    answer: Answer = {"error": message}
    if request.scope["path"].rstrip("/") == _RECOMMEND:
        answer = {"matched": None, "recommendations": [], "error": message}
    if isinstance(error, NoSuchSongError):
        answer["suggestions"] = error.suggestions
    return _json(answer, status, headers)


def _json(answer: Answer, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(answer), status, headers, media_type="application/json")


async def _to_docs(request: Request) -> Response:  # noqa: ARG001
    return RedirectResponse("/docs")


def _expect_json(request: Request) -> None:
    """Raises HTTPException 415 when the body claims to be something else than JSON.

    No claim is fine. A claim of text/plain is not: a browser sends those anywhere unasked.
    """
    headers = request.scope["headers"]
    claimed = next((value for key, value in headers if key == b"content-type"), b"application/json")
    kind = claimed.decode("latin-1").partition(";")[0].strip().lower()
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise HTTPException(415, f"content-type: {kind!a}, expected application/json")
