"""An application as it is behind Lambda: each request an event of API Gateway's, one at a time."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from anyio import to_thread
from mangum import Mangum
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.events import Asked, event

MOST_BYTES = 6 * 1024 * 1024
"""Of an event, and of an answer:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


@contextmanager
def behind_gateway(app: ASGIApp) -> Iterator[ASGIApp]:
    """``app`` as a Lambda function, and the API Gateway before it."""
    with closing(asyncio.new_event_loop()) as loop:
        yield _gateway(Mangum(app, lifespan="off"), loop)


def _gateway(function: Mangum, loop: asyncio.AbstractEventLoop) -> ASGIApp:
    alone = threading.Lock()

    def invoke(given: dict[str, Any]) -> dict[str, Any]:
        with alone:  # an instance has one event at a time
            asyncio.set_event_loop(loop)
            try:
                return dict(function(given, None))
            finally:
                asyncio.set_event_loop(None)

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        asked = Asked(
            request.method,
            scope["path"],
            scope["query_string"].decode("latin-1"),
            await request.body(),
            dict(request.headers),
        )
        given = event(asked, is_function_url=False)
        if len(json.dumps(given)) > MOST_BYTES:
            response = Response(b'{"message":"Request Entity Too Large"}', 413)
        else:
            response = _response(await to_thread.run_sync(invoke, given))
        await response(scope, receive, send)

    return gateway


def _response(answer: dict[str, Any]) -> Response:
    assert len(json.dumps(answer)) <= MOST_BYTES
    body = answer["body"].encode()
    if answer["isBase64Encoded"]:
        body = base64.b64decode(body)
    return Response(body, answer["statusCode"], answer["headers"])
