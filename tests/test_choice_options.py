"""not_like, diversity and max_per_artist, against plain loops over all songs in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.errors import NoSuchSongError
from embed.index import AWAY
from embed.variety import varied
from handler.schemas import RecommendRequest
from handler.service import Service
from tests.services import ABOUT, MemoryIndex, MemorySongs, recommended, service_of, songs_of
from tests.serving import at_similarities, random_vectors, unit

ARTISTS = ["A", "A", "A", "B", "B", "C"]
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "top_k": st.integers(1, 30),
        "exclude": st.lists(st.integers(0, 39).map("{:02}".format), max_size=5),
        "not_like": st.lists(st.integers(0, 39).map("{:02}".format), max_size=4),
        "max_per_artist": st.integers(1, 4),
        "min_similarity": st.sampled_from([-1.0, -0.2, 0.0, 0.05]),
        "exclude_same_artist": st.booleans(),
    },
)


def library(songs: int = 40, seed: int = 0, *, compare_all: int = 1_000) -> tuple[Any, list[str]]:
    """Songs of three artists, every sixth of none; and two copies."""
    vectors = random_vectors(songs, seed)
    vectors[7] = vectors[20]
    names = [
        f"{row:02}" if row % 6 == 5 else f"{ARTISTS[row % 6]} - {row:02}" for row in range(songs)
    ]
    index = MemoryIndex(vectors)
    return Service(MemorySongs(names), index, ABOUT, compare_all=compare_all), names


def reference(names: list[str], vectors: Any, seed: int, options: dict[str, Any]) -> list[str]:
    """The answer by the book: every song, one by one, the best first."""
    query = vectors[seed].astype(float)
    away = [int(name) for name in options.get("not_like", [])]
    direction = query - AWAY * vectors[away].astype(float).mean(axis=0) if away else query
    artist = [name.partition(" - ")[0] if " - " in name else None for name in names]
    out = {seed, *away, *(int(name) for name in options.get("exclude", []))}
    chosen: list[int] = []
    for row in sorted(range(len(names)), key=lambda row: (-(vectors[row] @ direction), row)):
        same_artist = artist[row] is not None and artist[row] == artist[seed]
        by_artist = sum(artist[row] is not None and artist[row] == artist[one] for one in chosen)
        copies = [seed, *away, *chosen]
        if (
            row in out
            or any(np.array_equal(vectors[row], vectors[one]) for one in copies)
            or (options.get("exclude_same_artist") and same_artist)
            or by_artist >= options.get("max_per_artist", len(names))
            or round(float(vectors[row] @ query), 4) < options.get("min_similarity", -1)
        ):
            continue
        chosen.append(row)
    chosen = chosen[: options.get("top_k", 5)]
    return [names[row] for row in sorted(chosen, key=lambda row: -(vectors[row] @ query))]


@given(options=OPTIONS, seed=st.integers(0, 39), compare_all=st.sampled_from([0, 1_000]))
def test_every_option_beside_every_other(
    options: dict[str, Any], seed: int, compare_all: int
) -> None:
    found, names = library(compare_all=compare_all)
    vectors = found.library.index.rows
    asked = {"song": f"{seed:02}", **options}
    assert sorted(songs_of(found, **asked)) == sorted(reference(names, vectors, seed, options))
    similarities = [similarity for _, similarity in recommended(found, **asked)]
    assert similarities == sorted(similarities, reverse=True)


@given(options=OPTIONS, seed=st.integers(0, 39), diversity=st.sampled_from([0.01, 0.3, 0.7, 1.0]))
def test_a_varied_answer_is_as_long_and_keeps_every_rule(
    options: dict[str, Any], seed: int, diversity: float
) -> None:
    found, names = library()
    vectors = found.library.index.rows
    asked = {"song": f"{seed:02}", **options}
    songs = songs_of(found, **asked, diversity=diversity)
    # The pool is as large as this catalogue, so what may be in it is what may be answered.
    everything = reference(names, vectors, seed, {**options, "top_k": 100})
    assert set(songs) <= set(everything)
    assert len(songs) == len(set(songs)) == min(len(everything), asked.get("top_k", 5))


def test_without_diversity_not_a_bit_changes() -> None:
    found = service_of(random_vectors(300))
    for seed in range(0, 300, 50):
        asked = {"song": f"song {seed:03}", "top_k": 20}
        plain = found.recommend(RecommendRequest(**asked))
        zeros = RecommendRequest(**asked, diversity=0.0, not_like=[], max_per_artist=None)
        assert found.recommend(zeros) == plain


@pytest.mark.parametrize("diversity", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_variety_is_maximal_marginal_relevance(diversity: float) -> None:
    vectors = unit(np.eye(1, 512) + 0.03 * np.random.default_rng(3).standard_normal((60, 512)))
    relevance = vectors @ vectors[0]
    chosen: list[int] = []
    for _ in range(25):
        scores = {
            place: (1 - diversity) * relevance[place]
            - diversity * max((float(vectors[place] @ vectors[one]) for one in chosen), default=0)
            for place in range(60)
            if place not in chosen
        }
        first = int(np.argmax(relevance))
        chosen.append(max(scores, key=lambda one: (scores[one], -one)) if chosen else first)
    assert varied(vectors, relevance, diversity, 25) == chosen


def test_more_diversity_is_less_alike() -> None:
    rng = np.random.default_rng(5)
    centres = random_vectors(12, 6)
    near = unit(0.8 * centres[0] + 0.6 * centres[1:])
    vectors = unit(np.repeat(near, 8, axis=0) + 0.01 * rng.standard_normal((88, 512)))
    found = service_of(np.vstack([centres[:1], vectors]))
    rows = {
        diversity: [int(name[5:]) for name in songs_of(found, song="song 000", diversity=diversity)]
        for diversity in (0.0, 0.5)
    }
    all_rows = found.library.index.rows
    alike = {
        diversity: (all_rows[chosen] @ all_rows[chosen].T)[np.triu_indices(5, 1)].max()
        for diversity, chosen in rows.items()
    }
    assert alike[0.0] > 0.9 > alike[0.5]


def test_songs_are_pushed_away_but_shown_by_what_was_asked() -> None:
    # 1 is nearest to the seed, 2 is like 1; 3 is further, and unlike 1.
    vectors = np.zeros((4, 512), np.float32)
    vectors[0, 0] = 1
    vectors[1, :2] = 0.9, np.sqrt(1 - 0.81)
    vectors[2, :3] = 0.8, 0.5, np.sqrt(1 - 0.64 - 0.25)
    vectors[3, [0, 3]] = 0.7, np.sqrt(1 - 0.49)
    found = service_of(vectors)
    assert songs_of(found, song="song 000", exclude=["001"], top_k=1) == ["song 002"]
    assert recommended(found, song="song 000", not_like=["001"], top_k=1) == [("song 003", 0.7)]
    answer = found.recommend(RecommendRequest(song="song 000", not_like=["001"]))
    assert answer["not_like"] == ["song 001"]
    assert [one["song"] for one in answer["recommendations"]] == ["song 002", "song 003"]


def test_no_copy_of_a_song_that_is_not_wanted() -> None:
    vectors = np.vstack([at_similarities(0.9, 0.8), at_similarities(0.9, 0.8)[1:]])
    found = service_of(vectors)
    assert songs_of(found, song="song 000", not_like=["song 001"]) == ["song 002"]


def test_pushing_away_from_itself_leaves_the_query() -> None:
    found = service_of(random_vectors(30))
    assert recommended(found, song="song 003", not_like=["song 003"]) == recommended(
        found, song="song 003"
    )


def test_an_unknown_song_to_push_away_is_no_such_song() -> None:
    found = service_of(random_vectors(9))
    with pytest.raises(NoSuchSongError, match="'nobody'") as caught:
        found.recommend(RecommendRequest(song="song 001", not_like=["song 002", "nobody"]))
    assert caught.value.suggestions


@pytest.mark.parametrize("diversity", [0.0, 0.5])
def test_one_artist_with_hundreds_of_songs_leaves_room(diversity: float) -> None:
    rng = np.random.default_rng(2)
    near = unit(np.eye(1, 512) + 0.02 * rng.standard_normal((600, 512)))
    vectors = np.vstack([near, random_vectors(20)])
    names = [f"A - {row:03}" for row in range(600)] + [f"B{row} - {row:03}" for row in range(20)]
    asked = {"song": "A - 000", "top_k": 7, "max_per_artist": 2, "diversity": diversity}
    songs = songs_of(service_of(vectors, names), **asked)
    assert len(songs) == 7
    assert sum(name.startswith("A - ") for name in songs) == 2


def test_what_is_near_enough_is_found_behind_what_was_pushed_away() -> None:
    # Hundreds of songs lie before it once the query is moved; only it is like what was asked.
    rng = np.random.default_rng(4)
    seed, other = np.eye(2, 512)
    moved = unit(seed - AWAY * unit(seed + other))
    crowd = unit(moved + 0.04 * rng.standard_normal((700, 512)))
    wanted = unit(0.99 * seed + 0.14 * other)
    vectors = np.vstack([[seed], [unit(seed + other)], [wanted], crowd]).astype(np.float32)
    found = service_of(unit(vectors))
    asked = {"song": "song 000", "not_like": ["song 001"], "min_similarity": 0.95}
    assert songs_of(found, **asked) == ["song 002"]
