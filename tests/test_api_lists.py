"""HTTP: playlists as JSON and as m3u8, pairs a page at a time, and what is refused."""

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
from handler.lists.formats import playlist_type
from handler.lists.routes import ListRoutes
from handler.lists.schemas import PairsResponse, PlaylistResponse
from tests.services import app_of, service_of
from tests.serving import (
    NAMES,
    at_similarities,
    call,
    named_bundle,
    random_vectors,
    song,
    write_bundle,
)

NOTHING = {"matched": [], "songs": []}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return app_of(named_bundle(tmp_path_factory.mktemp("lists") / "bundle"))


def accepting(app: App, path: str, body: Any, accept: str) -> Any:
    return call(app, "POST", path, body, headers=[(b"accept", accept.encode())])


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


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("audio/x-mpegurl", "audio/x-mpegurl"),
        ("audio/mpegurl", "audio/mpegurl"),
        ("application/vnd.apple.mpegurl", "application/vnd.apple.mpegurl"),
        ("AUDIO/X-MPEGURL; q=0.5", "audio/x-mpegurl"),
        ("audio/x-mpegurl, */*;q=0.1", "audio/x-mpegurl"),
        ("*/*, audio/x-mpegurl", "audio/x-mpegurl"),
        ("audio/*", "audio/x-mpegurl"),
        ("audio/mpegurl;q=0.8, audio/x-mpegurl;q=0.9", "audio/x-mpegurl"),
        ("audio/mpegurl, audio/x-mpegurl", "audio/mpegurl"),
        ("audio/x-mpegurl, application/json", "audio/x-mpegurl"),
        ("application/json, audio/x-mpegurl", None),
        ("audio/x-mpegurl;q=0.5, application/json;q=0.6", None),
        ("audio/x-mpegurl;q=0.5, */*", None),
        ("audio/x-mpegurl;q=0", None),
        ("audio/x-mpegurl;q=nan", None),
        ("audio/x-mpegurl;q=1e9", None),
        ("audio/ogg", None),
        ("*/*", None),
        ("text/html", None),
        ("", None),
        (";;,=;q", None),
    ],
)
def test_a_playlist_comes_to_those_who_prefer_it(accept: str, kind: str | None) -> None:
    assert playlist_type([(b"host", b"x"), (b"accept", accept.encode())]) == kind


def test_who_accepts_nothing_in_particular_gets_json() -> None:
    assert playlist_type([(b"host", b"x")]) is None
    twice = [(b"accept", b"text/html"), (b"accept", b"audio/x-mpegurl")]
    assert playlist_type(twice) == "audio/x-mpegurl"


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_no_accept_header_breaks_it(accept: str) -> None:
    playlist_type([(b"accept", f"audio/x-mpegurl;q={accept}".encode("latin-1"))])
    playlist_type([(b"accept", f"audio/{accept}".encode("latin-1"))])


def test_an_m3u8_holds_the_songs_of_the_answer(app: App) -> None:
    body = {"from": "creep", "to": "björk", "n": 6}
    answer = accepting(app, "/playlist", body, "audio/x-mpegurl")
    assert (answer.status, answer.content_type) == (200, "audio/x-mpegurl")
    assert answer.headers["content-disposition"] == 'attachment; filename="playlist.m3u8"'
    songs = [one["song"] for one in call(app, "POST", "/playlist", body).json["songs"]]
    assert len(songs) > 2
    lines = answer.body.decode().splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[1::2] == [f"#EXTINF:200,{name}" for name in songs]
    assert lines[2::2] == [f"{name}.ogg" for name in songs]


def test_a_list_made_by_hand_is_a_file_too(app: App) -> None:
    """Its order, twice the same song and all; where files lie only the server knows."""
    names = ["Radiohead - Creep", "Björk - Army of Me", "Radiohead - Creep"]
    found = call(app, "POST", "/playlist", {"these": names}).json
    assert found["matched"] == [one["song"] for one in found["songs"]] == names
    first, there, back = (one["similarity"] for one in found["songs"])
    assert first is None
    assert there == back
    like = call(app, "POST", "/recommend", {"song": names[0], "top_k": 100}).json
    assert {"song": names[1], "similarity": there} in like["recommendations"]
    answer = accepting(app, "/playlist", {"these": names}, "audio/x-mpegurl")
    lines = answer.body.decode().splitlines()
    assert lines[2::2] == [f"{name}.ogg" for name in names]


def test_a_list_made_by_hand_may_be_long() -> None:
    service = service_of(random_vectors(1_000))
    app = create_app(service, features=[ListRoutes(service, Files())])
    names = [f"song {row:03}" for row in reversed(range(1_000))]
    found = call(app, "POST", "/playlist", {"these": names}).json
    assert [one["song"] for one in found["songs"]] == names


def test_recommendations_are_a_playlist_too(app: App) -> None:
    answer = accepting(app, "/recommend", {"song": "creep"}, "audio/mpegurl")
    assert (answer.status, answer.content_type) == (200, "audio/mpegurl")
    names = [
        one["song"]
        for one in call(app, "POST", "/recommend", {"song": "creep"}).json["recommendations"]
    ]
    assert answer.body.decode().splitlines()[1::2] == [f"#EXTINF:200,{name}" for name in names]


@pytest.mark.parametrize("path", ["/recommend", "/playlist"])
def test_errors_are_json_whatever_was_asked_for(app: App, path: str) -> None:
    answer = accepting(app, path, {"songs": ["purple rain"]}, "audio/x-mpegurl")
    assert (answer.status, answer.content_type) == (404, "application/json")


def test_songs_lie_where_the_operator_says() -> None:
    service = service_of(random_vectors(4), ["A - a b", "B - ü", "C - c", "D - d"])
    url = "https://host/my music/"
    features = [ListRoutes(service, Files(url))]
    app = create_app(service, features=features, music_url=url)
    for path in ("/playlist", "/recommend"):
        answer = accepting(app, path, {"songs": ["A - a b"]}, "audio/x-mpegurl")
        places = answer.body.decode().splitlines()[2::2]
        assert sorted(places) == [f"https://host/my music/{row}.ogg" for row in (1, 2, 3)]


def test_pairs_page_by_page(tmp_path: Path) -> None:
    names = ["A - x", "A - x (Live)", "B - y", "B - y (Remastered 2011)", "C - z"]
    vectors = random_vectors(5)
    vectors[3] = vectors[2]
    songs = [song(name) for name in names]
    app = app_of(write_bundle(tmp_path / "b", songs, vectors))
    whole = call(app, "GET", "/similar-pairs")
    PairsResponse.model_validate_json(whole.body)
    live, same = whole.json["pairs"]
    assert (live["kind"], [one["song"] for one in live["songs"]]) == ("version", names[:2])
    assert same == {
        "kind": "same",
        "similarity": 1.0,
        "songs": [
            {"song": name, "path": f"{name}.ogg", "duration_s": 200.5} for name in names[2:4]
        ],
    }
    first = call(app, "GET", "/similar-pairs", query="limit=1").json
    assert first["pairs"] == [live]
    rest = call(app, "GET", "/similar-pairs", query=f"limit=9&cursor={first['next_cursor']}")
    assert rest.json == {"pairs": [same], "next_cursor": None}
    only = call(app, "GET", "/similar-pairs", query="kind=same").json["pairs"]
    assert (
        only
        == [same]
        == call(app, "GET", "/similar-pairs", query="min_similarity=0.9").json["pairs"]
    )


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("kind=twin", "kind: 'twin', expected same, remaster, version, cover or close"),
        ("limit=0", "limit: '0', expected a whole number from 1 to 200"),
        ("limit=201", "limit: '201', expected a whole number from 1 to 200"),
        ("min_similarity=2", "min_similarity: '2', expected a number from -1 to 1"),
        ("min_similarity=nan", "min_similarity: 'nan', expected a number from -1 to 1"),
        ("cursor=cm93OjI", "cursor: 'cm93OjI', expected the next_cursor of an earlier answer"),
        ("cursor=%C3%A9", "cursor: 'é', expected the next_cursor of an earlier answer"),
        ("limit=1&limit=2", "'limit': given more than once, expected once"),
        ("x=1", "'x': unknown, expected one of kind, min_similarity, limit, cursor"),
    ],
)
def test_bad_pages_are_told_what_was_wrong(app: App, query: str, error: str) -> None:
    answer = call(app, "GET", "/similar-pairs", query=query)
    assert (answer.status, answer.json) == (422, {"error": error})


def test_a_cursor_past_the_end_ends_the_pairs(app: App) -> None:
    # pair:99999999999999999999:0
    query = "cursor=cGFpcjo5OTk5OTk5OTk5OTk5OTk5OTk5OTow"
    assert call(app, "GET", "/similar-pairs", query=query).json == {
        "pairs": [],
        "next_cursor": None,
    }


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
