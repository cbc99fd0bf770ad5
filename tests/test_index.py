"""The index: the nearest, exactly, in order, whatever the sieve leaves out."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from embed.errors import BundleError, SearchError
from embed.index import ExactIndex, pool_seeds
from embed.sieve import Sieve
from tests.serving import random_vectors, unit

ALWAYS, NEVER = 1, 10**9


def saved(path: Path, vectors: NDArray[np.float32]) -> Path:
    np.save(path / "vectors.npy", vectors)
    return path / "vectors.npy"


def reference(vectors: NDArray[np.float32], query: NDArray[np.float32], count: int) -> list[int]:
    """Brute force in float64, ties by row; only for vectors whose ties are exact."""
    similarities = vectors.astype(np.float64) @ query.astype(np.float64)
    rounded = np.round(similarities, 7)
    return sorted(range(len(vectors)), key=lambda row: (-rounded[row], row))[:count]


def clustered(songs: int, seed: int = 1) -> NDArray[np.float32]:
    """Embeddings as CLAP's are: in a cone, in clusters, many all but equal."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((20, 512)) + 2 * rng.standard_normal(512)
    spread = rng.choice([1e-4, 0.01, 0.3, 1.0], (songs, 1))
    return unit(centres[rng.integers(20, size=songs)] + spread * rng.standard_normal((songs, 512)))


@pytest.fixture(params=[NEVER, ALWAYS], ids=["all", "sieve"])
def sieve_from(request: pytest.FixtureRequest) -> int:
    value: int = request.param
    return value


@pytest.fixture
def index(tmp_path: Path, sieve_from: int) -> Iterator[ExactIndex]:
    opened = ExactIndex(saved(tmp_path, random_vectors(500)), sieve_from)
    yield opened
    opened.close()


def test_the_nearest_are_those_of_brute_force(index: ExactIndex) -> None:
    vectors = random_vectors(500)
    for query in random_vectors(20, seed=9):
        rows, similarities = index.search(query, 10)
        assert rows.tolist() == reference(vectors, query, 10)
        np.testing.assert_allclose(similarities, vectors[rows] @ query, atol=1e-6)
        assert (rows.dtype, similarities.dtype) == (np.int64, np.float32)


def test_a_song_is_nearest_to_itself(index: ExactIndex) -> None:
    for row in (0, 123, 499):
        rows, similarities = index.search(index.vectors(np.array([row]))[0], 1)
        assert rows.tolist() == [row]
        assert similarities[0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("count", [0, -1, 1, 499, 500, 501, 10**9])
def test_as_many_as_asked_for_and_there_are(index: ExactIndex, count: int) -> None:
    rows, similarities = index.search(random_vectors(1, seed=4)[0], count)
    assert len(rows) == len(similarities) == max(0, min(count, 500))
    assert (np.diff(similarities) <= 0).all()
    assert len(set(rows.tolist())) == len(rows)


def test_vectors_come_in_the_order_asked_for(index: ExactIndex) -> None:
    vectors = random_vectors(500)
    rows = np.array([7, 499, 0, 7])
    np.testing.assert_array_equal(index.vectors(rows), vectors[rows])
    assert index.vectors(np.zeros(0, np.int64)).shape == (0, 512)


def test_equal_embeddings_tie_and_come_by_row(tmp_path: Path, sieve_from: int) -> None:
    vectors = random_vectors(300)
    vectors[[5, 77, 130, 299]] = vectors[200]
    index = ExactIndex(saved(tmp_path, vectors), sieve_from)
    for count in (1, 2, 3, 5, 6):
        rows, similarities = index.search(vectors[200], count)
        assert rows.tolist()[:5] == [5, 77, 130, 200, 299][:count]
        assert len(set(similarities.tolist()[:5])) == 1
    index.close()


def test_all_equal_embeddings_come_by_row(tmp_path: Path, sieve_from: int) -> None:
    index = ExactIndex(saved(tmp_path, np.repeat(random_vectors(1), 2_000, axis=0)), sieve_from)
    rows, _ = index.search(random_vectors(1)[0], 30)
    assert rows.tolist() == list(range(30))
    index.close()


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 60), kind=st.booleans())
def test_the_sieve_changes_no_bit(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, kind: bool
) -> None:
    vectors = clustered(700, seed) if kind else random_vectors(700, seed)
    path = saved(tmp_path_factory.mktemp("index"), vectors)
    plain, sieved = ExactIndex(path, NEVER), ExactIndex(path, ALWAYS)
    for query in (vectors[seed % 700], unit(vectors[:3].sum(axis=0))):
        rows, similarities = sieved.search(query, count)
        expected = plain.search(query, count)
        assert rows.tolist() == expected[0].tolist()
        assert similarities.tobytes() == expected[1].tobytes()
    sieved.close()


def test_the_sieve_leaves_most_songs_out() -> None:
    vectors = random_vectors(5_000)
    sieve = Sieve(len(vectors))
    sieve.add(0, vectors)
    kept = sieve.candidates(vectors[17], 5)
    assert len(kept) < 250  # measured: 100
    assert (np.diff(kept) > 0).all()


def test_the_sieve_bounds_what_rounding_changes() -> None:
    # One number carries nearly all: the coarsest steps that a unit vector can have.
    spiky = np.full((50, 512), 1e-3)
    spiky[np.arange(50), np.arange(50)] = 1
    vectors = unit(np.vstack([spiky, clustered(300)]))
    sieve = Sieve(len(vectors))
    sieve.add(0, vectors)
    for query in vectors[::7]:
        nearest = np.argsort(-(vectors @ query), kind="stable")[:5]
        assert set(nearest.tolist()) <= set(sieve.candidates(query, 5).tolist())


def test_a_search_makes_no_second_copy(tmp_path: Path) -> None:
    vectors = random_vectors(20_000)
    index = ExactIndex(saved(tmp_path, vectors), ALWAYS)
    tracemalloc.start()
    index.search(vectors[3], 10)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < vectors.nbytes / 10
    index.close()


def test_a_query_of_another_size_is_refused(index: ExactIndex) -> None:
    with pytest.raises(SearchError, match=r"shape \(7,\), expected \(512,\)"):
        index.search(np.ones(7, np.float32), 3)


def broken(vectors: NDArray[np.float32], row: int, value: float) -> NDArray[np.float32]:
    vectors = vectors.copy()
    vectors[row] = value
    return vectors


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (random_vectors(9).astype(np.float64), "float64"),
        (random_vectors(9).astype(">f4"), ">f4"),
        (np.asfortranarray(random_vectors(9)), "Fortran"),
        (random_vectors(9)[:, :511], "511"),
        (random_vectors(9).reshape(-1), r"\(4608,\)"),
        (random_vectors(9).reshape(9, 2, 256), r"\(9, 2, 256\)"),
        (np.zeros((), np.float32), r"\(\)"),
        (2 * random_vectors(9), "row 0 has length 2, expected 1"),
        (broken(random_vectors(900), 700, 0), "row 700 has length 0, expected 1"),
        (broken(random_vectors(9), 3, np.nan), "row 3 has length nan, expected 1"),
        (np.array([{"pickled": 1}], dtype=object), "object"),
    ],
)
def test_other_arrays_are_refused(
    tmp_path: Path, array: NDArray[np.generic], reason: str, sieve_from: int
) -> None:
    path = tmp_path / "vectors.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(BundleError, match=reason) as caught:
        ExactIndex(path, sieve_from)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("change", [-4, -1, 1, 2048])
def test_a_torn_file_is_refused(tmp_path: Path, change: int, sieve_from: int) -> None:
    path = saved(tmp_path, random_vectors(9))
    content = path.read_bytes()
    path.write_bytes(content[:change] if change < 0 else content + b"x" * change)
    size = 128 + 9 * 2048
    with pytest.raises(BundleError, match=f"{size + change} bytes, expected {size} for 9 songs"):
        ExactIndex(path, sieve_from)


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x10\x00{'descr':", b"PK"]
)
def test_a_file_that_is_no_array_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vectors.npy"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"not a \.npy file"):
        ExactIndex(path)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="No such file"):
        ExactIndex(tmp_path / "vectors.npy")


def test_a_replaced_file_leaves_the_open_one_readable(tmp_path: Path, index: ExactIndex) -> None:
    other = tmp_path / "other.npy"
    np.save(other, random_vectors(3, seed=8))
    other.replace(tmp_path / "vectors.npy")
    assert len(index.search(random_vectors(1)[0], 400)[0]) == 400


def test_no_songs_is_an_index_too(tmp_path: Path) -> None:
    index = ExactIndex(saved(tmp_path, np.zeros((0, 512), np.float32)))
    assert len(index.search(random_vectors(1)[0], 5)[0]) == 0


def test_pooling_is_the_unit_mean_in_any_order() -> None:
    vectors = random_vectors(5)
    pooled = pool_seeds(vectors)
    np.testing.assert_allclose(pooled, unit(vectors.astype(np.float64).mean(axis=0)), atol=1e-7)
    np.testing.assert_allclose(pool_seeds(vectors[::-1]), pooled, atol=1e-7)
    assert pooled.dtype == np.float32


def test_opposites_have_nothing_between_them() -> None:
    vector = random_vectors(1)
    with pytest.raises(SearchError, match="opposites"):
        pool_seeds(np.vstack([vector, -vector]))


def test_searching_loads_no_audio_and_no_model() -> None:
    code = (
        "import sys, embed.index, embed.catalogue;"
        "print(sorted({'onnxruntime', 'soundfile', 'soxr', 'av', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
