"""HTTP: pairs of songs a page at a time, and pages that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from handler.asgi import App
from handler.lists.schemas import PairsResponse
from tests.services import app_of
from tests.serving import call, random_vectors, song, write_bundle


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
