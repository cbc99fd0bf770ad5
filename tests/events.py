"""A request, how Lambda is handed it, and whether two answers to it are alike."""

from __future__ import annotations

import base64
import http.client
from typing import Any, NamedTuple
from urllib.parse import unquote

JSON = {"content-type": "application/json"}


class Asked(NamedTuple):
    method: str
    path: str
    query: str = ""
    body: bytes = b""
    headers: dict[str, str] = JSON


def event(asked: Asked, is_function_url: bool) -> dict[str, Any]:
    """A request as API Gateway (HTTP API, payload 2.0) or a Function URL hands it over."""
    is_text = True
    try:
        body = asked.body.decode()
    except UnicodeDecodeError:
        is_text = False
    if is_function_url or not is_text:  # both send what they take for binary as base64
        body, is_text = base64.b64encode(asked.body).decode(), False
    domain = "abc.lambda-url.eu-central-1.on.aws" if is_function_url else "abc.execute-api.eu"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(asked.path),
        "rawQueryString": asked.query,
        "headers": {"host": domain, "x-forwarded-proto": "https", "x-forwarded-port": "443",
                    **asked.headers},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc",
            "domainName": domain,
            "http": {
                "method": asked.method,
                "path": asked.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.1",
                "userAgent": "test",
            },
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        **({"body": body} if asked.body else {}),
        "isBase64Encoded": not is_text and bool(asked.body),
    }  # fmt: skip


def name_of(asked: Asked) -> str:
    return f"{asked.method} {asked.path}?{asked.query} {asked.body[:40]!r}"


class Told(NamedTuple):
    """A status, a body and a content type; None where there is none."""

    status: int
    body: bytes
    content_type: str | None


def ask(connection: http.client.HTTPConnection, asked: Asked) -> Told:
    """What a server answers."""
    target = asked.path + (f"?{asked.query}" if asked.query else "")
    connection.request(asked.method, target, asked.body or None, asked.headers)
    response = connection.getresponse()
    return Told(response.status, response.read(), response.headers.get("content-type"))


def told(answer: dict[str, Any]) -> Told:
    """What Lambda answers."""
    body = answer["body"].encode()
    if answer["isBase64Encoded"]:
        body = base64.b64decode(body)
    return Told(answer["statusCode"], body, answer["headers"].get("content-type"))


def assert_alike(asked: Asked, served: Told, function: Told) -> None:
    """Equal to the byte, but for the figures of a process, of which the names are."""
    if (asked.method, asked.path) == ("GET", "/metrics"):
        served, function = (one._replace(body=_names(one.body)) for one in (served, function))
    assert function[:2] == served[:2]
    if served.content_type is None:  # Mangum names a type even where there is no body
        assert function.body == b""
    else:
        assert function.content_type == served.content_type
    assert served.status < 500 or served.status == 501


def _names(figures: bytes) -> bytes:
    lines = figures.splitlines()
    return b"\n".join(line for line in lines if line.startswith((b"# HELP vibe_", b"# TYPE vibe_")))
