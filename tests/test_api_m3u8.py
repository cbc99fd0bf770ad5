"""HTTP: lists of songs as m3u8: who gets one instead of JSON, and what is in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.app import create_app
from handler.asgi import App
from handler.lists.files import Files
from handler.lists.formats import playlist_type
from handler.lists.routes import ListRoutes
from tests.services import service_of
from tests.serving import call, random_vectors


def accepting(app: App, path: str, body: Any, accept: str) -> Any:
    return call(app, "POST", path, body, headers=[(b"accept", accept.encode())])


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
