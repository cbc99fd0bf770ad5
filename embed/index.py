"""Nearest neighbours among embeddings.

The exact index answers what comparing the query with every embedding would, bit for bit.
Above ``SIEVE_FROM`` songs it reads only a quarter of the bytes to get there: see ``Sieve``.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from embed.errors import BundleError, SearchError
from embed.sieve import Sieve
from embed.spec import EMBEDDING_SIZE

SIEVE_FROM: Final = 20_000
"""Songs from which the sieve pays: below, comparing with all takes under 2 ms."""

_CHUNK_ROWS: Final = 1_024
"""Embeddings handled at a time, 2 MB of them: no step needs a second copy of them all."""

_MAPPED_ROWS: Final = 1_024
"""Embeddings a sieved index looks up before it lets the system have their pages back.

Linux maps 64 KB around each page that is touched (``fault_around_bytes``), so these are up
to 64 MB; without a limit the process would in time count all of them as its own.
"""

_LENGTH_TOLERANCE: Final = 1e-3
"""How far from 1 a stored embedding's length may be; float32 rounding alone gives 1e-6."""

_SORT_ALL: Final = 1_000
"""Up to here sorting all is as quick as finding the largest first."""

Rows = NDArray[np.int64]
Similarities = NDArray[np.float32]


class Index(Protocol):
    """Embeddings that can be searched; safe to share between threads."""

    def __len__(self) -> int: ...

    def vectors(self, rows: Rows) -> NDArray[np.float32]:
        """The embeddings at ``rows``, float32 ``(rows, 512)``."""
        ...

    def search(self, query: NDArray[np.float32], count: int) -> tuple[Rows, Similarities]:
        """The ``count`` nearest of a unit ``query``: similarity down, then row up."""
        ...


class ExactIndex:
    """Every embedding of one ``vectors.npy``, memory-mapped.

    Raises BundleError when the file is torn, or holds anything but unit rows of float32
    ``(songs, 512)`` in C order.
    """

    def __init__(self, path: Path, sieve_from: int = SIEVE_FROM) -> None:
        self._map, self._vectors = _map_vectors(path)
        sieve = Sieve(len(self)) if len(self) >= sieve_from else None
        with path.open("rb") as file:
            file.seek(len(self._map) - self._vectors.nbytes)
            for start in range(0, len(self), _CHUNK_ROWS):
                # Read, not mapped: what is looked at once should not count as ours.
                rows = min(_CHUNK_ROWS, len(self) - start)
                chunk = np.fromfile(file, np.float32, rows * EMBEDDING_SIZE)
                chunk = chunk.reshape(rows, EMBEDDING_SIZE)
                _check_lengths(chunk, start, path)
                if sieve is not None:
                    sieve.add(start, chunk)
        self._sieve = sieve
        self._mapped_rows = 0

    def __len__(self) -> int:
        return len(self._vectors)

    def vectors(self, rows: Rows) -> NDArray[np.float32]:
        """The embeddings at ``rows``, float32 ``(rows, 512)``."""
        return self._vectors[rows]

    def search(self, query: NDArray[np.float32], count: int) -> tuple[Rows, Similarities]:
        """The ``count`` nearest of ``query``: similarity down, then row up.

        ``query`` is float32 ``(512,)``, unit length; fewer come back where there are fewer.
        Returns int64 and float32 ``(count,)``. Raises SearchError on a query of another shape.
        """
        if query.shape != (EMBEDDING_SIZE,):
            raise SearchError(f"query of shape {query.shape}, expected ({EMBEDDING_SIZE},)")
        count = min(max(count, 0), len(self))
        if count == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        if self._sieve is None:
            similarities = np.vecdot(self._vectors, query)
            order = _best(similarities, count)
            return order, similarities[order]
        rows = self._sieve.candidates(query, count)
        similarities = self._similarities(rows, query)
        order = _best(similarities, count)
        return rows[order], similarities[order]

    def _similarities(self, rows: Rows, query: NDArray[np.float32]) -> Similarities:
        # vecdot sums each row by itself, so a row's similarity does not depend on the rows
        # around it and equal embeddings tie exactly; a matrix product promises neither.
        similarities = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), _CHUNK_ROWS):
            part = slice(start, start + _CHUNK_ROWS)
            similarities[part] = np.vecdot(self._vectors[rows[part]], query)
            self._mapped_rows += len(rows[part])
            if self._mapped_rows > _MAPPED_ROWS:
                self._map.madvise(mmap.MADV_DONTNEED)
                self._mapped_rows = 0
        return similarities


def pool_seeds(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """One query from several songs: the mean of unit ``(seeds, 512)``, made unit.

    Raises SearchError when the songs cancel out.
    """
    mean = embeddings.mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    if length < 1e-6:
        raise SearchError("the songs are opposites: nothing lies between them")
    query: NDArray[np.float32] = (mean / length).astype(np.float32)
    return query


def _best(similarities: Similarities, count: int) -> Rows:
    """Where the ``count`` largest are: value down, then position up."""
    if len(similarities) <= _SORT_ALL:
        return (-similarities).argsort(kind="stable")[:count]
    least = np.partition(similarities, -count)[-count]
    places = np.flatnonzero(similarities >= least)  # every tie at the edge, in order
    return places[(-similarities[places]).argsort(kind="stable")[:count]]


def _map_vectors(path: Path) -> tuple[mmap.mmap, NDArray[np.float32]]:
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                raise BundleError(f"{path}: .npy version {version}, expected (1, 0)")
            shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
            begin = file.tell()
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BundleError(f"{path}: not a .npy file: {error}") from error
    if dtype != np.float32 or is_fortran or len(shape) != 2 or shape[1] != EMBEDDING_SIZE:
        raise BundleError(
            f"{path}: {dtype} {shape}{' in Fortran order' if is_fortran else ''}, "
            f"expected float32 (songs, {EMBEDDING_SIZE}) in C order"
        )
    expected = begin + shape[0] * EMBEDDING_SIZE * 4
    if len(mapped) != expected:
        raise BundleError(f"{path}: {len(mapped)} bytes, expected {expected} for {shape[0]} songs")
    return mapped, np.ndarray(shape, np.float32, mapped, begin)


def _check_lengths(chunk: NDArray[np.float32], start: int, path: Path) -> None:
    lengths = np.sqrt(np.vecdot(chunk, chunk))
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= _LENGTH_TOLERANCE))  # ~: NaN is wrong too
    if len(wrong):
        at = int(wrong[0])
        raise BundleError(f"{path}: row {start + at} has length {lengths[at]:g}, expected 1")
