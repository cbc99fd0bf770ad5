"""The Lambda function: in AWS, or under Lambda's emulator."""

from __future__ import annotations

import base64
import http.client
import json
import re
import threading
import time
from typing import Any, Final
from urllib.parse import quote

from handler.compare.targets import Answer, HttpTarget, Request, Target, TargetError

INVOKE_PATH: Final = "/2015-03-31/functions/function/invocations"
"""Of the Runtime Interface Emulator, whatever the function is called."""

_REPORT: Final = re.compile(r"(Init|Billed) Duration: ([\d.]+) ms")
"""Lambda's last log line; an initialisation is there when the call waited for one."""

_FUNCTION_URL: Final = ".lambda-url."


def function_target(name: str, connections: int) -> Target:
    """The function ``name`` in AWS, or under the emulator at that URL; up to ``connections`` are
    kept. Raises VibeError."""
    if not name.startswith(("http://", "https://")):
        return LambdaTarget(name, connections)
    if _FUNCTION_URL in name:
        raise TargetError(f"{name}: a Function URL tells no durations; give the function's name")
    return EmulatorTarget(name)


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
    """A function in AWS, by name or ARN; credentials and region as for S3."""

    def __init__(self, name: str, connections: int = 1) -> None:
        # Only who compares needs it: the API's image has no boto3.
        try:
            import boto3  # noqa: PLC0415
            from botocore.config import Config  # noqa: PLC0415

            from embed.store.connection import aws_session  # noqa: PLC0415
            from embed.store.problems import told  # noqa: PLC0415
        except ImportError as error:
            raise TargetError(
                f"{name}: {error.name} is not installed; pip install boto3"
            ) from error
        self.name, self._told = name, told
        try:
            with told(name):
                session = boto3.session.Session(botocore_session=aws_session())
                config = Config(max_pool_connections=connections)
                self._client = session.client("lambda", config=config)
        except ValueError as error:  # an endpoint that is no URL
            raise TargetError(f"{name}: {error}") from error

    def send(self, request: Request) -> Answer:
        """As ``Target.send``."""
        started = time.perf_counter()
        with self._told(self.name):
            found = self._client.invoke(
                FunctionName=self.name, LogType="Tail", Payload=json.dumps(event(request)).encode()
            )
            payload = found["Payload"].read()
        seconds = time.perf_counter() - started
        if "FunctionError" in found:
            raise TargetError(f"{self.name}: {found['FunctionError']}: {payload[:500]!r}")
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
