"""A Hugging Face hub on loopback with one repository: the two routes that a download uses."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a"


@contextmanager
def fake_hub(repository: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve ``folder`` as ``repository``; its address, and the files that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, *, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            if path.startswith(f"/api/models/{repository}"):
                siblings = [{"rfilename": file.name} for file in sorted(folder.iterdir())]
                body = json.dumps({"id": repository, "sha": COMMIT, "siblings": siblings}).encode()
                self._send(200, body, with_body, {"content-type": "application/json"})
                return
            file = folder / path.rpartition("/")[2]
            if not path.startswith(f"/{repository}/resolve/") or not file.exists():
                error = "EntryNotFound" if path.startswith(f"/{repository}/") else "RepoNotFound"
                self._send(404, b"", with_body, {"x-error-code": error})
                return
            if with_body:
                asked.append(file.name)
            body = file.read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()}"'
            self._send(200, body, with_body, {"etag": etag, "x-repo-commit": COMMIT})

        def _send(self, status: int, body: bytes, with_body: bool, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
