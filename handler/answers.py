"""JSON answers, and the one table from errors to status codes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from embed.errors import (
    AudioError,
    EngineError,
    NoSuchSongError,
    SearchError,
    StarvedError,
    VibeError,
    shown,
)
from handler.asgi import AnswerError, Endpoint
from handler.errors import BusyError, LackingError
from handler.operations.request_id import current
from handler.parse import MalformedBodyError
from handler.service import Answer

STATUS: Final[dict[type[BaseException], int]] = {
    MalformedBodyError: 400,
    NoSuchSongError: 404,
    SearchError: 422,
    AudioError: 422,
    LackingError: 501,
    BusyError: 503,
    VibeError: 503,  # the bundle's files or the machine fail us, not the request
}
"""By the nearest base of an error's type."""

ERROR: Final = "vibe.error"
"""Where a scope tells the log what the client was told."""


def json_answer(
    answer: Answer, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """``answer`` as JSON."""
    return Response(orjson.dumps(answer), status, headers, media_type="application/json")


def with_errors(endpoint: Endpoint, answer_error: AnswerError) -> Endpoint:
    """``endpoint``, whose errors of ours are answered by ``answer_error``."""

    @wraps(endpoint)
    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (VibeError, HTTPException) as error:
            return await answer_error(request, error)

    return answered


def error_answers(nothing: Mapping[str, Mapping[str, Any]]) -> AnswerError:
    """How failed requests are answered: ``error``, beside the fields of ``nothing`` by path.

    Of an error that is not ours the client is told nothing but the request's id.
    """

    async def answer_error(request: Request, error: Exception) -> Response:
        status, message, headers = _told(request, error)
        request.scope[ERROR] = message
        path = request.scope["path"]
        fields = nothing.get(path) or nothing.get(path.removesuffix("/")) or {}
        answer: Answer = {**fields, "error": message}
        if isinstance(error, NoSuchSongError):
            answer["suggestions"] = error.suggestions
        return json_answer(answer, status, headers)

    return answer_error


def _told(request: Request, error: Exception) -> tuple[int, str, Mapping[str, str] | None]:
    if not isinstance(error, HTTPException | VibeError):
        return 500, f"internal error; the log tells more of request {current.get()}", None
    if not isinstance(error, HTTPException):
        status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
        headers = None
        if isinstance(error, BusyError | EngineError | StarvedError):
            headers = {"retry-after": str(error.retry_after_s)}
        return status, str(error), headers
    message = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        message = f"{shown(request.scope['path'])}: no such page, see /docs"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"method: {shown(request.method)}, expected {allowed}"
    return error.status_code, message, error.headers


def expect_json(request: Request) -> None:
    """Raises HTTPException 415 when the body claims to be something else than JSON.

    No claim is fine. A claim of text/plain is not: a browser sends those anywhere unasked.
    """
    kind = content_type(request, "application/json")
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise HTTPException(415, f"content-type: {kind!a}, expected application/json")


def content_type(request: Request, default: str) -> str:
    """What the body claims to be, in lower case, without parameters."""
    headers = request.scope["headers"]
    claimed = next((value for key, value in headers if key == b"content-type"), None)
    if claimed is None:
        return default
    kind: str = claimed.decode("latin-1").partition(";")[0].strip().lower()
    return kind
