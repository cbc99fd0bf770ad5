"""Where requests go: an HTTP service, a Lambda function, or Lambda's emulator."""

from __future__ import annotations

import base64
import http.client
import json
import re
import threading
import time
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote, urlsplit

from embed.errors import VibeError

TIMEOUT_S: Final = 60
INVOKE_PATH: Final = "/2015-03-31/functions/function/invocations"
"""Of the Runtime Interface Emulator, whatever the function is called."""

_REPORT: Final = re.compile(r"(Init|Billed) Duration: ([\d.]+) ms")
"""Lambda's last log line; an initialisation is there when the call waited for one."""


class TargetError(VibeError):
    """A target cannot be reached, or answers what no service answers."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; ``body`` is sent as JSON."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, the same from every target.

    ``seconds`` is the client's wall clock; ``init_ms`` and ``billed_ms`` are Lambda's own.
    """

    status: int
    content_type: str
    body: bytes
    seconds: float
    init_ms: float | None = None
    billed_ms: float | None = None

    @property
    def content(self) -> tuple[int, str, bytes]:
        """What must be equal."""
        return self.status, self.content_type, self.body


class Target(Protocol):
    """Something that answers requests; safe to call from several threads."""

    name: str

    def send(self, request: Request) -> Answer:
        """Raises TargetError."""


class HttpTarget:
    """A service by its address; every thread keeps a connection of its own."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TargetError(f"{url}: expected http://HOST[:PORT]")
        self.name = url
        self._base = parts.path.rstrip("/")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else None
        self._kind = kind or http.client.HTTPConnection
        self._host, self._port = parts.hostname, parts.port
        self._local = threading.local()

    def send(self, request: Request) -> Answer:
        """As ``Target.send``."""
        target = self._base + request.path + (f"?{request.query}" if request.query else "")
        return self.exchange(request.method, target, request.body)

    def exchange(self, method: str, target: str, body: bytes) -> Answer:
        """One request and its answer over this thread's connection."""
        headers = {"content-type": "application/json"} if body else {}
        started = time.perf_counter()
        try:
            connection = self._connection()
            connection.request(method, target, body or None, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            del self._local.connection
            raise TargetError(f"{self.name}: {error or type(error).__name__}") from error
        seconds = time.perf_counter() - started
        return Answer(response.status, response.getheader("content-type", ""), content, seconds)

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connection"):
            self._local.connection = self._kind(self._host, self._port, timeout=TIMEOUT_S)
        connection: http.client.HTTPConnection = self._local.connection
        return connection


class EmulatorTarget:
    """Lambda's Runtime Interface Emulator, which takes events as HTTP requests.

    One at a time, as one environment of Lambda's does; the emulator drops a second one.
    """

    def __init__(self, url: str) -> None:
        self._http, self.name = HttpTarget(url), url
        self._turn = threading.Lock()

    def send(self, request: Request) -> Answer:
        """As ``Target.send``."""
        payload = json.dumps(event(request)).encode()
        with self._turn:
            sent = self._http.exchange("POST", INVOKE_PATH, payload)
        if sent.status != http.client.OK:
            raise TargetError(f"{self.name}: the emulator answers {sent.status}: {sent.body!r}")
        return _answer(self.name, sent.body, sent.seconds)


class LambdaTarget:
    """A function in AWS, by name or ARN; credentials and region as boto3 finds them."""

    def __init__(self, name: str) -> None:
        # Only who compares needs it: the API's image has no boto3.
        import boto3  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        self.name, self._errors = name, (BotoCoreError, ClientError)
        try:
            self._client = boto3.client("lambda")
        except self._errors as error:
            raise TargetError(f"{name}: {error}") from error

    def send(self, request: Request) -> Answer:
        """As ``Target.send``."""
        started = time.perf_counter()
        try:
            found = self._client.invoke(
                FunctionName=self.name, LogType="Tail", Payload=json.dumps(event(request)).encode()
            )
            payload = found["Payload"].read()
        except self._errors as error:
            raise TargetError(f"{self.name}: {error}") from error
        seconds = time.perf_counter() - started
        if "FunctionError" in found:
            raise TargetError(f"{self.name}: {found['FunctionError']}: {payload!r}")
        log = base64.b64decode(found.get("LogResult", "")).decode("utf-8", "replace")
        return _answer(self.name, payload, seconds, dict(_REPORT.findall(log)))


def event(request: Request) -> dict[str, Any]:
    """As a Function URL sends a request (API Gateway's payload format 2.0)."""
    host = "localhost"
    http_part = {
        "method": request.method,
        "path": request.path,
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "",
    }
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": quote(request.path, safe="/%"),
        "rawQueryString": request.query,
        "headers": {"host": host} | ({"content-type": "application/json"} if request.body else {}),
        "requestContext": {"http": http_part, "stage": "$default", "domainName": host},
        "body": base64.b64encode(request.body).decode(),
        "isBase64Encoded": True,
    }


def _answer(
    name: str, payload: bytes, seconds: float, report: dict[str, str] | None = None
) -> Answer:
    try:
        found = json.loads(payload)
        body = found.get("body", "")
        content = base64.b64decode(body) if found.get("isBase64Encoded") else body.encode()
        headers = {key.lower(): value for key, value in found.get("headers", {}).items()}
        status = int(found["statusCode"])
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise TargetError(f"{name}: not an answer to an HTTP event: {payload[:200]!r}") from error
    init, billed = (report or {}).get("Init"), (report or {}).get("Billed")
    return Answer(
        status,
        headers.get("content-type", ""),
        content,
        seconds,
        None if init is None else float(init),
        None if billed is None else float(billed),
    )
