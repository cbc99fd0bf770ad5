"""Nearest neighbours among embeddings.

The exact index answers what comparing the query with every embedding would, bit for bit.
Above ``SIEVE_FROM`` songs it reads only a quarter of the bytes to get there: see ``Sieve``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from embed.errors import BundleError, SearchError
from embed.sieve import Sieve
from embed.spec import EMBEDDING_SIZE
from embed.vectorfile import CHUNK_ROWS, VectorFile

SIEVE_FROM: Final = 20_000
"""Songs from which the sieve pays: below, comparing with all takes under 2 ms."""

_SORT_ALL: Final = 1_000
"""Up to here sorting all is as quick as finding the largest first."""

_SPARSE: Final = 8
"""Rows are read one by one when there are fewer than one in this many, else in one sweep."""

AWAY: Final = 0.5
"""Weight of songs that are pushed away. Below 1, so that something is always left of a query;
see docs/lists.md for what other weights do."""

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]
Similarities = NDArray[np.float32]


class Index(Protocol):
    """Embeddings that can be searched; safe to share between threads."""

    def __len__(self) -> int: ...

    def vectors(self, rows: Rows) -> Vectors:
        """The embeddings at ``rows``, float32 ``(rows, 512)``."""
        ...

    def search(self, query: Vectors, count: int) -> tuple[Rows, Similarities]:
        """The ``count`` nearest of a unit ``query``: similarity down, then row up."""
        ...


class ExactIndex:
    """Every embedding of one ``vectors.npy``: in memory, or, from ``sieve_from`` songs on,
    in the open file with a sieve before it.

    Raises BundleError when the file is torn, or holds anything but unit rows of float32
    ``(songs, 512)`` in C order.
    """

    def __init__(self, path: Path, sieve_from: int = SIEVE_FROM) -> None:
        self._file = VectorFile(path)
        self._sieve: Sieve | None = None
        self._all: Vectors | None = None
        try:
            if len(self) < sieve_from:
                self._all = self._file.between(0, len(self))
                self._file.check_lengths(self._all, np.arange(len(self)))
                self._file.close()
            else:
                self._sieve = self._sifted()
        except BundleError:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def vectors(self, rows: Rows) -> Vectors:
        """The embeddings at ``rows``, float32 ``(rows, 512)``."""
        if self._all is not None:
            return self._all[rows]
        return self._file.at(rows)

    def search(self, query: Vectors, count: int) -> tuple[Rows, Similarities]:
        """The ``count`` nearest of ``query``: similarity down, then row up.

        ``query`` is float32 ``(512,)``, unit length; fewer come back where there are fewer.
        Returns int64 and float32 ``(count,)``. Raises SearchError on a query of another shape.
        """
        check_query(query)
        count = min(max(count, 0), len(self))
        if count == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        # vecdot sums each row by itself, so a row's similarity does not depend on the rows
        # around it and equal embeddings tie exactly; a matrix product promises neither.
        if self._all is not None:
            similarities = np.vecdot(self._all, query)
            places = best(similarities, count)
            return places, similarities[places]
        assert self._sieve is not None
        rows = self._sieve.candidates(query, count)
        similarities = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            similarities[part] = np.vecdot(self._ascending(rows[part]), query)
        places = best(similarities, count)
        return rows[places], similarities[places]

    def _ascending(self, rows: Rows) -> Vectors:
        first, end = int(rows[0]), int(rows[-1]) + 1
        if end - first > len(rows) * _SPARSE:
            return self.vectors(rows)
        return self._file.between(first, end)[rows - first]

    def _sifted(self) -> Sieve:
        sieve = Sieve(len(self))
        for start, chunk in self._file.chunks():
            self._file.check_lengths(chunk, np.arange(start, start + len(chunk)))
            sieve.add(start, chunk)
        return sieve


def pool_seeds(embeddings: Vectors) -> Vectors:
    """One query from several songs: the mean of unit ``(seeds, 512)``, made unit.

    Raises SearchError when the songs cancel out.
    """
    mean = embeddings.mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    if length < 1e-6:
        raise SearchError("the songs are opposites: nothing lies between them")
    query: Vectors = (mean / length).astype(np.float32)
    return query


def push_away(query: Vectors, others: Vectors) -> tuple[Vectors, float]:
    """``query`` moved away from ``others``: unit(query − AWAY · their mean), and the length that
    was made unit.

    Rocchio's negative feedback (in Salton, The SMART Retrieval System, 1971). ``query`` is
    float32 ``(512,)``, unit, ``others`` ``(songs, 512)``, unit rows. The length is 0.5 to 1.5.
    """
    moved = query.astype(np.float64) - AWAY * others.mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(moved))
    direction: Vectors = (moved / length).astype(np.float32)
    return direction, length


def check_query(query: Vectors) -> None:
    """Raises SearchError when ``query`` is not of shape ``(512,)``."""
    if query.shape != (EMBEDDING_SIZE,):
        raise SearchError(f"query of shape {query.shape}, expected ({EMBEDDING_SIZE},)")


def best(similarities: Similarities, count: int) -> Rows:
    """Where the ``count`` largest are: value down, then position up."""
    if len(similarities) <= _SORT_ALL:
        return (-similarities).argsort(kind="stable")[:count]
    least = np.partition(similarities, -count)[-count]
    places = np.flatnonzero(similarities >= least)  # every tie at the edge, in order
    return places[(-similarities[places]).argsort(kind="stable")[:count]]
