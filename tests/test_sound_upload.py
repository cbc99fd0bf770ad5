"""Uploads: both kinds of body, whole and in pieces, and all that can be wrong with them."""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.errors import AudioError, BundleError, ModelError
from handler.app import create_app
from handler.schemas import RecommendResponse
from handler.sound.routes import Sound
from handler.sound.upload import UPLOAD_S
from tests.clips import BOUNDARY, FORM, form
from tests.uploads import Near, Reader, Replied, app_with, upload

CLIP = bytes(range(256)) + b"\r\n--a-boundar\r\n--" + bytes(200)
FORM_TYPE = FORM["content-type"]


@pytest.fixture(autouse=True)
def spools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where spools go; every test must leave it empty."""
    folder = tmp_path / "spools"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def ask(
    reader: Reader, pieces: Sequence[bytes], content_type: str = "audio/ogg", **options: object
) -> Replied:
    app = app_with(reader)
    return asyncio.run(upload(app, pieces, content_type=content_type, **options))


@pytest.mark.parametrize(
    "content_type",
    [
        *("audio/ogg", "audio/x-anything; codecs=opus", "AUDIO/MPEG", "application/ogg"),
        *("application/octet-stream", "video/mp4", "video/webm"),
    ],
)
def test_a_raw_body_is_the_clip(content_type: str, spools: Path) -> None:
    reader = Reader()
    answer = ask(reader, [CLIP[:100], b"", CLIP[100:]], content_type)
    assert (answer.status, answer.json) == (
        200, {"matched": None, "recommendations": [], "error": None},
    )  # fmt: skip
    assert reader.heard == [CLIP]
    assert list(spools.iterdir()) == []


@given(st.integers(1, 40), st.binary(max_size=300) | st.just(CLIP))
def test_a_form_in_pieces_of_any_size_is_the_clip(size: int, clip: bytes) -> None:
    body = form(("file", clip or b"\0"))
    reader = Reader()
    answer = ask(reader, [body[i : i + size] for i in range(0, len(body), size)], FORM_TYPE)
    assert answer.status == 200
    assert reader.heard == [clip or b"\0"]


def test_a_boundary_may_be_quoted_and_other_headers_stand_beside() -> None:
    reader = Reader()
    body = (
        b"preamble\r\n--b c\r\nX-Other: 1\r\ncontent-DISPOSITION: form-data; name=file\r\n\r\n"
        b"clip\r\n--b c--\r\nepilogue"
    )
    answer = ask(reader, [body], 'Multipart/Form-Data; charset=x; boundary="b c"')
    assert (answer.status, reader.heard) in [(200, [b"clip"]), (400, [])]


MISSING = "file: missing, expected a field of that name"


@pytest.mark.parametrize(
    ("content_type", "body", "status", "error"),
    [
        ("audio/ogg", b"", 422, "file: empty (0 bytes), expected an audio file"),
        (FORM_TYPE, form(("file", b"")), 422, "file: empty (0 bytes), expected an audio file"),
        (FORM_TYPE, form(), 422, MISSING),
        (FORM_TYPE, form(("clip", b"x")), 422, "'clip': unknown field, expected file alone"),
        (FORM_TYPE, form(("file", b"x"), ("top_k", b"3")), 422, "'top_k': unknown field"),
        (FORM_TYPE, form(("file", b"x"), ("file", b"y")), 422, "file: given more than once"),
        (FORM_TYPE, form(("file", b"x"), end=b""), 400, "body: the form ends without its last"),
        (FORM_TYPE, form(("file", b"x"))[:-10], 400, "body: the form ends without its last"),
        (FORM_TYPE, b"", 400, "body: the form ends without its last boundary"),
        (FORM_TYPE, b"no form at all", 400, "body: not multipart/form-data: "),
        (FORM_TYPE, b"--other\r\n\r\nx\r\n--other--", 400, "body: not multipart/form-data: "),
        (FORM_TYPE, f"--{BOUNDARY}\r\nno colon\r\n\r\nx".encode(), 400, "body: not multipart"),
        (
            *(FORM_TYPE, f"--{BOUNDARY}\r\nA: {'b' * 900}\r\n".encode() * 9),
            *(400, "body: not multipart"),
        ),
        (FORM_TYPE, f"--{BOUNDARY}\r\nA: b\r\n\r\nx".encode(), 422, "'': unknown field"),
        ("multipart/form-data", b"x", 400, "content-type: a boundary of 0 characters, "),
        ("multipart/form-data; boundary=", b"x", 400, "content-type: a boundary of 0"),
        (f"multipart/form-data; boundary={'b' * 71}", b"x", 400, "content-type: a boundary of 71 "),
        ("application/json", b"{}", 415, "content-type: 'application/json', expected audio/*, "),
        ("text/plain", b"x", 415, "content-type: 'text/plain', expected audio/*, "),
        ("", b"x", 415, "content-type: none, expected audio/*, "),
        ("audio/ogg", bytes(1_001), 413, "file: longer than 1,000 bytes"),
        (FORM_TYPE, form(("file", bytes(1_001))), 413, "file: longer than 1,000 bytes"),
        (FORM_TYPE, b"\r\n" * 10_000, 413, "body: much longer than its file may be"),
    ],
)  # fmt: skip
def test_an_upload_that_makes_no_sense_says_why(
    spools: Path, content_type: str, body: bytes, status: int, error: str
) -> None:
    reader = Reader()
    answer = ask(reader, [body], content_type)
    assert (answer.status, reader.heard) == (status, [])
    assert answer.json["error"].startswith(error)
    RecommendResponse.model_validate(answer.json)
    assert list(spools.iterdir()) == []


@given(st.binary(max_size=60), st.binary(max_size=200))
def test_no_form_is_a_5xx(header: bytes, body: bytes) -> None:
    named = "multipart/form-data; " + header.decode("latin-1")
    scope_safe = named.encode("ascii", "replace").decode()
    for pieces in ([body], [form(("file", body))], [b"--b\r\n" + body]):
        for kind in (scope_safe, scope_safe + "; boundary=b"):
            assert ask(Reader(), pieces, kind).status in (200, 400, 413, 422)


def test_what_the_documentation_shows_is_what_is_answered() -> None:
    [route] = Sound(Near(), Reader(), 25_000_000, 4).routes()
    app = create_app(Near(), features=[Sound(Near(), Reader(), 25_000_000, 4)])
    asked = {
        400: ([form(("file", b"x"), end=b"")], {"content_type": FORM_TYPE}),
        413: ([b"x"], {"content_type": "audio/ogg", "content_length": "25000001"}),
        415: ([b"x"], {"content_type": "text/plain"}),
        422: ([b""], {"content_type": "audio/ogg"}),
    }
    for status, (pieces, headers) in asked.items():
        answer = asyncio.run(upload(app, pieces, **headers))
        assert (answer.status, answer.json) == (status, route.examples[status])
    assert route.examples[408]["error"] == f"body: not here after {UPLOAD_S:g} s"


def test_exactly_the_limit_is_taken() -> None:
    for content_type, body in (
        ("audio/ogg", bytes(1_000)),
        (FORM_TYPE, form(("file", bytes(1_000)))),
    ):
        assert ask(Reader(), [body], content_type).status == 200


@pytest.mark.parametrize("length", ["1001", "99999999999", "9" * 5_000])
def test_what_says_that_it_is_too_long_is_not_even_read(length: str) -> None:
    answer = ask(Reader(), [b"x"], content_length=length)
    assert (answer.status, answer.taken) == (413, 0)
    answer = ask(Reader(), [b"x"], FORM_TYPE, content_length="17385")
    assert (answer.status, answer.taken) == (413, 0)


def test_what_goes_on_and_on_is_read_no_further_than_the_limit() -> None:
    answer = ask(Reader(), [bytes(100)] * 1_000)
    assert (answer.status, answer.taken) == (413, 11)


@pytest.mark.parametrize("content_type", ["audio/ogg", FORM_TYPE])
def test_a_client_that_breaks_off_leaves_nothing(spools: Path, content_type: str) -> None:
    reader = Reader()
    answer = ask(reader, [form(("file", CLIP))[:200]], content_type, breaks_off=True)
    assert (answer.status, reader.heard) == (0, [])
    assert list(spools.iterdir()) == []


def test_a_client_that_stalls_is_told_and_leaves_nothing(spools: Path) -> None:
    app = app_with(Reader(), upload_s=0.05)
    answer = asyncio.run(upload(app, [b"x"], stalls=True, content_type="audio/ogg"))
    assert (answer.status, answer.json["error"]) == (408, "body: not here after 0.05 s")
    assert list(spools.iterdir()) == []


def test_no_room_is_not_the_clients_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    answer = ask(Reader(), [CLIP])
    assert answer.status == 503
    assert answer.json["error"].startswith("no room for the upload: ")


def test_a_disk_that_is_full_in_the_end_leaves_no_shorter_clip(
    monkeypatch: pytest.MonkeyPatch, spools: Path
) -> None:
    class Nearly(io.FileIO):
        """Takes some bytes and says so, as the system does before it says that there is no room."""

        def write(self, data: Any) -> int:
            return super().write(data[:100])

    def nearly(handle: int, *mode: object, **options: object) -> Nearly:
        return Nearly(handle, "wb")

    monkeypatch.setattr(os, "fdopen", nearly)
    reader = Reader()
    answer = ask(reader, [CLIP])
    assert (answer.status, reader.heard) == (503, [])
    assert answer.json["error"] == "no room for the upload: No space left on device"
    assert list(spools.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "status"),
    [(AudioError("x"), 422), (ModelError("x"), 503), (BundleError("x"), 503)],
)
def test_the_spool_is_gone_whatever_becomes_of_it(
    spools: Path, error: Exception, status: int
) -> None:
    reader = Reader(error)
    answer = ask(reader, [CLIP])
    assert (answer.status, answer.json["error"]) == (status, "x")
    assert len(reader.paths) == 1
    assert list(spools.iterdir()) == []


def test_options_are_the_query_strings() -> None:
    service = Near()
    query = "top_k=7&exclude=a&exclude=b+c&min_similarity=-0.25"
    app = app_with(Reader(), service=service)
    answer = asyncio.run(upload(app, [CLIP], query, content_type="audio/ogg"))
    assert answer.status == 200
    wanted = service.asked[0]
    assert (wanted.top_k, wanted.exclude, wanted.min_similarity) == (7, ["a", "b c"], -0.25)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("top_k=0", "top_k: '0', expected a whole number from 1 to 100"),
        ("top_k=1&top_k=2", "'top_k': given more than once, expected once"),
        ("exclude=", "exclude[0]: '', expected up to 100 names"),
        ("song=a", "'song': unknown, expected one of top_k, "),
        ("min_similarity=nan", "min_similarity: 'nan', expected a number from -1 to 1"),
        ("&".join(["exclude=a"] * 101), "exclude: "),
    ],
)
def test_options_that_make_no_sense_say_why_before_the_clip_is_read(query: str, error: str) -> None:
    answer = asyncio.run(upload(app_with(Reader()), [CLIP], query, content_type="audio/ogg"))
    assert (answer.status, answer.taken) == (422, 0)
    assert answer.json["error"].startswith(error)
