"""``vectors.npy`` of a bundle, read by row.

The file is read at places, not memory-mapped: a process that maps it is in time charged for
all of it, and where the page cache has huge pages at the first few touches.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from embed.errors import BundleError
from embed.spec import EMBEDDING_SIZE

_ROW_BYTES: Final = EMBEDDING_SIZE * 4

CHUNK_ROWS: Final = 256
"""Embeddings handled at a time: 512 kB, which stay in a core's cache from step to step."""

_LENGTH_TOLERANCE: Final = 1e-3
"""How far from 1 a stored embedding's length may be; float32 rounding alone gives 1e-6."""

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]


class VectorFile:
    """The embeddings in the file at ``path``; safe to share between threads.

    What has taken the file's place since it was opened does not matter. Raises BundleError
    when the file is torn, or holds anything but float32 ``(songs, 512)`` in C order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file, self._songs = _open(path)
        self._begin = self._file.tell()

    def __len__(self) -> int:
        return self._songs

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def at(self, rows: Rows) -> Vectors:
        """The embeddings at ``rows``, float32 ``(rows, 512)``, read one by one."""
        found = np.empty((len(rows), EMBEDDING_SIZE), np.float32)
        for place, row in enumerate(rows.tolist()):
            self._read_into(found[place], row)
        return found

    def between(self, first: int, end: int) -> Vectors:
        """The embeddings of rows ``first`` up to ``end``, in one sweep."""
        vectors = np.empty((end - first, EMBEDDING_SIZE), np.float32)
        self._read_into(vectors, first)
        return vectors

    def __getitem__(self, rows: slice | Rows) -> Vectors:
        """As of an array, read now; a slice without steps."""
        if isinstance(rows, slice):
            first, end, _ = rows.indices(len(self))
            return self.between(first, end)
        return self.at(rows)

    def chunks(self) -> Iterator[tuple[int, Vectors]]:
        """All embeddings, ``CHUNK_ROWS`` at a time, each with its first row."""
        for start in range(0, len(self), CHUNK_ROWS):
            yield start, self.between(start, min(start + CHUNK_ROWS, len(self)))

    def check_all(self) -> None:
        """Raises BundleError when an embedding is not of unit length."""
        for start, chunk in self.chunks():
            self.check_lengths(chunk, np.arange(start, start + len(chunk)))

    def check_lengths(self, vectors: Vectors, rows: Rows) -> None:
        """Raises BundleError when one of ``vectors``, read at ``rows``, is not of unit length."""
        lengths = np.sqrt(np.vecdot(vectors, vectors))
        wrong = np.flatnonzero(~(np.abs(lengths - 1) <= _LENGTH_TOLERANCE))  # ~: so is NaN
        if len(wrong):
            at = int(wrong[0])
            raise BundleError(f"{self.path}: row {rows[at]} has length {lengths[at]:g}, expected 1")

    def _read_into(self, vectors: Vectors, row: int) -> None:
        wanted = vectors.reshape(-1).view(np.uint8).data
        offset = self._begin + row * _ROW_BYTES
        while len(wanted):  # one read gives at most 2 GB
            count = os.preadv(self._file.fileno(), [wanted], offset)
            if count == 0:
                raise BundleError(f"{self._file.name}: ends at byte {offset}")
            wanted, offset = wanted[count:], offset + count


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
