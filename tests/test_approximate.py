"""The approximate index: nearly the exact one's answers, filtered or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed.approximate import ApproximateIndex
from embed.bundle import open_bundle
from embed.choice import Sought
from embed.errors import SearchError
from embed.index import ExactIndex
from embed.indexfile import ABOUT_FILE, GRAPH_FILE, ROWS_FILE, has_index
from embed.library import Library, open_songs
from embed.manifest import VECTORS_FILE
from embed.opening import open_index
from tests.clusters import LEAST_RECALL, SONGS, VECTORS, names, recall, write
from tests.serving import random_vectors, song, unit, write_bundle


@pytest.fixture
def index(clustered: Path) -> Iterator[ApproximateIndex]:
    opened = open_index(open_bundle(clustered))
    assert isinstance(opened, ApproximateIndex)
    yield opened
    opened.close()


@pytest.fixture
def exact(clustered: Path) -> Iterator[ExactIndex]:
    with closing(ExactIndex(clustered / VECTORS_FILE)) as opened:
        yield opened


@pytest.mark.parametrize("count", [1, 10, 50])
def test_nearly_all_of_the_nearest_are_found(clustered: Path, count: int) -> None:
    assert recall(clustered, count) >= LEAST_RECALL


def test_similarities_are_the_exact_ones_in_order(
    index: ApproximateIndex, exact: ExactIndex
) -> None:
    for query in (VECTORS[17], unit(VECTORS[:3].sum(axis=0)), random_vectors(1)[0]):
        rows, similarities = index.search(query, 20)
        truth = dict(zip(*(found.tolist() for found in exact.search(query, SONGS)), strict=True))
        assert similarities.tolist() == [truth[row] for row in rows.tolist()]
        assert (np.diff(similarities) <= 0).all()
        assert (rows.dtype, similarities.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("count", [SONGS // 16, SONGS // 2, SONGS, SONGS + 5])
def test_of_a_large_share_the_answer_is_exact(
    index: ApproximateIndex, exact: ExactIndex, count: int
) -> None:
    for query in VECTORS[[3, 1_500]]:
        rows, similarities = index.search(query, count)
        expected = exact.search(query, count)
        assert rows.tolist() == expected[0].tolist()
        assert similarities.tobytes() == expected[1].tobytes()


@pytest.mark.parametrize("count", [0, -1, 1, 49, 93, 94, 400])
def test_as_many_as_asked_for(index: ApproximateIndex, count: int) -> None:
    rows, _ = index.search(random_vectors(1)[0], count)
    assert len(rows) == len(set(rows.tolist())) == max(0, count)


def test_equal_embeddings_tie_and_come_by_row(tmp_path: Path) -> None:
    vectors = VECTORS.copy()
    vectors[[5, 700, 1_300]] = vectors[2_000]
    with closing(open_index(open_bundle(write(tmp_path / "b", range(SONGS), vectors)))) as index:
        rows, similarities = index.search(vectors[2_000], 4)
    assert rows.tolist() == [5, 700, 1_300, 2_000]
    assert len(set(similarities.tolist())) == 1


def test_a_query_of_another_size_is_refused(index: ApproximateIndex) -> None:
    with pytest.raises(SearchError, match=r"shape \(7,\), expected \(512,\)"):
        index.search(np.ones(7, np.float32), 3)


def test_the_same_songs_make_the_same_index(clustered: Path, tmp_path: Path) -> None:
    again = write(tmp_path / "again", range(SONGS))
    for name in (GRAPH_FILE, ROWS_FILE, ABOUT_FILE):
        assert (again / name).read_bytes() == (clustered / name).read_bytes()


def test_few_songs_have_no_index(tmp_path: Path) -> None:
    root = write_bundle(
        tmp_path / "b", [song(n) for n in names(range(40))], VECTORS[:40], approximate_from=41
    )
    assert not has_index(open_bundle(root))
    with closing(open_index(open_bundle(root))) as opened:
        assert isinstance(opened, ExactIndex)


# --- Filters


@pytest.fixture
def library(clustered: Path) -> Iterator[Library]:
    _, songs, index = open_songs(clustered)
    assert isinstance(index, ApproximateIndex)
    yield Library(songs, index)
    songs.close()
    index.close()


def sought(**options: Any) -> Sought:
    return Sought(VECTORS[0], **{"top_k": 10, "seeds": [0], **options})


@pytest.mark.parametrize(
    "options",
    [
        {"excluded": range(1, 400)},
        {"without_artists_of_seeds": True},
        {"max_per_artist": 1},
        {"diversity": 0.7},
        {"not_like": [31, 95]},
        {"min_similarity": 0.76, "excluded": range(1, 60)},
        {"not_like": [29], "max_per_artist": 2, "excluded": range(20), "top_k": 50},
    ],
    ids=str,
)
def test_filtered_answers_are_as_long_and_all_but_the_same(
    library: Library, exact: ExactIndex, options: dict[str, Any]
) -> None:
    wanted = sought(**options)
    found = library.nearest(wanted)
    truth = Library(library.songs, exact).nearest(wanted)
    assert len(found) == len(truth) == wanted.top_k
    assert len({*found} & {*truth}) >= 0.9 * len(truth)


def test_a_bound_that_few_reach_ends_with_those(library: Library, exact: ExactIndex) -> None:
    wanted = sought(top_k=100, min_similarity=0.9)
    truth = Library(library.songs, exact).nearest(wanted)
    assert 0 < len(truth) < 100
    assert library.nearest(wanted) == truth
