"""Serving the page: ``/`` and the files it is made of.

Every address in the page is relative, so that it works below any prefix that a proxy strips
(``https://host/music/``), as long as the page's own address ends in a slash.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from handler.caching import Content
from handler.documentation import Route

FILES: Final = Path(__file__).parent / "static"

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}

SECURITY: Final = {
    "content-security-policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "media-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
"""What a browser is told beside the page: to load and send nothing but from and to us, and to
take no text for markup (https://www.w3.org/TR/trusted-types/)."""


class Page:
    """The page's routes; each file is read, and compressed, when it is first asked for."""

    def routes(self) -> list[Route]:
        """``/`` and ``/static/…``, one route a file: what is no file of ours is a 404."""
        files = {"/": FILES / "index.html"}
        files |= {f"/static/{path.name}": path for path in sorted(FILES.iterdir())}
        return [
            Route("GET", path, partial(_serve, file), file.name, {}, is_documented=False)
            for path, file in files.items()
        ]


async def _serve(file: Path, request: Request) -> Response:
    return _content(file).answer(request)


@cache
def _content(file: Path) -> Content:
    return Content(file.read_bytes(), _TYPES[file.suffix], SECURITY)
