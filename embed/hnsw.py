"""A navigable graph of embeddings in a byte a number (USearch): near ones are found by walking.

HNSW: Malkov and Yashunin, arXiv:1603.09320. Embeddings are rounded as for the sieve, each by its
own scale, which cosine does not see. USearch's own rounding takes one scale for all, 1/127, and
leaves a number of a 512-dimensional unit vector (1/√512) six steps.
"""

from __future__ import annotations

import mmap
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from numpy.typing import NDArray

from embed.cores import available_cores
from embed.errors import BundleError
from embed.sieve import rounded
from embed.spec import EMBEDDING_SIZE

if TYPE_CHECKING:
    from usearch.index import Index as USearch

CONNECTIVITY: Final = 32
"""Links of a node on each level, twice as many on the lowest: 276 bytes beside 512 of codes. With
16, of a million songs 8 in 500 queries ended among songs of another kind, with 32 half as many."""

EXPANSION_ADD: Final = 128
"""Candidates kept while a node's neighbours are looked for; USearch's default."""

EXPANSION_SEARCH: Final = 192
"""Candidates kept while a query's are: recall in docs/scale.md."""

_ALL_CORES: Final = 0

_UNREADABLE: Final = (ValueError, RuntimeError, KeyError, MemoryError, OSError)
"""What USearch raises on a file that is none of its own, or not whole."""

Codes = NDArray[np.int8]
Slots = NDArray[np.int64]


class Graph:
    """Nodes 0, 1, 2 …, called slots, each an embedding; safe to share between threads for
    searching, as many of which go on side by side as there are cores.

    One of USearch's indexes answers one search at a time, whoever asks; so there are several
    over one memory map, of 8 bytes a node each.
    """

    def __init__(self, usearch: USearch) -> None:
        self._usearch = usearch
        self._idle: queue.LifoQueue[USearch] = queue.LifoQueue()
        self._idle.put(usearch)

    @classmethod
    def empty(cls) -> Self:
        """A graph without nodes."""
        return cls(_usearch())

    @classmethod
    def open(cls, path: Path, nodes: int, *, to_change: bool = False) -> Self:
        """The graph saved at ``path``: memory-mapped, or, ``to_change`` it, in memory.

        Raises BundleError when the file is torn, another program's, or not of ``nodes`` nodes.
        """
        graph = cls.empty()
        try:
            _check_kind(path)
            if to_change:
                graph._usearch.load(path)
            else:
                graph._view(path)
        except _UNREADABLE as error:
            raise BundleError(f"{path}: not an index of embeddings: {error}") from error
        if len(graph) != nodes:
            raise BundleError(f"{path}: {len(graph)} nodes, expected {nodes}")
        return graph

    def _view(self, path: Path) -> None:
        with path.open("rb") as file:  # kept: USearch reads from the map, but does not hold it
            self._mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self._usearch.view(self._mapped)
        for _ in range(available_cores() - 1):
            another = _usearch()
            another.view(self._mapped)
            self._idle.put(another)

    def __len__(self) -> int:
        return len(self._usearch)

    def add(self, vectors: NDArray[np.float32], *, on_all_cores: bool = False) -> None:
        """Append unit ``vectors``, float32 ``(n, 512)``, as the next slots.

        The same vectors in the same order make the same graph, but not on several cores.
        """
        slots = np.arange(len(self), len(self) + len(vectors), dtype=np.uint64)
        threads = _ALL_CORES if on_all_cores else 1
        self._usearch.add(slots, rounded(vectors)[0], threads=threads)

    def near(self, query: NDArray[np.float32], count: int) -> Slots:
        """About the ``count`` nearest slots to a unit ``query``, float32 ``(512,)``."""
        codes = rounded(query[np.newaxis])[0][0]
        usearch = self._idle.get()
        try:
            found = usearch.search(codes, min(count, len(self)), threads=1).keys
        finally:
            self._idle.put(usearch)
        return np.asarray(found).astype(np.int64)

    def save(self, path: Path) -> None:
        """Write the graph to a file. Raises BundleError when the disk is full."""
        try:
            self._usearch.save(path)
        except RuntimeError as error:
            raise BundleError(f"{path}: not written: {error}") from error


def shuffled(count: int) -> Iterator[NDArray[np.int64]]:
    """0 … count-1 in parts, in an order that is always the same and means nothing.

    Added by name, an artist's songs come one after another and link to each other only: recall@10
    of 30,000 songs was 0.977 by name, 0.994 like this, with the same effort.
    """
    order = np.random.default_rng(0).permutation(count)
    for start in range(0, count, _AT_A_TIME):
        yield order[start : start + _AT_A_TIME]


_AT_A_TIME: Final = 4_096
"""Embeddings read and added at a time: 8 MB."""


def _usearch() -> USearch:
    from usearch.index import Index  # noqa: PLC0415 - 0.1 s, and only many songs need it

    return Index(
        ndim=EMBEDDING_SIZE,
        metric="cos",
        dtype="i8",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        expansion_search=EXPANSION_SEARCH,
        enable_key_lookups=False,  # nothing is asked by slot: opened in a fifth of the time
    )


def _check_kind(path: Path) -> None:
    """Raises ValueError when the file is of other numbers than ours: USearch would read them."""
    from usearch.index import Index  # noqa: PLC0415

    facts = Index.metadata(path)
    if facts is None:
        raise ValueError("no header")
    found = (facts["dimensions"], str(facts["kind_scalar"]), str(facts["kind_metric"]))
    expected = (EMBEDDING_SIZE, "ScalarKind.I8", "MetricKind.Cos")
    if found != expected:
        raise ValueError(f"of {found}, expected {expected}")
