"""``GET /previews?song=…``: ten seconds of a song as Ogg Opus, whole or in part."""

from __future__ import annotations

import hashlib
import re
from typing import Final
from urllib.parse import parse_qsl

from anyio import to_thread
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from embed.clips import MEDIA_TYPE, PREVIEWS_FILE, Clips
from embed.errors import NoSuchSongError
from embed.library import Library
from handler.caching import IMMUTABLE, REVALIDATE, header, is_known
from handler.documentation import NOT_FOUND, NOT_MODIFIED, Route, parameters
from handler.parse import parse_query
from handler.schemas import MAX_NAME_LENGTH, ErrorResponse, Name

HINT: Final = (
    f"this bundle has no {PREVIEWS_FILE}; python -m embed MUSIC --to BUNDLE --previews adds it"
)

_CLIP: Final = {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}

_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class PreviewQuery(BaseModel):
    """Which song to play."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    song: Name = Field(
        description=f"a name of 1 to {MAX_NAME_LENGTH:,} characters", examples=["in this dark"]
    )
    v: str = Field("", max_length=64, description="a bundle's version, as /map tells it")


class UnknownSongResponse(ErrorResponse):
    """That no song is named so, or that it has no preview."""

    suggestions: list[str] = Field([], description="the most similarly spelt names")


class Previews:
    """The route over ``clips``, None where the bundle has none."""

    def __init__(self, library: Library, clips: Clips | None, version: str) -> None:
        self._library = library
        self._clips = clips
        self._version = version

    def routes(self) -> list[Route]:
        """The route, documented."""
        return [
            Route(
                *("GET", "/previews", self.preview, "Ten seconds of a song, as Ogg Opus"),
                {404: UnknownSongResponse} | dict.fromkeys((416, 422, 501, 503), ErrorResponse),
                {"parameters": parameters(PreviewQuery)},
                examples={
                    404: NOT_FOUND,
                    416: {"error": "range: 'bytes=99999-', expected a part of 61663 bytes"},
                    422: {"error": "song: '', expected a name of 1 to 1,000 characters"},
                    501: {"error": HINT},
                },
                contents={200: _CLIP, 206: _CLIP, **NOT_MODIFIED},
                tag="page",
            )
        ]

    async def preview(self, request: Request) -> Response:
        """The clip of a song, or the part of it that was asked for."""
        if self._clips is None:
            raise HTTPException(501, HINT)
        text = request.scope["query_string"].decode("latin-1")
        query = parse_query(parse_qsl(text, keep_blank_values=True), PreviewQuery)
        clip = await to_thread.run_sync(self._clip, query.song)
        cache_control = IMMUTABLE if query.v == self._version else REVALIDATE
        return _answer(request, clip, cache_control)

    def _clip(self, name: str) -> bytes:
        assert self._clips is not None
        row = self._library.meant(name)[0]
        song = self._library.songs.songs_at([row])[0]
        clip = self._clips.clip(song.sha256)
        if clip is None:
            raise NoSuchSongError(f"{song.name!r}: has no preview", [])
        return clip


def _answer(request: Request, clip: bytes, cache_control: str) -> Response:
    etag = f'"{hashlib.sha256(clip).hexdigest()[:16]}"'
    headers = {"etag": etag, "cache-control": cache_control, "accept-ranges": "bytes"}
    headers["x-content-type-options"] = "nosniff"
    if is_known(request, etag):
        return Response(status_code=304, headers=headers)
    unchanged = header(request, b"if-range") in ("", etag)
    found = _range(header(request, b"range"), len(clip)) if unchanged else None
    if found is None:
        return Response(clip, headers=headers, media_type=MEDIA_TYPE)
    headers["content-range"] = f"bytes {found.start}-{found.stop - 1}/{len(clip)}"
    return Response(clip[found.start : found.stop], 206, headers, MEDIA_TYPE)


def _range(wanted: str, size: int) -> range | None:
    """The bytes that a Range header asks for; None for all: several parts are no use here, and
    a server may ignore what it does not understand (RFC 9110, 14.2).

    Raises HTTPException 416 when there are none.
    """
    found = _RANGE.fullmatch(wanted.replace(" ", ""))
    if found is None or found[1] == found[2] == "":
        return None
    first, last = found[1], found[2]
    if first == "":
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None  # makes no sense, so it does not count
    if start >= stop:
        reason = f"range: {wanted!a}, expected a part of {size} bytes"
        raise HTTPException(416, reason, {"content-range": f"bytes */{size}"})
    return range(start, stop)
