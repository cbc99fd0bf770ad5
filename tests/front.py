"""A server before another that makes trouble: slows down, cuts, or answers what it is told."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate."
    b"</Message></Error>"
)

Trouble = Callable[[str, int], str | None]
"""Is asked about each request, "GET /bucket/key", and how often that one came (from 1): "refuse",
"cut" (in the middle of the answer), "lost" (done, but not answered), or None."""


@contextmanager
def front(
    behind: str, trouble: Trouble, refusal: tuple[int, bytes] = (503, SLOW_DOWN)
) -> Iterator[tuple[str, list[str]]]:
    """The address to use, and every request that was made; ``refusal`` is status and body."""
    asked: list[str] = []
    there = urlsplit(behind).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_any(self) -> None:
            request = f"{self.command} {self.path}"
            asked.append(request)
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            kind = trouble(request, asked.count(request))
            if kind == "refuse":
                return self._answer(refusal[0], {}, refusal[1])
            connection = http.client.HTTPConnection(there, timeout=60)
            try:
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                data, headers = answer.read(), dict(answer.getheaders())
            finally:
                connection.close()
            if kind == "lost":
                self.close_connection = True
                return None
            return self._answer(answer.status, headers, data, cut=kind == "cut")

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

        def _answer(
            self, status: int, headers: dict[str, str], data: bytes, *, cut: bool = False
        ) -> None:
            self.send_response_only(status)
            own = {"content-length", "transfer-encoding", "connection"}
            for name, value in headers.items():
                if name.lower() not in own:
                    self.send_header(name, value)
            length = headers.get("Content-Length", headers.get("content-length"))
            is_head = self.command == "HEAD"
            self.send_header("Content-Length", length if is_head and length else str(len(data)))
            self.end_headers()
            if not is_head:
                self.wfile.write(data[: len(data) // 2] if cut else data)
            if cut:
                self.wfile.flush()
                self.close_connection = True

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # a client that went away

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
