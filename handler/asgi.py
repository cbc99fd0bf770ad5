"""FastAPI with a short way in: the routes of the API skip its middleware and router.

Of a request that lists 75 songs, FastAPI's own machinery takes 90 of 125 µs. A route that is
registered with ``direct`` is found in a dictionary instead; FastAPI documents it, and answers
whatever is not such a route: /docs, unknown paths, wrong methods.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

import orjson
from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from embed import __version__

Endpoint = Callable[[Request], Awaitable[Response]]
AnswerError = Callable[[Request, Exception], Coroutine[Any, Any, Response]]

_REFERENCE: Final = "#/components/schemas/{model}"

ROUTE: Final = "vibe.route"
"""Where a scope tells the path of the direct route that answers it."""

Around = Callable[[ASGIApp, AnswerError], ASGIApp]


class App(FastAPI):
    """A FastAPI application; see ``direct``.

    ``answer_error`` answers what FastAPI refuses, and what nobody caught. ``models`` are those
    that the routes' documentation refers to (see ``reference``). ``around`` puts something
    around every request.
    """

    def __init__(
        self,
        title: str,
        description: str,
        answer_error: AnswerError,
        models: Sequence[type[BaseModel]],
        around: Around,
    ) -> None:
        super().__init__(
            title=title,
            version=__version__,
            description=description,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            # Relative to the document: right under a path prefix too.
            servers=[{"url": "."}],
            exception_handlers={HTTPException: answer_error, Exception: answer_error},
        )
        self._entry = around(self._respond, answer_error)
        self._direct: dict[tuple[str, str], Endpoint] = {}
        self._methods: dict[str, list[str]] = {}
        self._answer_error = answer_error
        self._models = models
        self._responses: dict[tuple[str, str], Mapping[int, Any]] = {}
        self._document: dict[str, Any] | None = None
        self.direct("GET", "/openapi.json", self._answer_openapi, {"include_in_schema": False})

    def direct(
        self, method: str, path: str, endpoint: Endpoint, documentation: Mapping[str, Any]
    ) -> None:
        """Answer ``method`` on ``path`` with ``endpoint``, and GET's twin HEAD.

        ``endpoint`` must answer its own errors. ``documentation`` goes to ``add_api_route``.
        """
        self.add_api_route(path, endpoint, methods=[method], response_model=None, **documentation)
        self._direct[method, path] = endpoint
        self._methods.setdefault(path, []).append(method)
        self._responses[path, method.lower()] = documentation.get("responses", {})
        if method == "GET":
            self._direct["HEAD", path] = endpoint

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made when first asked for: that takes as long as a start."""
        if self._document is None:
            self._document = document = super().openapi()
            for (path, method), responses in self._responses.items():
                # FastAPI drops every null, and with it fields of examples that are null.
                if found := document["paths"].get(path, {}).get(method):
                    found["responses"] = {
                        str(key): _with_headers(one, found["responses"].get(str(key), {}))
                        for key, one in responses.items()
                    }
            models: list[tuple[type[BaseModel], JsonSchemaMode]]
            models = [(model, "validation") for model in self._models]
            _, schemas = models_json_schema(models, ref_template=_REFERENCE)
            document.setdefault("components", {})["schemas"] = schemas["$defs"]
        return self._document

    async def _answer_openapi(self, request: Request) -> Response:  # noqa: ARG002
        return Response(orjson.dumps(self.openapi()), media_type="application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        await self._entry(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        if method == "HEAD":
            # Servers drop a HEAD answer's body themselves; through Mangum nobody would.
            send = _without_body(send)
        endpoint = self._direct.get((method, path))
        if endpoint is None and path.endswith("/"):
            path = path.removesuffix("/")
            endpoint = self._direct.get((method, path))
        if endpoint is None and path in self._methods:
            scope[ROUTE] = path
            # FastAPI would name the first of a path's routes only.
            allowed = {"Allow": ", ".join(self._methods[path])}
            error = HTTPException(405, headers=allowed)
            response = await self._answer_error(Request(scope, receive), error)
            await response(scope, receive, send)
            return
        if endpoint is None:
            await super().__call__(scope, receive, send)
            return
        scope[ROUTE] = path
        try:
            response = await endpoint(Request(scope, receive))
        except ClientDisconnect:
            return  # nobody is left to answer
        await response(scope, receive, send)


def reference(model: type[BaseModel]) -> dict[str, str]:
    """How documentation refers to one of an App's ``models``."""
    return {"$ref": _REFERENCE.format(model=model.__name__)}


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body. Raises HTTPException 413 when it is longer, ClientDisconnect."""
    body = bytearray()
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise HTTPException(413, f"body: longer than {max_bytes} bytes")
        if not message.get("more_body", False):
            return bytes(body)


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


def _with_headers(response: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    return {**response, "headers": {**more.get("headers", {}), **response.get("headers", {})}}
