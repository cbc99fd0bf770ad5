"""Near-duplicates: what two songs are to each other, and every pair once, page by page."""

from __future__ import annotations

import dataclasses
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.catalogue import Song
from embed.library import Library
from embed.pairs import At, Pair, Pairs
from embed.versions import core_title, kind_of
from tests.services import MemoryIndex, MemorySongs
from tests.serving import random_vectors, song, unit


@pytest.mark.parametrize(
    ("title", "core"),
    [
        ("Creep", "creep"),
        ("Creep (Live)", "creep"),
        ("Creep (Remastered 2011)", "creep"),
        ("Creep - Remastered 2011", "creep"),
        ("Creep - Single Version", "creep"),
        ("Creep [Radio Edit] (2009 Remaster)", "creep"),
        ("Creep (Acoustic) - Live at Home", "creep"),
        ("Creep – Live in Paris, 1994", "creep"),
        ("Creep (feat. Nobody)", "creep"),
        ("(I Can't Get No) Satisfaction", "i cant get no satisfaction"),
        ("Live and Let Die", "live and let die"),
        ("Video Killed the Radio Star", "video killed the radio star"),
        ("Remix - Remix", "remix"),
        ("(Live)", "live"),
        ("1999", "1999"),
        ("Don't Stop", "dont stop"),
        ("Part 1 - The Beginning", "part 1 the beginning"),
        ("初恋 (Live)", "初恋"),
        ("", ""),
    ],
)
def test_what_tells_versions_apart_is_no_part_of_a_title(title: str, core: str) -> None:
    assert core_title(title) == core


@given(st.text(max_size=40))
def test_every_title_has_a_core_and_a_core_is_its_own(title: str) -> None:
    core = core_title(title)
    assert core_title(core) == core


def of(name: str, duration_s: float = 200.0, content: str | None = None) -> Song:
    return dataclasses.replace(song(name, content=content), duration_s=duration_s)


@pytest.mark.parametrize(
    ("one", "other", "cosine", "kind"),
    [
        (of("A - X", content="x"), of("B - Y", content="x"), 0.2, "same"),
        (of("A - X"), of("B - Y"), 0.99995, "same"),
        (of("A - X"), of("A - X (Remastered 2011)"), 0.97, "remaster"),
        (of("A - X"), of("A - X", 201.9, "2"), 0.6, "remaster"),
        (of("A - X"), of("B - Y", 201.0), 0.96, "remaster"),
        (of("A - X"), of("X"), 0.7, "remaster"),
        (of("A - X"), of("A - X (Live)", 260.0), 0.1, "version"),
        (of("A - X"), of("A - X", 200.0, "2"), 0.3, "version"),
        (of("A - Suite No. 1"), of("A - Suite No. 2"), 0.9, None),
        (of("A - Night Song"), of("B - Night Song", 240.0), 0.7, "cover"),
        (of("A - Night Song"), of("B - Night Song", 240.0), 0.4, None),
        (of("A - Night Song"), of("B - Day Song", 240.0), 0.96, "close"),
        (of("A - Night Song"), of("B - Day Song", 240.0), 0.94, None),
        (of("A - X", 0.0), of("B - Y", 0.0), 0.96, "close"),
        (of("A - X", 0.0), of("A - X", 0.0, "2"), 0.97, "version"),
        (dataclasses.replace(of("A - X"), sha256=""), dataclasses.replace(of("B - Y"), sha256=""),
         0.1, None),
    ],
)  # fmt: skip
def test_what_two_songs_are_to_each_other(
    one: Song, other: Song, cosine: float, kind: str | None
) -> None:
    assert kind_of(one, other, cosine) == kind
    assert kind_of(other, one, cosine) == kind


def library(vectors: Any, names: list[str]) -> Library:
    return Library(MemorySongs(names), MemoryIndex(vectors))


def all_pairs(found: Library, limit: int, **options: Any) -> list[Pair]:
    """Every page, one after the other."""
    pairs, at, pages = [], At(), 0
    while at is not None:
        page, at = Pairs(found, **options).page(at, limit)
        assert len(page) <= limit
        pairs += page
        pages += 1
        assert pages < 1_000
    return pairs


def family(seed: int, songs: int) -> Library:
    """Songs in a few crowds, some of whose names are versions of one."""
    rng = np.random.default_rng(seed)
    crowds = random_vectors(3, seed)[rng.integers(0, 3, songs)]
    vectors = unit(crowds + 0.01 * rng.standard_normal((songs, 512)))
    suffixes = ["", " (Live)", " - Remastered 2011"]
    names = [
        f"{'AB'[rng.integers(2)]} - {'XYZ'[rng.integers(3)]}{suffixes[rng.integers(3)]}"
        for _ in range(songs)
    ]
    return library(vectors, sorted(names))


@given(st.integers(0, 20), st.integers(2, 11), st.integers(1, 30))
def test_among_few_songs_every_pair_comes_once(seed: int, songs: int, limit: int) -> None:
    found = family(seed, songs)
    expected = {}
    for one, other in combinations(range(songs), 2):
        vectors = found.index.vectors(np.array([one, other]))
        kind = kind_of(*found.songs.songs_at([one, other]), float(vectors[0] @ vectors[1]))
        if kind is not None:
            expected[one, other] = kind
    pairs = all_pairs(found, limit)
    assert {(pair.one, pair.other): pair.kind for pair in pairs} == expected
    assert len(pairs) == len(expected)


@settings(max_examples=15)
@given(st.integers(0, 5), st.sampled_from([1, 3, 50]))
def test_pages_add_up_whatever_their_size(seed: int, limit: int) -> None:
    found = family(seed, 60)
    pairs = all_pairs(found, limit)
    assert pairs == all_pairs(found, 10_000)
    assert len({(pair.one, pair.other) for pair in pairs}) == len(pairs)
    assert all(pair.one < pair.other for pair in pairs)
    for kind in ("remaster", "version"):
        some = all_pairs(found, limit, kind=kind, min_similarity=0.3)
        assert some == [one for one in pairs if one.kind == kind and one.similarity >= 0.3]


def test_hundreds_of_copies_are_all_told_and_not_each_with_each() -> None:
    found = library(np.repeat(random_vectors(1), 300, axis=0), [f"{row:03}" for row in range(300)])
    pairs = all_pairs(found, 100)
    assert {row for pair in pairs for row in pair[:2]} == set(range(300))
    assert len(pairs) < 300 * 11


def test_a_live_version_that_sounds_otherwise_is_found_by_its_name() -> None:
    vectors = random_vectors(60, 4)
    names = [f"A - {chr(65 + row % 26)}{row:02} song" for row in range(58)]
    names = sorted([*names, "Queen - Love of My Life", "Queen - Love of My Life (Live)"])
    [pair] = all_pairs(library(vectors, names), 10, kind="version")
    assert [names[pair.one], names[pair.other]] == names[58:]


def test_a_page_does_a_bounded_part_of_the_work() -> None:
    class Huge(Library):
        def __len__(self) -> int:
            return 1_000_000

    index = MemoryIndex(random_vectors(400))
    found = Huge(MemorySongs([f"{row:03}" for row in range(400)]), index, compare_all=0)
    assert Pairs(found).page(At(), 50)[1] == At(16)
    assert len(index.asked) == 16
