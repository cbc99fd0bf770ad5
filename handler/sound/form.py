"""multipart/form-data with one field, ``file``, read as it comes."""

from __future__ import annotations

from typing import Final, Protocol

from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException

from embed.errors import shown
from handler.parse import InvalidRequestError, MalformedBodyError

FIELD: Final = "file"


class File(Protocol):
    """Where the field's content goes."""

    def write(self, data: bytes) -> None: ...
    def finish(self) -> None: ...


class FileForm:
    """Writes the field's content to ``file``; the whole form may be ``max_bytes`` long.

    Raises FormParserError or MalformedBodyError on a form that is none, InvalidRequestError on
    one with other fields, HTTPException 413 on one that is too long, and what ``file`` raises.
    """

    def __init__(self, boundary: bytes, file: File, max_bytes: int) -> None:
        self._file = file
        self._left = max_bytes
        self._header = self._value = b""
        self._disposition = b""
        self._is_found = self._is_whole = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_end": self._on_end,
            },
        )

    def write(self, data: bytes) -> None:
        """The next piece of the form."""
        piece = data[: self._left]  # first, as the file itself may be what is too long
        self._left -= len(data)
        if piece and not self._is_whole:  # what follows the end is nobody's
            self._parser.write(piece)
        if self._left < 0:
            raise HTTPException(413, "body: much longer than its file may be")

    def finish(self) -> None:
        """That was all."""
        if not self._is_whole:
            raise MalformedBodyError("body: the form ends without its last boundary")
        if not self._is_found:
            raise InvalidRequestError(f"{FIELD}: missing, expected a field of that name")
        self._file.finish()

    def _on_part_begin(self) -> None:
        self._disposition = b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name != FIELD:
            raise InvalidRequestError(
                f"{shown(name)}: unknown field, expected {FIELD} alone; "
                "options belong into the query string"
            )
        if self._is_found:
            raise InvalidRequestError(f"{FIELD}: given more than once, expected once")
        self._is_found = True

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._file.write(data[start:end])

    def _on_end(self) -> None:
        self._is_whole = True
