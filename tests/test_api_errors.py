"""HTTP: what is refused, with which status, and that the body says what was wrong."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from embed.errors import AudioError, BundleError, ModelError, SearchError, StarvedError, VibeError
from handler.app import create_app
from handler.asgi import App
from tests.services import Silent, app_of
from tests.serving import call, named_bundle

FIELDS = {"matched": None, "recommendations": []}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return app_of(named_bundle(tmp_path_factory.mktemp("api") / "bundle"))


LONG = "x" * 1_001
EXPECTED_NAME = "expected a name of 1 to 1,000 characters"
EXPECTED_TOP_K = "expected a whole number from 1 to 100"
EXPECTED_SIMILARITY = "expected a number from -1 to 1"


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 400, "body: not JSON: EOF while parsing a value at line 1 column 0"),
        (b"{", 400, "body: not JSON: EOF while parsing an object at line 1 column 1"),
        (b"song=in+this+dark", 400, "body: not JSON: expected value at line 1 column 1"),
        (b'{"song":"\xff"}', 400, "body: not JSON: invalid unicode code point"),
        (b'{"song":"\\ud800"}', 400, "body: not JSON: "),
        (b'{"song":"a\0b"}', 400, "body: not JSON: "),
        (b"[" * 5_000, 400, "body: not JSON: recursion limit exceeded"),
        ([], 422, "body: [], expected a JSON object"),
        ("song", 422, "body: 'song', expected a JSON object"),
        (None, 422, "body: null, expected a JSON object"),
        ({}, 422, "song, songs: neither is given, expected one of them"),
        ({"song": None}, 422, "song, songs: neither is given, expected one of them"),
        ({"song": "a", "songs": ["a"]}, 422, "song, songs: both are given, expected one of them"),
        ({"song": ""}, 422, f"song: '', {EXPECTED_NAME}"),
        ({"song": " \t\n"}, 422, f"song: ' \\t\\n', {EXPECTED_NAME}"),
        ({"song": LONG}, 422, f"song: '{'x' * 78}…, {EXPECTED_NAME}"),
        ({"song": 7}, 422, f"song: 7, {EXPECTED_NAME}"),
        ({"song": ["a"]}, 422, f'song: ["a"], {EXPECTED_NAME}'),
        ({"songs": []}, 422, "songs: [], expected 1 to 50 names of 1 to 1,000 characters"),
        ({"songs": "a"}, 422, "songs: 'a', expected 1 to 50 names of 1 to 1,000 characters"),
        ({"songs": ["a"] * 51}, 422, "songs: "),
        ({"songs": ["a", 7]}, 422, "songs[1]: 7, expected 1 to 50 names of 1 to 1,000 characters"),
        ({"song": "a", "top_k": 0}, 422, f"top_k: 0, {EXPECTED_TOP_K}"),
        ({"song": "a", "top_k": 101}, 422, f"top_k: 101, {EXPECTED_TOP_K}"),
        ({"song": "a", "top_k": -1}, 422, f"top_k: -1, {EXPECTED_TOP_K}"),
        ({"song": "a", "top_k": 1.5}, 422, f"top_k: 1.5, {EXPECTED_TOP_K}"),
        ({"song": "a", "top_k": "3"}, 422, f"top_k: '3', {EXPECTED_TOP_K}"),
        ({"song": "a", "top_k": True}, 422, f"top_k: true, {EXPECTED_TOP_K}"),
        ({"song": "a", "top_k": None}, 422, f"top_k: null, {EXPECTED_TOP_K}"),
        (b'{"song":"a","top_k":NaN}', 422, f"top_k: NaN, {EXPECTED_TOP_K}"),
        (b'{"song":"a","top_k":' + b"9" * 5_000 + b"}", 400, "body: not JSON: number out of range"),
        (b'{"song":"a","min_similarity":NaN}', 422, f"min_similarity: NaN, {EXPECTED_SIMILARITY}"),
        (
            b'{"song":"a","min_similarity":-Infinity}',
            422,
            f"min_similarity: -Infinity, {EXPECTED_SIMILARITY}",
        ),
        (b'{"song":"a","min_similarity":1e999}', 422, "min_similarity: "),
        (
            {"song": "a", "min_similarity": 1.01},
            422,
            f"min_similarity: 1.01, {EXPECTED_SIMILARITY}",
        ),
        ({"song": "a", "exclude": "b"}, 422, "exclude: 'b', expected up to 100 names"),
        ({"song": "a", "exclude": ["b", ""]}, 422, "exclude[1]: '', expected up to 100 names"),
        ({"song": "a", "exclude": ["b"] * 101}, 422, "exclude: "),
        (
            {"song": "a", "exclude_same_artist": 1},
            422,
            "exclude_same_artist: 1, expected true or false",
        ),
        (
            {"song": "a", "topk": 3},
            422,
            "'topk': unknown, expected one of song, songs, exclude_same_artist, "
            "top_k, exclude, min_similarity",
        ),
        ({"song": "\x1c"}, 404, "no song is named like '\\x1c'"),
        ({"song": "\0"}, 404, "no song is named like '\\x00'"),
        ({"song": "\U0010ffff" * 1_000}, 404, "no song is named like "),
    ],
)
def test_bad_requests_are_told_what_was_wrong(app: App, body: Any, status: int, error: str) -> None:
    answer = call(app, "POST", "/recommend", body)
    found = answer.json
    assert (answer.status, answer.content_type) == (status, "application/json")
    assert found["error"].startswith(error)
    found.pop("suggestions", None)
    assert found == {**FIELDS, "error": found["error"]}
    assert len(found["error"]) < 500


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("limit=0", "limit: '0', expected a whole number from 1 to 1,000"),
        ("limit=1001", "limit: '1001', expected a whole number from 1 to 1,000"),
        ("limit=", "limit: '', expected a whole number from 1 to 1,000"),
        ("limit=ten", "limit: 'ten', expected a whole number from 1 to 1,000"),
        ("limit=" + "9" * 5_000, "limit: "),
        ("cursor=nonsense", "cursor: 'nonsense', expected the next_cursor of an earlier answer"),
        ("cursor=", "cursor: '', expected the next_cursor of an earlier answer"),
        ("query=queen", "'query': unknown, expected one of q, limit, cursor"),
        ("q=a&q=b", "'q': given more than once, expected once"),
        ("q=" + LONG, f"q: '{'x' * 78}…, expected part of a name, up to 1,000 characters"),
    ],
)
def test_bad_queries_are_told_what_was_wrong(app: App, query: str, error: str) -> None:
    answer = call(app, "GET", "/songs", query=query)
    assert (answer.status, answer.content_type) == (422, "application/json")
    assert answer.json["error"].startswith(error)
    assert list(answer.json) == ["error"]


def test_a_cursor_beyond_all_numbers_ends_the_list(app: App) -> None:
    cursor = base64.urlsafe_b64encode(b"row:" + b"9" * 30).decode().rstrip("=")
    for query in (f"cursor={cursor}", f"q=queen&cursor={cursor}"):
        answer = call(app, "GET", "/songs", query=query)
        assert (answer.status, answer.json) == (200, {"songs": [], "next_cursor": None})


@pytest.mark.parametrize("query", ["q=%ED%A0%80", "q=%00", "q=%FF", "q=%22", "q=%25", "q=\x7f"])
def test_odd_filters_find_nothing(app: App, query: str) -> None:
    answer = call(app, "GET", "/songs", query=query)
    assert (answer.status, answer.json) == (200, {"songs": [], "next_cursor": None})


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (None, 200),
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/vnd.api+json", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
        ("é", 415),
    ],
)
def test_bodies_are_json_or_say_nothing(app: App, content_type: str | None, status: int) -> None:
    answer = call(app, "POST", "/recommend", {"song": "creep"}, content_type=content_type)
    assert answer.status == status
    if status == 415:
        assert answer.json["error"].startswith("content-type: ")
        assert answer.json["error"].endswith(", expected application/json")


def test_a_body_may_be_as_long_as_allowed(tmp_path: Path) -> None:
    app = create_app(Silent(), max_body_bytes=100)
    body = b'{"song":"a"}'
    assert call(app, "POST", "/recommend", body.ljust(100)).status == 200
    answer = call(app, "POST", "/recommend", body.ljust(101))
    assert (answer.status, answer.json["error"]) == (413, "body: longer than 100 bytes")
    assert answer.json == {**FIELDS, "error": answer.json["error"]}


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nope", 404, "'/nope': no such page, see /docs"),
        ("GET", "/songs/x", 404, "'/songs/x': no such page, see /docs"),
        ("POST", "/songs", 405, "method: 'POST', expected GET"),
        ("DELETE", "/health", 405, "method: 'DELETE', expected GET"),
        ("GET", "/recommend", 405, "method: 'GET', expected POST"),
        ("OPTIONS", "/recommend", 405, "method: 'OPTIONS', expected POST"),
    ],
)
def test_unknown_pages_and_wrong_methods_answer_json(
    app: App, method: str, path: str, status: int, error: str
) -> None:
    answer = call(app, method, path)
    assert (answer.status, answer.content_type) == (status, "application/json")
    assert answer.json["error"] == error
    assert ("matched" in answer.json) == (path == "/recommend")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SearchError("a"), 422),
        (AudioError("b"), 422),
        (ModelError("c"), 503),
        (BundleError("d"), 503),
        (VibeError("e"), 503),
    ],
)
def test_every_error_of_ours_has_a_status(error: VibeError, status: int) -> None:
    answer = call(create_app(Silent(error)), "POST", "/recommend", {"song": "a"})
    assert (answer.status, answer.json) == (status, {**FIELDS, "error": str(error)})


def test_a_busy_machine_says_when_to_come_back() -> None:
    answer = call(create_app(Silent(StarvedError("a", 7))), "POST", "/recommend", {"song": "a"})
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")


def test_an_error_that_is_not_ours_tells_the_client_nothing_but_where_to_look(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = create_app(Silent(ZeroDivisionError("secret")))
    answer = call(app, "POST", "/recommend", {"song": "a"}, x_request_id="id-1")
    assert (answer.status, answer.content_type) == (500, "application/json")
    assert answer.json == {
        **FIELDS,
        "error": "internal error; the log tells more of request id-1",
    }
    assert answer.headers["x-request-id"] == "id-1"
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "secret"
