"""The page at /docs and its files.

Swagger UI itself (Apache-2.0) comes with the package fastapi-offline, which is rebuilt for each
of its releases; of that package only the files are used.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from handler.asgi import Endpoint
from handler.documentation import Route

_HERE: Final = Path(__file__).parent
_PACKAGE: Final = "fastapi_offline"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI's icons are data: addresses; it needs no eval and no inline style or script."""

_SECURE: Final = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


class Swagger:
    """The documentation, to try in the browser."""

    def routes(self) -> list[Route]:
        """The page, its start, and Swagger UI's two files."""
        files = {
            "start.js": "text/javascript",
            "swagger-ui-bundle.js": "text/javascript",
            "swagger-ui.css": "text/css",
        }
        served = {"/docs": _page} | {
            f"/docs/{name}": _file(name, kind) for name, kind in files.items()
        }
        return [
            Route("GET", path, endpoint, "", {}, is_documented=False)
            for path, endpoint in served.items()
        ]


async def _page(request: Request) -> Response:
    # Relative, for path prefixes; seen from /docs/ the files lie beside the page.
    folder = "" if request.scope["path"].endswith("/") else "docs/"
    text = _read(_HERE / "page.html").decode().replace("{folder}", folder)
    headers = {**_SECURE, "content-security-policy": POLICY}
    return Response(text, headers=headers, media_type="text/html")


def _file(name: str, media_type: str) -> Endpoint:
    async def file(request: Request) -> Response:  # noqa: ARG001 - an endpoint's shape
        """One file, which a browser may keep for a day."""
        headers = {**_SECURE, "cache-control": "public, max-age=86400"}
        return Response(_read(_path(name)), headers=headers, media_type=media_type)

    return file


def _path(name: str) -> Path:
    if (own := _HERE / name).exists():
        return own
    found = find_spec(_PACKAGE)  # found, not loaded: there is nothing in it that we run
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "static" / name


@lru_cache(maxsize=8)
def _read(path: Path) -> bytes:
    return path.read_bytes()
