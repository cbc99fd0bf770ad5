"""Made-up embeddings of any number of songs, as close to each other as CLAP's.

Mean cosine 0.75: half of each vector's length is one direction that all share. What is left
is genre + style + artist + song, 30 : 25 : 25 : 20 by variance, each drawn with a spectrum that
falls off as 1/√k, so that few of the 512 dimensions carry most, as in real embeddings. Nearest
neighbours come to 0.94 to 0.97.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

MEAN_COSINE: Final = 0.75
GENRES: Final = 40
SONGS_PER_STYLE: Final = 1_000
SONGS_PER_ARTIST: Final = 12
SHARES: Final = {"genre": 0.30, "style": 0.25, "artist": 0.25, "song": 0.20}
_CHUNK: Final = 20_000

Vectors = NDArray[np.float32]


def write_clusters(path: Path, songs: int, held_out: int, seed: int = 0) -> Vectors:
    """Write ``vectors.npy`` of so many songs, an artist's one after another as names are; returns
    ``held_out`` more of the same artists, which are not among them."""
    rng = np.random.default_rng(seed)
    spectrum = (1 + np.arange(512, dtype=np.float32)) ** -0.5
    spectrum /= np.linalg.norm(spectrum)

    def draw(count: int, share: float) -> Vectors:
        return rng.standard_normal((count, 512), np.float32) * spectrum * np.float32(share**0.5)

    shared = rng.standard_normal(512).astype(np.float32)
    shared /= np.linalg.norm(shared)
    genres = draw(GENRES, SHARES["genre"])
    styles = draw(max(GENRES, songs // SONGS_PER_STYLE), SHARES["style"])
    styles += genres[rng.integers(GENRES, size=len(styles))]
    artists = draw(max(GENRES, songs // SONGS_PER_ARTIST), SHARES["artist"])
    artists += styles[rng.integers(len(styles), size=len(artists))]

    def sung_by(who: NDArray[np.int64]) -> Vectors:
        own = artists[who] + draw(len(who), SHARES["song"])
        found = np.sqrt(np.float32(MEAN_COSINE)) * shared
        found = found + np.sqrt(np.float32(1 - MEAN_COSINE)) * own
        unit: Vectors = found / np.linalg.norm(found, axis=1, keepdims=True)
        return unit

    of = np.sort(rng.integers(len(artists), size=songs))
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (songs, 512)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, songs, _CHUNK):
            file.write(sung_by(of[start : start + _CHUNK]).tobytes())
    return sung_by(rng.integers(len(artists), size=held_out))


def nearest(path: Path, queries: Vectors, count: int) -> NDArray[np.int64]:
    """Rows of the ``count`` nearest to each query, ``(queries, count)``: by products of matrices,
    none of this project's code."""
    vectors = np.load(path, mmap_mode="r")
    scores = np.zeros((len(queries), 0), np.float32)
    rows = np.zeros((len(queries), 0), np.int64)
    for start in range(0, len(vectors), _CHUNK):
        chunk = queries @ vectors[start : start + _CHUNK].T
        here = np.broadcast_to(np.arange(start, start + chunk.shape[1]), chunk.shape)
        scores, rows = np.hstack([scores, chunk]), np.hstack([rows, here])
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        scores = np.take_along_axis(scores, best, axis=1)
        rows = np.take_along_axis(rows, best, axis=1)
    return rows
