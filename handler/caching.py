"""Answers that stay the same for a while: ETag, 304, and gzip where the client takes it."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

_LEAST_GZIP: Final = 1_024
"""Bytes below which gzip's header and the client's work outweigh what is saved."""

_DIGITS: Final = 16

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""For addresses that name the version of what they lead to."""

REVALIDATE: Final = "no-cache"
"""Kept, but asked about each time: that costs a 304."""


@dataclass(frozen=True)
class Content:
    """Bytes to be served again and again, and what is said of them."""

    body: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    compress: bool = True

    @cached_property
    def digest(self) -> str:
        """16 hex digits of the body's SHA-256."""
        return hashlib.sha256(self.body).hexdigest()[:_DIGITS]

    @cached_property
    def gzipped(self) -> bytes | None:
        """The body compressed, always to the same bytes; None where that does not pay."""
        if not self.compress or len(self.body) < _LEAST_GZIP:
            return None
        return gzip.compress(self.body, compresslevel=6, mtime=0)

    def answer(self, request: Request, cache_control: str = REVALIDATE) -> Response:
        """The answer to ``request``: 304 when it has just this, compressed when it takes that."""
        accepted = header(request, b"accept-encoding")
        packed = self.gzipped if _takes_gzip(accepted) else None
        etag = f'"{self.digest}{"" if packed is None else "-gzip"}"'
        headers = {"etag": etag, "cache-control": cache_control, **self.headers}
        if self.compress:
            headers["vary"] = "accept-encoding"
        if is_known(request, etag):
            return Response(status_code=304, headers=headers)
        if packed is not None:
            headers["content-encoding"] = "gzip"
        return Response(packed or self.body, headers=headers, media_type=self.media_type)


def header(request: Request, name: bytes) -> str:
    """A header's value, several joined by commas; empty where there is none."""
    found = [value for key, value in request.scope["headers"] if key == name]
    return b", ".join(found).decode("latin-1")


def is_known(request: Request, etag: str) -> bool:
    """Whether the client says that it has what ``etag`` names."""
    given = header(request, b"if-none-match")
    return given == "*" or etag in (one.strip().removeprefix("W/") for one in given.split(","))


def _takes_gzip(accepted: str) -> bool:
    for one in accepted.lower().split(","):
        coding, _, weight = one.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
