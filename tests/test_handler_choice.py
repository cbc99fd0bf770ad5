"""Which songs an answer holds: the nearest, in order, nothing twice, nothing unwanted."""

from __future__ import annotations

import numpy as np
import pytest

from handler.schemas import RecommendRequest
from handler.service import Service
from tests.services import ABOUT, MemoryIndex, MemorySongs, recommended, service_of, songs_of
from tests.serving import NAMES, at_similarities, random_vectors, unit


@pytest.mark.parametrize("top_k", [1, 5, 8, 9, 20, 100])
def test_neighbours_are_the_nearest_and_never_the_seed(top_k: int) -> None:
    vectors = random_vectors(60)
    found = service_of(vectors)
    for seed in (0, 31, 59):
        similarities = vectors.astype(float) @ vectors[seed]
        order = [row for row in np.argsort(-similarities, kind="stable") if row != seed][:top_k]
        expected = [(f"song {row:03}", round(float(similarities[row]), 4)) for row in order]
        expected.sort(key=lambda pair: (-pair[1], pair[0]))
        assert recommended(found, song=f"song {seed:03}", top_k=top_k) == expected


def test_equal_similarities_come_by_name() -> None:
    vectors = at_similarities(0.5, 0.7, 0.5, 0.7)
    assert recommended(service_of(vectors), song="song 000") == [
        ("song 002", 0.7),
        ("song 004", 0.7),
        ("song 001", 0.5),
        ("song 003", 0.5),
    ]


def test_what_rounds_to_the_same_comes_by_name_but_the_nearer_is_chosen() -> None:
    vectors = at_similarities(0.50001, 0.50003, 0.50002)
    found = service_of(vectors)
    assert songs_of(found, song="song 000", top_k=3) == ["song 001", "song 002", "song 003"]
    assert songs_of(found, song="song 000", top_k=2) == ["song 002", "song 003"]


def test_a_song_alone_has_no_neighbours() -> None:
    assert recommended(service_of(random_vectors(1)), song="song 000", top_k=100) == []


@pytest.mark.parametrize(
    ("compare_all", "cosine", "is_same"),
    [(10, 0.99995, True), (0, 0.99995, True), (10, 0.9998, False), (0, 0.9998, False)],
)
def test_a_recording_comes_once(compare_all: int, cosine: float, is_same: bool) -> None:
    # 1 and 2 are one recording when their cosine says so; 3 is the seed's own.
    rows = np.zeros((5, 512))
    rows[0, 0] = 1
    rows[1, :2] = 0.6, 0.8
    rows[2] = cosine * rows[1]
    rows[2, 2] = np.sqrt(1 - cosine**2)
    rows[3] = cosine * rows[0]
    rows[3, 3] = np.sqrt(1 - cosine**2)
    rows[4, :5] = 0.1, 0, 0, 0, np.sqrt(0.99)
    names = [f"song {row:03}" for row in range(5)]
    found = Service(MemorySongs(names), MemoryIndex(unit(rows)), ABOUT, compare_all=compare_all)
    expected = ["song 001", "song 004"]
    if not is_same:
        expected = ["song 003", "song 001", "song 002", "song 004"]
    assert songs_of(found, song="song 000") == expected


@pytest.mark.parametrize("compare_all", [0, 100])
def test_equal_bytes_are_one_recording_whatever_their_embeddings(compare_all: int) -> None:
    vectors = at_similarities(0.9, 0.8, 0.7, 0.6)
    names = [f"song {row:03}" for row in range(5)]
    # 2 has the seed's bytes, 4 those of 1: the nearer of the two stays.
    songs = MemorySongs(names, copies={2: 0, 4: 1})
    found = Service(songs, MemoryIndex(vectors), ABOUT, compare_all=compare_all)
    assert songs_of(found, song="song 000") == ["song 001", "song 003"]
    assert songs_of(found, song="song 003") == ["song 000", "song 001"]


@pytest.mark.parametrize("compare_all", [0, 1_000])
def test_hundreds_of_copies_leave_room_for_others(compare_all: int) -> None:
    vectors = np.vstack([np.repeat(at_similarities(0.9)[1:], 500, axis=0), random_vectors(50)])
    vectors = np.vstack([at_similarities(0.9)[:1], vectors])
    names = [f"song {row:03}" for row in range(len(vectors))]
    index = MemoryIndex(vectors)
    found = Service(MemorySongs(names), index, ABOUT, compare_all=compare_all)
    songs = songs_of(found, song="song 000", top_k=10)
    assert songs[0] == "song 001"
    assert len(songs) == 10
    assert all(name >= "song 501" for name in songs[1:])
    assert index.asked[-1] > index.asked[0]  # it asked again, for more


def test_excluded_songs_are_left_out() -> None:
    found = service_of(random_vectors(len(NAMES)), NAMES)
    everything = songs_of(found, song="creep", top_k=100)
    assert sorted(everything) == sorted(set(NAMES) - {"Radiohead - Creep"})
    rest = songs_of(found, song="creep", top_k=100, exclude=["QUEEN - don't stop me now", "daft"])
    out = {"Queen - Don't Stop Me Now", "Daft Punk - Get Lucky", "Daft Punk - One More Time"}
    assert rest == [name for name in everything if name not in out]


def test_excluding_what_is_unknown_is_reported_not_refused() -> None:
    found = service_of(random_vectors(5))
    answer = found.recommend(RecommendRequest(song="song 001", exclude=["nobody", "song 002"]))
    assert answer["exclude_unmatched"] == ["nobody"]
    assert "exclude_unmatched" not in found.recommend(RecommendRequest(song="song 001"))


def test_excluding_the_seed_changes_nothing() -> None:
    found = service_of(random_vectors(9))
    assert recommended(found, song="song 001", exclude=["song 001"]) == recommended(
        found, song="song 001"
    )


def test_the_seeds_artists_can_be_left_out() -> None:
    names = ["A - one", "a - two", "B - three", "b - four", "no artist", "none either"]
    found = service_of(at_similarities(0.9, 0.8, 0.7, 0.6, 0.5), names)
    asked = {"exclude_same_artist": True}
    assert songs_of(found, song="A - one", **asked) == [
        "B - three", "b - four", "no artist", "none either"
    ]  # fmt: skip
    assert songs_of(found, songs=["A - one", "b - four"], **asked) == ["no artist", "none either"]
    assert len(songs_of(found, song="no artist", **asked)) == 5  # no artist is no one's


def test_one_artist_with_hundreds_of_songs_can_be_left_out() -> None:
    rng = np.random.default_rng(2)
    near = unit(np.eye(1, 512) + 0.02 * rng.standard_normal((600, 512)))
    vectors = np.vstack([near, random_vectors(20)])
    names = [f"A - {row:03}" for row in range(600)] + [f"B - {row:03}" for row in range(20)]
    songs = songs_of(service_of(vectors, names), song="A - 000", top_k=7, exclude_same_artist=True)
    assert len(songs) == 7
    assert all(name.startswith("B") for name in songs)


def test_min_similarity_is_that_of_what_is_shown() -> None:
    found = service_of(at_similarities(0.9, 0.69996, 0.69994, -0.3))
    assert recommended(found, song="song 000", min_similarity=0.7) == [
        ("song 001", 0.9),
        ("song 002", 0.7),
    ]
    assert recommended(found, song="song 000", min_similarity=1) == []
    assert len(recommended(found, song="song 000", min_similarity=-1)) == 4


def test_similarities_have_four_decimals_and_no_negative_zero() -> None:
    found = service_of(at_similarities(0.123456, -0.00001))
    answer = found.recommend(RecommendRequest(song="song 000"))
    assert repr([one["similarity"] for one in answer["recommendations"]]) == "[0.1235, 0.0]"
