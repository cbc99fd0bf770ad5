"""Playlists: on the way from one song to another, and going on from some."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.choice import Sought
from embed.errors import SearchError
from embed.index import pool_seeds
from embed.library import Library
from embed.playlist import Limits, Listed, continuation, journey
from embed.smooth import between, progress
from tests.services import MemoryIndex, MemorySongs
from tests.serving import at_similarities, random_vectors, unit

N = 80


def library(vectors: Any, names: list[str] | None = None, compare_all: int = 1_000) -> Library:
    names = names or [f"{chr(65 + row % 5)} - {row:03}" for row in range(len(vectors))]
    return Library(MemorySongs(names), MemoryIndex(vectors), compare_all)


def crowd(songs: int = N, seed: int = 1) -> np.ndarray:
    """Songs with much in common, as songs have; 11 is a copy of 10."""
    vectors = unit(
        random_vectors(1, seed) + 0.05 * np.random.default_rng(seed).standard_normal((songs, 512))
    )
    vectors[11] = vectors[10]
    return vectors


def rows(listed: list[Listed]) -> list[int]:
    return [one.row for one in listed]


LIMITS = st.builds(
    Limits,
    excluded=st.sets(st.integers(2, N - 1), max_size=20),
    not_like=st.lists(st.integers(2, N - 1), max_size=3),
    max_per_artist=st.none() | st.integers(1, 5),
    diversity=st.sampled_from([0.0, 0.5]),
)


def check_limits(
    found: Library, listed: list[Listed], limits: Limits, given_rows: set[int]
) -> None:
    inner = [row for row in rows(listed) if row not in given_rows]
    assert len(set(rows(listed))) == len(listed)
    assert not {*inner} & {*limits.excluded, *limits.not_like}
    assert len({10, 11} & set(rows(listed))) < 2
    # A copy of what is not wanted is not wanted.
    assert not ({10, 11} & set(inner) and {10, 11} & set(limits.not_like))
    vectors = found.index.vectors(np.array(rows(listed)))
    for (one, other), step in zip(pairwise(vectors), listed[1:], strict=True):
        assert step.similarity == pytest.approx(float(one @ other), abs=1e-4)


@given(count=st.integers(2, 40), limits=LIMITS, compare_all=st.sampled_from([0, 1_000]))
def test_a_journey_goes_forward_and_keeps_every_rule(
    count: int, limits: Limits, compare_all: int
) -> None:
    found = library(crowd(), compare_all=compare_all)
    listed = journey(found, 0, 1, count, limits)
    assert (listed[0].row, listed[0].similarity, listed[-1].row) == (0, None, 1)
    vectors = found.index.vectors(np.array(rows(listed)))
    ends = found.index.vectors(np.array([0, 1]))
    assert np.all(np.diff(progress(vectors, *ends)) >= 0)
    check_limits(found, listed, limits, {0, 1})
    by_artist = Counter(found.songs.artists(rows(listed)))
    if limits.max_per_artist:
        beside = Counter(found.songs.artists([0, 1]))
        most = limits.max_per_artist
        assert all(songs <= max(most, beside[artist]) for artist, songs in by_artist.items())
    else:
        assert len(listed) == count


@given(
    seeds=st.lists(st.integers(0, N - 1), min_size=1, max_size=4),
    count=st.integers(1, 40),
    limits=LIMITS,
)
def test_a_continuation_is_the_recommendation_in_another_order(
    seeds: list[int], count: int, limits: Limits
) -> None:
    found = library(crowd())
    listed = continuation(found, seeds, count, limits)
    alone = list(dict.fromkeys(seeds))
    vectors = found.index.vectors(np.array(alone))
    sought = Sought(
        vectors[0] if len(alone) == 1 else pool_seeds(vectors),
        count,
        seeds=alone,
        excluded=limits.excluded,
        not_like=limits.not_like,
        diversity=limits.diversity,
        max_per_artist=limits.max_per_artist,
    )
    assert sorted(rows(listed)) == sorted(row for row, _ in found.nearest(sought))
    check_limits(found, listed, limits, set())
    if listed:
        first = found.index.vectors(np.array([seeds[-1], listed[0].row]))
        assert listed[0].similarity == pytest.approx(float(first[0] @ first[1]), abs=1e-4)


def test_a_continuation_steps_closer_than_a_ranking() -> None:
    found = library(crowd(200, 7))
    listed = continuation(found, [0, 5], 30, Limits())
    query = pool_seeds(found.index.vectors(np.array([0, 5])))
    ranked = [row for row, _ in found.nearest(Sought(query, 30, seeds=[0, 5]))]
    vectors = found.index.vectors(np.array([5, *ranked]))
    of_ranking = np.vecdot(vectors[1:], vectors[:-1])
    assert np.mean([one.similarity for one in listed]) > of_ranking.mean()
    assert min(one.similarity for one in listed) > of_ranking.min()


def test_a_journey_finds_the_steps_that_were_laid_for_it() -> None:
    # On the arc lie nine songs in the midst of 500 that are nowhere near it.
    start, end = random_vectors(2, 3)
    laid = between(start, end, 9)
    vectors = np.vstack(
        [[start], random_vectors(250, 4), laid[::-1], random_vectors(250, 5), [end]]
    )
    found = library(vectors.astype(np.float32))
    listed = journey(found, 0, len(vectors) - 1, 11, Limits())
    assert rows(listed) == [0, *range(259, 250, -1), len(vectors) - 1]
    even = np.cos(np.arccos(float(start @ end)) / 10)
    assert [one.similarity for one in listed[1:]] == pytest.approx([even] * 10, abs=1e-3)


def test_fewer_songs_than_asked_for_are_all_there_are() -> None:
    found = library(crowd(20))
    listed = journey(found, 0, 1, 100, Limits())
    vectors = found.index.vectors(np.arange(20))
    how_far = progress(vectors, vectors[0], vectors[1])
    passing = [row for row in range(2, 20) if how_far[0] < how_far[row] < how_far[1]]
    passing = [row for row in passing if row != 11]  # the copy
    assert sorted(rows(listed)) == sorted([0, 1, *passing])
    assert len(continuation(found, [0], 100, Limits())) == 18


def test_two_songs_are_a_journey_and_one_has_no_continuation() -> None:
    found = library(at_similarities(0.5))
    assert journey(found, 0, 1, 2, Limits()) == [Listed(0, None), Listed(1, 0.5)]
    assert rows(journey(found, 0, 1, 50, Limits())) == [0, 1]
    assert continuation(library(at_similarities()), [0], 5, Limits()) == []


@pytest.mark.parametrize("compare_all", [0, 1_000])
def test_there_is_no_way_to_the_same_recording_nor_to_the_opposite(compare_all: int) -> None:
    vectors = random_vectors(4)
    vectors[1], vectors[2] = vectors[0], -vectors[0]
    found = library(vectors, compare_all=compare_all)
    for end in (0, 1):
        with pytest.raises(SearchError, match="are one recording, expected two"):
            journey(found, 0, end, 5, Limits())
    with pytest.raises(SearchError, match="opposites"):
        journey(found, 0, 2, 5, Limits())


def test_the_same_question_has_the_same_answer() -> None:
    vectors = crowd(N, 8)
    asked = (0, 1, 12, Limits(not_like=[5], max_per_artist=4))
    assert journey(library(vectors), *asked) == journey(library(vectors), *asked)


def test_a_crowd_of_one_artist_leaves_the_way_to_others() -> None:
    rng = np.random.default_rng(2)
    start, end = random_vectors(2, 3)
    laid = np.repeat(between(start, end, 5), 100, axis=0) + 0.005 * rng.standard_normal((500, 512))
    others = between(start, end, 6) + 0.02 * rng.standard_normal((6, 512))
    vectors = unit(np.vstack([[start], [end], laid, others]))
    names = [
        "from",
        "to",
        *(f"A - {row}" for row in range(500)),
        *(f"B{row} - x" for row in range(6)),
    ]
    listed = journey(library(vectors, names), 0, 1, 8, Limits(max_per_artist=2))
    assert len(listed) == 8
    assert sum(2 <= row < 502 for row in rows(listed)) <= 2
