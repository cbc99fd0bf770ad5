"""An upload → a file of bounded size; in memory there is only what came last."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from anyio import fail_after
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request

from embed.errors import VibeError, shown
from handler.answers import content_type
from handler.parse import InvalidRequestError, MalformedBodyError
from handler.sound.form import FileForm

UPLOAD_S: Final = 60.0
"""25 MB at 3.3 Mbit/s. An upload holds a place, so nobody may take all day."""

ENVELOPE_BYTES: Final = 16_384
"""What a form may be longer than its file: boundaries and headers."""

MAX_BOUNDARY: Final = 70
"""RFC 2046, section 5.1.1."""

FORM: Final = "multipart/form-data"
CLIP_TYPES: Final = frozenset(
    {"application/octet-stream", "application/ogg", "application/mp4", "video/mp4"}
    | {"video/ogg", "video/webm"}
)
"""Beside ``audio/*``: what systems call sound files too. The content decides in the end."""


class Sink(Protocol):
    """Takes a body piece by piece."""

    def write(self, data: bytes) -> None: ...
    def finish(self) -> None: ...


class Spool:
    """Writes to ``file``, at most ``max_bytes``."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._bytes = 0

    def write(self, data: bytes) -> None:
        """Raises HTTPException 413 when it gets too much, OSError when the disk does."""
        # On the event loop: 64 KiB into the page cache take less than a thread's hop would.
        self._bytes += len(data)
        if self._bytes > self._max_bytes:
            raise _too_large(self._max_bytes)
        if self._file.write(data) != len(data):  # what a full disk took of it, without an error
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def finish(self) -> None:
        """Raises InvalidRequestError when nothing came."""
        if self._bytes == 0:
            raise InvalidRequestError("file: empty (0 bytes), expected an audio file")


def check_upload(request: Request, max_bytes: int) -> None:
    """What can be refused before any of it is read.

    Raises HTTPException: 415 when it claims to be no sound and no form, 413 when it says that
    it is too long; MalformedBodyError on a form without a sound boundary.
    """
    kind = content_type(request, "")
    if kind == FORM:
        _boundary(request)
    elif not (kind.startswith("audio/") or kind in CLIP_TYPES):
        raise HTTPException(
            415,
            f"content-type: {shown(kind) if kind else 'none'}, expected audio/*, "
            f"{', '.join(sorted(CLIP_TYPES))}, or {FORM} with one field, file",
        )
    length = _header(request, b"content-length")
    most = max_bytes + (ENVELOPE_BYTES if kind == FORM else 0)
    # Longer than 15 digits is longer than anything; int() would take its time over it.
    if length.isdecimal() and (len(length) > 15 or int(length) > most):
        raise _too_large(max_bytes)


@asynccontextmanager
async def spooled(request: Request, max_bytes: int, upload_s: float) -> AsyncIterator[Path]:
    """The uploaded file, as long as the context lasts.

    Raises what ``check_upload`` and ``FileForm`` raise, HTTPException 408 when it takes longer
    than ``upload_s``, ClientDisconnect, VibeError when there is no room for it.
    """
    with _temporary() as (path, file):
        with file:
            spool = Spool(file, max_bytes)
            sink: Sink = spool
            if content_type(request, "") == FORM:
                sink = FileForm(_boundary(request), spool, max_bytes + ENVELOPE_BYTES)
            await _receive(request, sink, upload_s)
        yield path


async def _receive(request: Request, sink: Sink, upload_s: float) -> None:
    try:
        with fail_after(upload_s):
            async for chunk in request.stream():
                sink.write(chunk)
        sink.finish()
    except TimeoutError:
        raise HTTPException(408, f"body: not here after {upload_s:g} s") from None
    except FormParserError as error:
        raise MalformedBodyError(f"body: not multipart/form-data: {error}") from None
    except OSError as error:
        raise VibeError(f"no room for the upload: {error.strerror}") from error


@contextmanager
def _temporary() -> Iterator[tuple[Path, BinaryIO]]:
    """A new file, open for writing, which is gone in the end."""
    try:
        handle, name = tempfile.mkstemp(prefix="vibe-clip-")
    except OSError as error:
        raise VibeError(f"no room for the upload: {error.strerror}") from error
    path = Path(name)
    try:
        yield path, os.fdopen(handle, "wb", buffering=0)
    finally:
        with suppress(FileNotFoundError):
            path.unlink()


def _boundary(request: Request) -> bytes:
    _, options = parse_options_header(_header(request, b"content-type"))
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= MAX_BOUNDARY:
        raise MalformedBodyError(
            f"content-type: a boundary of {len(boundary)} characters, expected 1 to {MAX_BOUNDARY}"
        )
    return boundary


def _header(request: Request, name: bytes) -> str:
    found: bytes = next((value for key, value in request.scope["headers"] if key == name), b"")
    return found.decode("latin-1").strip()


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"file: longer than {max_bytes:,} bytes")
