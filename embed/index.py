"""Nearest neighbours among embeddings.

The exact index answers what comparing the query with every embedding would, bit for bit.
Above ``SIEVE_FROM`` songs it reads only a quarter of the bytes to get there: see ``Sieve``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from embed.errors import BundleError, SearchError
from embed.sieve import Sieve
from embed.spec import EMBEDDING_SIZE

SIEVE_FROM: Final = 20_000
"""Songs from which the sieve pays: below, comparing with all takes under 2 ms."""

_SORT_ALL: Final = 1_000
"""Up to here sorting all is as quick as finding the largest first."""

_CHUNK_ROWS: Final = 256
"""Embeddings handled at a time: 512 kB, which stay in a core's cache from step to step."""

_SPARSE: Final = 8
"""Rows are read one by one when there are fewer than one in this many, else in one sweep."""

_ROW_BYTES: Final = EMBEDDING_SIZE * 4

AWAY: Final = 0.5
"""Weight of songs that are pushed away. Below 1, so that something is always left of a query;
see docs/lists.md for what other weights do."""

_LENGTH_TOLERANCE: Final = 1e-3
"""How far from 1 a stored embedding's length may be; float32 rounding alone gives 1e-6."""

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

    The file is read at places, not memory-mapped: a process that maps it is in time charged
    for all of it, and where the page cache has huge pages at the first few touches.

    Raises BundleError when the file is torn, or holds anything but unit rows of float32
    ``(songs, 512)`` in C order.
    """

    def __init__(self, path: Path, sieve_from: int = SIEVE_FROM) -> None:
        self._file, self._songs = _open(path)
        self._begin = self._file.tell()
        self._sieve: Sieve | None = None
        self._all: Vectors | None = None
        try:
            if self._songs < sieve_from:
                self._all = self._read(0, self._songs)
                _check_lengths(self._all, 0, path)
                self._file.close()
            else:
                self._sieve = self._sifted(path)
        except BundleError:
            self.close()
            raise

    def __len__(self) -> int:
        return self._songs

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def vectors(self, rows: Rows) -> Vectors:
        """The embeddings at ``rows``, float32 ``(rows, 512)``."""
        if self._all is not None:
            return self._all[rows]
        found = np.empty((len(rows), EMBEDDING_SIZE), np.float32)
        for place, row in enumerate(rows.tolist()):
            self._read_into(found[place], row)
        return found

    def search(self, query: Vectors, count: int) -> tuple[Rows, Similarities]:
        """The ``count`` nearest of ``query``: similarity down, then row up.

        ``query`` is float32 ``(512,)``, unit length; fewer come back where there are fewer.
        Returns int64 and float32 ``(count,)``. Raises SearchError on a query of another shape.
        """
        if query.shape != (EMBEDDING_SIZE,):
            raise SearchError(f"query of shape {query.shape}, expected ({EMBEDDING_SIZE},)")
        count = min(max(count, 0), self._songs)
        if count == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        # vecdot sums each row by itself, so a row's similarity does not depend on the rows
        # around it and equal embeddings tie exactly; a matrix product promises neither.
        if self._all is not None:
            similarities = np.vecdot(self._all, query)
            places = _best(similarities, count)
            return places, similarities[places]
        assert self._sieve is not None
        rows = self._sieve.candidates(query, count)
        similarities = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), _CHUNK_ROWS):
            part = slice(start, start + _CHUNK_ROWS)
            similarities[part] = np.vecdot(self._ascending(rows[part]), query)
        places = _best(similarities, count)
        return rows[places], similarities[places]

    def _ascending(self, rows: Rows) -> Vectors:
        first, end = int(rows[0]), int(rows[-1]) + 1
        if end - first > len(rows) * _SPARSE:
            return self.vectors(rows)
        return self._read(first, end)[rows - first]

    def _sifted(self, path: Path) -> Sieve:
        sieve = Sieve(self._songs)
        for start in range(0, self._songs, _CHUNK_ROWS):
            chunk = self._read(start, min(start + _CHUNK_ROWS, self._songs))
            _check_lengths(chunk, start, path)
            sieve.add(start, chunk)
        return sieve

    def _read(self, first: int, end: int) -> Vectors:
        vectors = np.empty((end - first, EMBEDDING_SIZE), np.float32)
        self._read_into(vectors, first)
        return vectors

    def _read_into(self, vectors: Vectors, row: int) -> None:
        wanted = vectors.reshape(-1).view(np.uint8).data
        offset = self._begin + row * _ROW_BYTES
        while len(wanted):  # one read gives at most 2 GB
            count = os.preadv(self._file.fileno(), [wanted], offset)
            if count == 0:
                raise BundleError(f"{self._file.name}: ends at byte {offset}")
            wanted, offset = wanted[count:], offset + count


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


def _best(similarities: Similarities, count: int) -> Rows:
    """Where the ``count`` largest are: value down, then position up."""
    if len(similarities) <= _SORT_ALL:
        return (-similarities).argsort(kind="stable")[:count]
    least = np.partition(similarities, -count)[-count]
    places = np.flatnonzero(similarities >= least)  # every tie at the edge, in order
    return places[(-similarities[places]).argsort(kind="stable")[:count]]


def _open(path: Path) -> tuple[BinaryIO, int]:
    """The file, placed at its first embedding, and how many it holds."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error
    try:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise BundleError(f"{path}: .npy version {version}, expected (1, 0)")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype != np.dtype("<f4") or is_fortran or shape[1:] != (EMBEDDING_SIZE,):
            order = "Fortran" if is_fortran else "C"
            raise BundleError(
                f"{path}: {dtype} {shape} in {order} order, "
                f"expected float32 (songs, {EMBEDDING_SIZE}) in C order"
            )
        found, expected = os.fstat(file.fileno()).st_size, file.tell() + shape[0] * _ROW_BYTES
        if found != expected:
            raise BundleError(f"{path}: {found} bytes, expected {expected} for {shape[0]} songs")
    except ValueError as error:
        file.close()
        raise BundleError(f"{path}: not a .npy file: {error}") from error
    except BundleError:
        file.close()
        raise
    return file, shape[0]


def _check_lengths(vectors: Vectors, start: int, path: Path) -> None:
    lengths = np.sqrt(np.vecdot(vectors, vectors))
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= _LENGTH_TOLERANCE))  # ~: NaN is wrong too
    if len(wrong):
        at = int(wrong[0])
        raise BundleError(f"{path}: row {start + at} has length {lengths[at]:g}, expected 1")
