"""/recommend/text: what words find, how it is asked, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.asgi import App
from handler.schemas import RecommendResponse
from tests.serving import NAMES, call, random_vectors, unit
from tests.tiny_text import tiny_text_embedding
from tests.words import PATH, get, post, songs


def nearest(query: np.ndarray) -> list[str]:
    similarities = random_vectors(len(NAMES)) @ query
    return [NAMES[row] for row in np.argsort(-similarities, kind="stable")]


def test_words_find_the_songs_nearest_to_their_embedding(app: App) -> None:
    expected = nearest(tiny_text_embedding("slow dark piano"))
    assert songs(get(app, "q=slow+dark+piano&top_k=10")) == expected
    assert songs(post(app, text="slow dark piano", top_k=3)) == expected[:3]
    assert get(app, "q=slow+dark+piano").body == post(app, text="slow dark piano").body


def test_minus_is_taken_away(app: App) -> None:
    wanted, drums, loud = map(tiny_text_embedding, ("piano", "drums", "loud"))
    assert songs(post(app, text="piano", minus="drums", top_k=10)) == nearest(wanted - drums)
    both = unit(drums + loud)
    half = nearest(wanted - 0.5 * both)
    body = {"text": "piano", "minus": ["drums", "loud"], "minus_weight": 0.5, "top_k": 10}
    assert songs(post(app, **body)) == half
    assert songs(get(app, "q=piano&minus=drums&minus=loud&minus_weight=0.5&top_k=10")) == half
    assert half != nearest(wanted)  # else it shows nothing


def test_options_are_those_of_every_recommendation(app: App) -> None:
    expected = nearest(tiny_text_embedding("piano"))
    left = [name for name in expected if "Queen -" not in name and name != NAMES[8]]
    found = get(app, "q=piano&top_k=100&exclude=queen+-&exclude=creep&exclude=no+such+song")
    assert songs(found) == left
    assert found.json["exclude_unmatched"] == ["no such song"]
    assert songs(post(app, text="piano", min_similarity=1)) == []


def test_options_that_came_later_hold_too(app: App) -> None:
    first = songs(get(app, "q=piano&top_k=1"))[0]
    found = get(app, "q=piano&top_k=100&max_per_artist=1&not_like=creep&diversity=0.3")
    artists = [name.partition(" - ")[0] for name in songs(found)]
    assert len(set(artists)) == len(artists) > 4
    assert found.json["not_like"] == ["Radiohead - Creep"]
    assert songs(post(app, text="piano", diversity=0.0, top_k=1)) == [first]
    missing = get(app, "q=piano&not_like=no+such+song+at+all")
    assert (missing.status, missing.json["recommendations"]) == (404, [])


def test_songs_are_a_playlist_for_whoever_prefers_one(app: App) -> None:
    names = songs(get(app, "q=piano&top_k=3"))
    accept = [(b"accept", b"audio/x-mpegurl")]
    for answer in (
        call(app, "GET", PATH, query="q=piano&top_k=3", headers=accept),
        call(app, "POST", PATH, {"text": "piano", "top_k": 3}, headers=accept),
    ):
        assert (answer.status, answer.content_type) == (200, "audio/x-mpegurl")
        lines = answer.body.decode().splitlines()
        assert lines[0] == "#EXTM3U"
        assert lines[1::2] == [f"#EXTINF:200,{name}" for name in names]
        assert lines[2::2] == [f"{name}.ogg" for name in names]
    browser = [(b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")]
    assert call(app, "GET", PATH, query="q=piano", headers=browser).json["recommendations"]


def test_space_around_a_text_says_nothing(app: App) -> None:
    assert get(app, "q=++piano%0A").body == get(app, "q=piano").body


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", "q: missing, expected a text of 1 to 1,000 characters, not only spaces"),
        ("q=", "q: '', expected a text of 1"),
        ("q=%20%09%E3%80%80", "expected a text of 1 to 1,000 characters, not only spaces"),
        ("q=" + "x" * 1_001, "q: 'xxx"),
        ("q=a&q=b", "'q': given more than once, expected once"),
        ("q=a&top_k=x", "top_k: 'x', expected a whole number from 1 to 100"),
        ("q=a&top_k=1.5", "top_k: '1.5', expected a whole number from 1 to 100"),
        ("q=a&minus=", "minus[0]: '', expected a text of 1 to 1,000 characters, not only spaces"),
        ("q=a" + "&minus=b" * 11, 'minus: ["b", "b"'),
        ("q=a&minus_weight=3", "minus_weight: '3', expected a number from 0 to 2"),
        ("q=a&minus_weight=nan", "minus_weight: 'nan', expected a number from 0 to 2"),
        ("q=a&text=b", "'text': unknown, expected one of q, minus, "),
        ("q=slow&minus=slow", "text, minus: mean the same, so that nothing is left to look for"),
    ],
)
def test_bad_queries_are_told_what_was_wrong(app: App, query: str, error: str) -> None:
    answer = get(app, query)
    assert answer.status == 422
    assert error in answer.json.pop("error")
    assert answer.json["matched"] is None
    assert answer.json["recommendations"] == []


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({}, 422, "text: missing, expected a text of 1 to 1,000 characters"),
        ({"text": 5}, 422, "text: 5, expected a text of 1"),
        ({"text": "a", "top_k": "5"}, 422, "top_k: '5', expected a whole number"),
        ({"text": "a", "minus": [""]}, 422, "minus[0]: '', expected a text of 1"),
        ({"text": "a", "minus": ["b"] * 11}, 422, "minus: "),
        ({"text": "a", "minus": {}}, 422, "minus: {}, expected a text of 1"),
        ({"text": "a", "q": "b"}, 422, "'q': unknown, expected one of text, minus, "),
        ([], 422, "body: [], expected a JSON object"),
        (b"{", 400, "body: not JSON"),
        (b" " * 65_537, 413, "body: longer than 65536 bytes"),
    ],
)
def test_bad_bodies_are_told_what_was_wrong(app: App, body: Any, status: int, error: str) -> None:
    answer = call(app, "POST", PATH, body)
    assert (answer.status, answer.json["recommendations"]) == (status, [])
    assert error in answer.json["error"]


def test_a_browser_form_is_refused(app: App) -> None:
    answer = call(app, "POST", PATH, {"text": "a"}, content_type="text/plain")
    assert answer.status == 415


def test_other_methods_are_told_both(app: App) -> None:
    answer = call(app, "PUT", PATH)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
    assert answer.json["error"] == "method: 'PUT', expected GET, POST"


TEXTS = st.text(min_size=1, max_size=40) | st.sampled_from(["slow", "piano", "drums"])


@given(TEXTS, st.lists(TEXTS, max_size=3), st.floats(0, 2, allow_subnormal=False))
def test_no_words_are_a_5xx(app: App, text: str, minus: list[str], weight: float) -> None:
    answer = post(app, text=text, minus=minus, minus_weight=weight)
    assert answer.status in (200, 422)
    RecommendResponse.model_validate_json(answer.body)


def test_the_models_say_what_is_answered(app: App) -> None:
    document = call(app, "GET", "/openapi.json").json
    asked = document["paths"][PATH]
    get, both = {"200", "404", "405", "422", "500", "501", "503"}, {"400", "413", "415"}
    assert set(asked["get"]["responses"]) == get
    assert set(asked["post"]["responses"]) == get | both
    fields = {one["name"]: one for one in asked["get"]["parameters"]}
    assert fields["q"]["required"]
    assert not fields["minus"]["required"]
    assert {"top_k", "exclude", "min_similarity"} <= set(fields)
    minus = document["components"]["schemas"]["TextRequest"]["properties"]["minus"]
    assert [one["type"] for one in minus["anyOf"]] == ["string", "array"]
    json.dumps(document)
