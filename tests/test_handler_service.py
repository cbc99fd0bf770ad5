"""What the API answers, without HTTP, over songs and embeddings in memory."""

from __future__ import annotations

import numpy as np
import pytest

from embed.errors import NoSuchSongError, SearchError
from handler.parse import InvalidRequestError, parse_songs
from handler.schemas import RecommendRequest, SongsQuery
from tests.services import recommended, service_of, songs_of
from tests.serving import at_similarities, random_vectors, unit


def test_the_answer_is_the_contracts() -> None:
    found = service_of(
        at_similarities(0.9077, 0.5), ["LEEAAV - IN THIS DARK", "x - one", "y - two"]
    )
    answer = found.recommend(RecommendRequest(song="in this dark", top_k=3))
    assert answer == {
        "matched": "LEEAAV - IN THIS DARK",
        "recommendations": [
            {"song": "x - one", "similarity": 0.9077},
            {"song": "y - two", "similarity": 0.5},
        ],
        "error": None,
    }
    assert list(answer) == ["matched", "recommendations", "error"]


def test_several_songs_are_pooled() -> None:
    vectors = random_vectors(40)
    found = service_of(vectors)
    query = unit(vectors[[3, 8, 20]].astype(float).mean(axis=0))
    order = [row for row in np.argsort(-(vectors @ query)) if row not in (3, 8, 20)][:5]
    asked = ["song 003", "song 008", "song 020"]
    assert songs_of(found, songs=asked) == [f"song {row:03}" for row in order]
    assert recommended(found, songs=asked) == recommended(found, songs=asked[::-1])
    answer = found.recommend(RecommendRequest(songs=asked))
    assert answer["matched"] == asked


def test_a_list_of_one_song_is_that_song() -> None:
    found = service_of(random_vectors(40))
    assert recommended(found, songs=["song 003"]) == recommended(found, song="song 003")


def test_a_song_named_twice_counts_once() -> None:
    found = service_of(random_vectors(40))
    twice = {"songs": ["song 003", "song 008", "song 003"]}
    assert recommended(found, **twice) == recommended(found, songs=["song 003", "song 008"])
    matched = found.recommend(RecommendRequest(**twice))["matched"]
    assert matched == ["song 003", "song 008", "song 003"]


def test_opposite_songs_have_no_answer() -> None:
    vector = random_vectors(1)
    with pytest.raises(SearchError, match="opposites"):
        recommended(service_of(np.vstack([vector, -vector])), songs=["song 000", "song 001"])


def test_other_matches_are_listed_by_name_up_to_twenty() -> None:
    found = service_of(random_vectors(40))
    answer = found.recommend(RecommendRequest(song="song"))
    assert answer["matched"] == "song 000"
    assert answer["also"] == [f"song {row:03}" for row in range(1, 21)]
    several = found.recommend(RecommendRequest(songs=["song 03", "song 001"]))
    assert several["matched"] == ["song 030", "song 001"]
    assert several["also"] == {"song 03": [f"song {row:03}" for row in range(31, 40)]}


def test_an_unknown_song_suggests_the_closest_names() -> None:
    found = service_of(random_vectors(9))
    with pytest.raises(NoSuchSongError, match="no song is named like 'nobody'") as caught:
        found.recommend(RecommendRequest(songs=["song 001", "nobody"]))
    assert caught.value.suggestions == [f"song {row:03}" for row in range(5)]


def test_health_says_what_is_served() -> None:
    assert service_of(random_vectors(3)).health() == {
        "status": "ok",
        "songs_loaded": 3,
        "model": {"id": "tiny", "kind": "sample", "precision": "fp32"},
        "spec": "0123456789ab",
        "bundle": "ba98",
    }


@pytest.mark.parametrize("q", ["", "song 1", "g 01"])
@pytest.mark.parametrize("limit", [1, 7, 1_000])
def test_pages_add_up_to_the_whole(q: str, limit: int) -> None:
    found = service_of(random_vectors(150))
    cursor, names, pages = None, [], 0
    while pages == 0 or cursor is not None:
        page = found.songs(SongsQuery(q=q, limit=limit, cursor=cursor))
        assert len(page["songs"]) == limit or page["next_cursor"] is None
        names += page["songs"]
        cursor = page["next_cursor"]
        pages += 1
    assert names == [f"song {row:03}" for row in range(150) if q in f"song {row:03}"]
    assert pages == max(1, -(-len(names) // limit))


def test_all_songs_up_to_a_thousand_come_at_once() -> None:
    found = service_of(random_vectors(1_001))
    page = found.songs(parse_songs([]))
    assert (len(page["songs"]), page["next_cursor"] is None) == (1_000, False)
    last = found.songs(parse_songs([("cursor", page["next_cursor"])]))
    assert last == {"songs": ["song 1000"], "next_cursor": None}


def test_a_cursor_past_the_end_ends_the_list() -> None:
    cursor = service_of(random_vectors(50)).songs(parse_songs([("limit", "40")]))["next_cursor"]
    shrunk = service_of(random_vectors(10)).songs(parse_songs([("cursor", cursor)]))
    assert shrunk == {"songs": [], "next_cursor": None}


@pytest.mark.parametrize(
    "cursor", ["", "abc", "cm93OjI=", "cm93Oi0x", "cm93OiAy", "cm93OjAy", "é", "a" * 5000, "row:2"]
)
def test_a_cursor_of_other_origin_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequestError, match="expected the next_cursor of an earlier answer"):
        service_of(random_vectors(5)).songs(SongsQuery(cursor=cursor))


def test_few_songs_are_answered_at_once_and_many_in_a_thread() -> None:
    few = service_of(random_vectors(10))
    many = service_of(np.repeat(random_vectors(1), 5_001, axis=0))
    assert (few.is_quick, many.is_quick) == (True, False)
