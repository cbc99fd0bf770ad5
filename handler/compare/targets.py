"""Where requests go, and the service by its address; the Lambda function is in functions.py."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from embed.errors import VibeError

TIMEOUT_S: Final = 60
_CLOSED: Final = (ConnectionResetError, BrokenPipeError)  # http.client's RemoteDisconnected is one


class TargetError(VibeError):
    """A target cannot be reached, or answers what no service answers."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; ``body`` is sent as JSON. It changes nothing, and may be sent again."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, the same from every target.

    ``seconds`` is the client's wall clock; ``init_ms`` and ``billed_ms`` are Lambda's own, the
    former None where the instance was warm, both where nothing says.
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
        """Raises VibeError."""


class HttpTarget:
    """A service by its address; every thread keeps a connection of its own."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError as error:
            raise TargetError(f"{url}: {error}; expected http://HOST[:PORT]") from error
        if parts.scheme not in ("http", "https") or not self._host:
            raise TargetError(f"{url}: expected http://HOST[:PORT]")
        self.name = url
        self._base = parts.path.rstrip("/")
        is_secure = parts.scheme == "https"
        self._kind = http.client.HTTPSConnection if is_secure else http.client.HTTPConnection
        self._local = threading.local()

    def send(self, request: Request) -> Answer:
        """As ``Target.send``."""
        target = self._base + request.path + (f"?{request.query}" if request.query else "")
        return self.exchange(request.method, target, request.body)

    def exchange(self, method: str, target: str, body: bytes) -> Answer:
        """One request and its answer over this thread's connection.

        A connection that was kept may have been closed since, uvicorn's after 5 s without a
        request, which a cold start elsewhere takes: then it is made anew, once.
        """
        is_kept = hasattr(self._local, "connection")
        try:
            return self._exchange(method, target, body)
        except (OSError, http.client.HTTPException) as error:
            self._close()
            if is_kept and isinstance(error, _CLOSED):
                return self.exchange(method, target, body)
            raise TargetError(f"{self.name}: {str(error) or type(error).__name__}") from error

    def _exchange(self, method: str, target: str, body: bytes) -> Answer:
        headers = {"content-type": "application/json"} if body else {}
        started = time.perf_counter()
        connection = self._connection()
        connection.request(method, target, body or None, headers)
        response = connection.getresponse()
        content = response.read()
        seconds = time.perf_counter() - started
        return Answer(response.status, response.getheader("content-type", ""), content, seconds)

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connection"):
            self._local.connection = self._kind(self._host, self._port, timeout=TIMEOUT_S)
        connection: http.client.HTTPConnection = self._local.connection
        return connection

    def _close(self) -> None:
        if hasattr(self._local, "connection"):
            self._local.connection.close()
            del self._local.connection
