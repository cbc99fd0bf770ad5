"""Songs in clusters, lying as CLAP's embeddings do, and bundles with an approximate index."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embed.approximate import ApproximateIndex
from embed.bundle import open_bundle
from embed.index import ExactIndex
from embed.indexfile import read_index_files
from embed.manifest import VECTORS_FILE
from embed.opening import open_index
from tests.serving import song, unit, write_bundle

SONGS = 3_000
ALWAYS = 1
LEAST_RECALL = 0.99


def like_clap(songs: int, seed: int = 0) -> NDArray[np.float32]:
    """Embeddings in a cone (mean cosine 0.75), in clusters of 30 whose spread falls off."""
    rng = np.random.default_rng(seed)
    spectrum = (1 + np.arange(512)) ** -0.5
    spectrum /= np.linalg.norm(spectrum)
    centres = rng.standard_normal((songs // 30 + 1, 512)) * spectrum
    own = rng.standard_normal((songs, 512)) * spectrum
    spread = centres[np.arange(songs) // 30] + 0.5 * own
    cone = unit(np.random.default_rng(99).standard_normal(512))
    return unit(np.sqrt(0.75) * cone + 0.5 * unit(spread))


VECTORS = like_clap(SONGS)
"""The songs' embeddings, by their numbers."""


def names(numbers: range) -> list[str]:
    return [f"Artist {number // 30:04} - Song {number:05}" for number in numbers]


def write(root: Path, numbers: range, vectors: NDArray[np.float32] = VECTORS) -> Path:
    """A bundle of the songs with these numbers; their rows are in that order, too."""
    songs = [song(name) for name in names(numbers)]
    return write_bundle(root, songs, vectors[numbers], approximate_from=ALWAYS)


def recall(root: Path, count: int = 10, queries: int = 100) -> float:
    """Share of the truly nearest that are found."""
    found = 0
    with closing(open_index(open_bundle(root))) as index:
        assert isinstance(index, ApproximateIndex)
        with closing(ExactIndex(root / VECTORS_FILE)) as exact:
            rows = np.linspace(0, len(exact) - 1, queries).astype(np.int64)
            for query in exact.vectors(rows):
                truth = exact.search(query, count)[0].tolist()
                found += len(set(truth) & set(index.search(query, count)[0].tolist()))
    return found / (count * queries)


def slots(root: Path) -> list[int]:
    """The row of each slot of the graph."""
    rows: list[int] = read_index_files(open_bundle(root)).rows.tolist()
    return rows
