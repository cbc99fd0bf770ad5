"""HTTP: playlists as JSON, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.app import create_app
from handler.asgi import App
from handler.lists.files import Files
from handler.lists.routes import ListRoutes
from handler.lists.schemas import PlaylistResponse
from tests.services import app_of, service_of
from tests.serving import NAMES, at_similarities, call, random_vectors, song, write_bundle

NOTHING = {"matched": [], "songs": []}


def test_a_playlist_answers_as_the_contract_says(tmp_path: Path) -> None:
    names = ["A - from", "B - between", "C - to"]
    vectors = at_similarities(0.8, 0.6)
    app = app_of(write_bundle(tmp_path / "b", [song(name) for name in names], vectors))
    answer = call(app, "POST", "/playlist", {"from": "from", "to": "c - to", "n": 3})
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert answer.body == (
        b'{"matched":["A - from","C - to"],"songs":[{"song":"A - from","similarity":null},'
        b'{"song":"B - between","similarity":0.8},{"song":"C - to","similarity":0.48}],'
        b'"error":null}'
    )
    answer = call(app, "POST", "/playlist", {"songs": ["from"], "n": 1})
    assert answer.json == {
        "matched": ["A - from"],
        "songs": [{"song": "B - between", "similarity": 0.8}],
        "error": None,
    }


def test_what_is_optional_is_told_when_there_is_something_to_tell(app: App) -> None:
    body = {"from": "queen", "to": "creep", "exclude": ["nobody"], "not_like": ["abba"]}
    answer = call(app, "POST", "/playlist", body).json
    assert answer["also"] == {"queen": ["Queen - Don't Stop Me Now", "Queen - Somebody to Love"]}
    assert answer["matched"] == [NAMES[0], "Radiohead - Creep"]
    assert answer["exclude_unmatched"] == ["nobody"]
    assert answer["not_like"] == [NAMES[0]]


def test_an_unknown_song_is_404_with_suggestions(app: App) -> None:
    for body in (
        {"from": "creep", "to": "purple rain"},
        {"songs": ["purple rain"]},
        {"songs": ["creep"], "not_like": ["purple rain"]},
        {"these": ["creep", "purple rain"]},
    ):
        answer = call(app, "POST", "/playlist", body)
        assert answer.status == 404
        assert len(answer.json["suggestions"]) == 5
        PlaylistResponse.model_validate_json(answer.body)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"{", 400, "body: not JSON"),
        ({}, 422, "from, to, songs, these: none given, expected from and to, or songs, or these"),
        ({"from": "a"}, 422, "from, to, songs, these: from given, expected from and to, or songs"),
        ({"to": "a", "songs": ["b"]}, 422, "from, to, songs, these: to and songs given, expected"),
        ({"from": "a", "to": "b", "songs": ["c"]}, 422, "from, to, songs, these: from and to and"),
        ({"songs": ["a"], "these": ["b"]}, 422, "from, to, songs, these: songs and these given"),
        ({"these": []}, 422, "these: [], expected 1 to 1,000 names of 1 to 1,000 characters"),
        ({"these": ["a"] * 1_001}, 422, "these: "),
        ({"these": ["a"], "n": 10}, 422, "n: given, expected nothing beside these"),
        (
            {"these": ["a"], "exclude": [], "diversity": 0.0},
            422,
            "exclude, diversity: given, expected nothing beside these",
        ),
        ({"from": "a", "to": "b", "n": 1}, 422, "n: 1, expected 2 to 100 with from and to"),
        ({"from": "a", "to": "b", "n": 101}, 422, "n: 101, expected a whole number from 1 to 100"),
        ({"from": "", "to": "b"}, 422, "from: '', expected a name of 1 to 1,000 characters"),
        (
            {"from": "a", "to": "b", "diversity": 0.5},
            422,
            "diversity: 0.5, expected 0 with from and to",
        ),
        ({"songs": [], "n": 3}, 422, "songs: [], expected 1 to 50 names"),
        ({"songs": ["a"], "n": 0}, 422, "n: 0, expected a whole number from 1 to 100"),
        ({"songs": ["a"], "n": "3"}, 422, "n: '3', expected a whole number from 1 to 100"),
        (
            {"songs": ["a"], "diversity": 1.1},
            422,
            "diversity: 1.1, expected a number from 0 to 1",
        ),
        (
            {"songs": ["a"], "max_per_artist": 0},
            422,
            "max_per_artist: 0, expected a whole number, 1 or more",
        ),
        (
            {"songs": ["a"], "top_k": 3},
            422,
            "'top_k': unknown, expected one of from, to, songs, these, n, exclude, not_like, "
            "diversity, max_per_artist",
        ),
        ({"songs": ["a"], "start": "b"}, 422, "'start': unknown, expected one of from, to"),
        (
            {"from": "creep", "to": "radiohead"},
            422,
            "from, to: 'Radiohead - Creep' and 'Radiohead - Creep' are one recording, expected two",
        ),
    ],
)
def test_bad_playlists_are_told_what_was_wrong(
    app: App, body: Any, status: int, error: str
) -> None:
    answer = call(app, "POST", "/playlist", body)
    assert (answer.status, answer.content_type) == (status, "application/json")
    assert answer.json["error"].startswith(error)
    assert answer.json == {**NOTHING, "error": answer.json["error"]}


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("not_like", ["a"] * 51, "not_like: "),
        ("not_like", [""], "not_like[0]: '', expected up to 50 names of 1 to 1,000 characters"),
        ("diversity", -0.1, "diversity: -0.1, expected a number from 0 to 1"),
        ("diversity", True, "diversity: true, expected a number from 0 to 1"),
        ("max_per_artist", 1.5, "max_per_artist: 1.5, expected a whole number, 1 or more"),
    ],
)
def test_recommend_refuses_the_same(app: App, field: str, value: Any, error: str) -> None:
    answer = call(app, "POST", "/recommend", {"song": "creep", field: value})
    assert answer.status == 422
    assert answer.json["error"].startswith(error)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(NAMES) | st.text(),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=5,
)
FIELDS = [
    *(
        "from",
        "to",
        "songs",
        "these",
        "n",
        "exclude",
        "not_like",
        "diversity",
        "max_per_artist",
        "x",
    ),
]


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES) | VALUES)
def test_no_json_body_is_a_5xx(app: App, body: Any) -> None:
    answer = call(app, "POST", "/playlist", body)
    assert answer.status in (200, 400, 404, 422)
    PlaylistResponse.model_validate_json(answer.body)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "n": st.integers(2, 100),
            "exclude": st.lists(st.sampled_from(NAMES), max_size=5),
            "not_like": st.lists(st.sampled_from(NAMES), max_size=5),
            "max_per_artist": st.integers(1, 3),
        },
    ),
    st.lists(st.sampled_from(NAMES), min_size=2, max_size=2, unique=True),
    st.booleans(),
)
def test_sensible_playlists_are_answered(
    app: App, options: dict[str, Any], ends: list[str], is_journey: bool
) -> None:
    seeds = {"from": ends[0], "to": ends[1]} if is_journey else {"songs": ends}
    answer = call(app, "POST", "/playlist", {**seeds, **options})
    assert answer.status == 200
    songs = [one["song"] for one in answer.json["songs"]]
    assert len(songs) == len(set(songs)) <= options.get("n", 10)
    if is_journey:
        assert [songs[0], songs[-1]] == ends
    inner = songs[1:-1] if is_journey else songs
    assert not {*inner} & {*options.get("exclude", []), *options.get("not_like", []), *ends}


def test_embeddings_that_point_nowhere_together_are_422() -> None:
    vector = random_vectors(1)
    service = service_of(np.vstack([vector, -vector]))
    app = create_app(service, features=[ListRoutes(service, Files())])
    for body in ({"songs": ["000", "001"]}, {"from": "000", "to": "001"}):
        answer = call(app, "POST", "/playlist", body)
        assert answer.status == 422
        assert "opposites" in answer.json["error"]
