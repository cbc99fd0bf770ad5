"""Embeddings → points in the plane: songs that sound alike lie together.

t-SNE (van der Maaten & Hinton 2008, by openTSNE) of the first principal components, begun
from the first two of them or from an older map, so that the same songs always give the same
picture and an older picture keeps its shape. docs/map.md has the figures behind the choice.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Scores = NDArray[np.float32]
Rows = NDArray[np.int64]

COMPONENTS: Final = 50
"""Principal components that distances are taken in: the usual choice before t-SNE, a tenth of
the work, and the noise in the others is left out."""

LANDMARKS: Final = 50_000
"""Songs that are laid out at most; the others are placed near those they sound like."""

LEAST: Final = 16
"""Songs from which neighbourhoods mean something; fewer are shown by two components."""

PERPLEXITY: Final = 30.0
"""openTSNE's default: about as many neighbours as one looks at."""

NEIGHBOURS: Final = 5
"""Songs that a new one is placed among."""

_BLOCK: Final = 512
"""Songs handled at once, fewer where they are compared with more than ``LANDMARKS``: 100 MB of
distances."""

_EARLY, _LATE = 75, 200
"""Iterations with and without exaggeration. openTSNE's own 250 and 500, 2.7 times as
many, find 1 % more of the neighbours: docs/map.md."""

_FFT_FROM: Final = 3_000
"""Songs above which interpolation (FIt-SNE) beats Barnes and Hut's tree: at 1,000 it takes three
times as long, at 5,000 less."""

_START_STD: Final = 1e-4
"""openTSNE's own, for a start that is to be forgotten but for its order."""

_OLD_STD: Final = 3.0
"""For an older map: wide enough to be kept (correlation 0.99, with 1e-4 it is 0.86)."""


class Vectors(Protocol):
    """Float32 ``(songs, width)``: an array, or what reads rows of one when they are asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: Any, /) -> Any:  # noqa: ANN401 - a slice, or their numbers
        """These rows."""


def principal(vectors: Vectors) -> Scores:
    """The first components of centred ``vectors``, float32 ``(songs, up to 50)``.

    ``vectors`` is float32 ``(songs, width)`` and may be a file: it is read in blocks. The
    axes come from ``LANDMARKS`` songs at most, evenly taken; each points to where its largest
    number is positive, since an eigenvector's own sign means nothing.
    """
    some = np.asarray(vectors[evenly(len(vectors), LANDMARKS)], np.float64)
    mean = some.mean(axis=0)
    some -= mean
    _, axes = np.linalg.eigh(some.T @ some)
    axes = axes[:, ::-1][:, : min(COMPONENTS, len(vectors))]
    largest = np.abs(axes).argmax(axis=0)
    axes *= np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1, 1)
    scores = np.empty((len(vectors), axes.shape[1]), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        rows = slice(start, start + _BLOCK)
        scores[rows] = (np.asarray(vectors[rows], np.float64) - mean) @ axes
    return scores


def evenly(songs: int, most: int) -> Rows:
    """Up to ``most`` rows of ``songs``, evenly apart."""
    if songs <= most:
        return np.arange(songs)
    return np.arange(most) * songs // most


def nearest(queries: Scores, among: Scores, count: int) -> tuple[Rows, NDArray[np.float32]]:
    """The ``count`` nearest of ``among`` for each query, and their distances, nearest first.

    Exact. Returns int64 and float32 ``(queries, count)``.
    """
    count = min(count, len(among))
    rows = np.empty((len(queries), count), np.int64)
    distances = np.empty((len(queries), count), np.float32)
    lengths = np.einsum("ij,ij->i", among, among)
    size = max(1, min(_BLOCK, _BLOCK * LANDMARKS // max(len(among), 1)))
    for start in range(0, len(queries), size):
        block = queries[start : start + size]
        squared = lengths - 2 * (block @ among.T)
        squared += np.einsum("ij,ij->i", block, block)[:, np.newaxis]
        found = np.argpartition(squared, count - 1, axis=1)[:, :count]
        found.sort(axis=1)  # so that equal distances keep the order of rows
        near = np.take_along_axis(squared, found, axis=1)
        order = np.argsort(near, axis=1, kind="stable")
        rows[start : start + size] = np.take_along_axis(found, order, axis=1)
        near = np.take_along_axis(near, order, axis=1)
        distances[start : start + size] = np.sqrt(np.maximum(near, 0))
    return rows, distances


def place(queries: Scores, among: Scores, points: NDArray[Any]) -> Points:
    """Where each query belongs: amid its nearest of ``among``, which lie at ``points``.

    The nearer the more they count, by t-SNE's own measure of nearness, 1 / (1 + d²), with the
    nearest song's distance as the unit.
    """
    rows, distances = nearest(queries, among, NEIGHBOURS)
    unit = np.maximum(distances[:, :1], 1e-6)
    weights = 1 / (1 + (distances / unit) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    placed: Points = np.einsum("ij,ijk->ik", weights, points[rows]).astype(np.float32)
    return placed


def lay_out(scores: Scores, start: Points | None = None, landmarks: int = LANDMARKS) -> Points:
    """A point for every song, float32 ``(songs, 2)``, from where they are at ``start``, if any.

    The same ``scores`` and ``start`` give the same points: nothing in it is left to chance, or
    to the number of cores.
    """
    if len(scores) < LEAST:
        points = np.zeros((len(scores), 2), np.float32)
        points[:, : min(scores.shape[1], 2)] = scores[:, :2]
        return points
    rows = evenly(len(scores), landmarks)
    is_new = start is None or not start.std()
    first = scores[:, :2] if start is None or is_new else start
    if not first.std():
        return np.zeros((len(scores), 2), np.float32)  # all songs sound the same
    laid_out = _embedded(scores[rows], first[rows], is_new=is_new)
    if len(rows) == len(scores):
        return laid_out
    points = np.empty((len(scores), 2), np.float32)
    points[rows] = laid_out
    others = np.setdiff1d(np.arange(len(scores)), rows)
    among = scores[rows]
    for at in range(0, len(others), _BLOCK):
        some = others[at : at + _BLOCK]
        points[some] = place(scores[some], among, laid_out)
    return points


def _embedded(scores: Scores, start: Points, *, is_new: bool) -> Points:
    """t-SNE; ``start`` may have any scale, but must not be a single point.

    From components (``is_new``) it begins with exaggeration, which gathers what belongs
    together; from an older map that is done already, and would stir it up.
    """
    try:
        # 200 MB with SciPy and scikit-learn, which a small folder never needs.
        from openTSNE import TSNEEmbedding  # noqa: PLC0415
        from openTSNE.affinity import PerplexityBasedNN  # noqa: PLC0415
        from openTSNE.initialization import rescale  # noqa: PLC0415
        from openTSNE.nearest_neighbors import PrecomputedNeighbors  # noqa: PLC0415
    except ImportError:
        # It has no wheels for Linux on ARM, where our images run too: a plainer map, or the old
        # one with all songs placed, is better than none.
        return start.astype(np.float32)

    perplexity = min(PERPLEXITY, (len(scores) - 1) / 3)
    rows, distances = _others(scores, min(int(3 * perplexity), len(scores) - 1))
    knn = PrecomputedNeighbors(rows, distances.astype(np.float64))
    points = TSNEEmbedding(
        rescale(start.astype(np.float64), target_std=_START_STD if is_new else _OLD_STD),
        PerplexityBasedNN(perplexity=perplexity, knn_index=knn, n_jobs=1),
        negative_gradient_method="fft" if len(scores) > _FFT_FROM else "bh",
        n_jobs=1,  # sums in one order, whatever the machine
        random_state=0,
    )
    if is_new:
        points = points.optimize(_EARLY, exaggeration=12, momentum=0.5)
    points = points.optimize(_LATE, momentum=0.8)
    return np.asarray(points, np.float32)


def _others(scores: Scores, count: int) -> tuple[Rows, NDArray[np.float32]]:
    """Each song's ``count`` nearest others."""
    rows, distances = nearest(scores, scores, count + 1)
    is_other = rows != np.arange(len(scores))[:, np.newaxis]
    # Where more copies lie in the same place than fit, a song may be missing among its own.
    is_other[is_other.all(axis=1), -1] = False
    shape = len(scores), count
    return rows[is_other].reshape(shape), distances[is_other].reshape(shape)
