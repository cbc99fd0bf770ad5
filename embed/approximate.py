"""Nearest neighbours among more embeddings than are compared one by one.

A graph in a byte a number finds more songs than are asked for; their float32 embeddings, read
from ``vectors.npy``, decide. So similarities are exact, and what may differ from the exact index
is only that a song is missing: docs/scale.md tells how often.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from embed.hnsw import Graph
from embed.index import Rows, Similarities, Vectors, best, check_query
from embed.indexfile import GONE, IndexFiles
from embed.vectorfile import VectorFile

APPROXIMATE_FROM: Final = 30_000
"""Songs from which a bundle gets an approximate index; measured in docs/scale.md."""

_FETCHED: Final = 2
"""Slots looked for per song that is wanted: rounding may have changed their order."""

FETCHED_LEAST: Final = 48

_SCAN_SHARE: Final = 16
"""Past one in so many of all slots, comparing with every song is as quick, and exact."""


class ApproximateIndex:
    """The songs of ``vectors``, found by the graph in ``files``.

    Lengths are looked at as rows are read, not at the start. Raises BundleError when the graph
    is torn.
    """

    def __init__(self, vectors: VectorFile, files: IndexFiles) -> None:
        self._vectors = vectors
        self._slot_rows = files.rows
        self._kept_share = 1 - files.about.gone / max(files.about.slots, 1)
        self._graph = Graph.open(files.graph, files.about.slots)

    def __len__(self) -> int:
        return len(self._vectors)

    def close(self) -> None:
        """Close the file of embeddings."""
        self._vectors.close()

    def vectors(self, rows: Rows) -> Vectors:
        """The embeddings at ``rows``, float32 ``(rows, 512)``."""
        found = self._vectors.at(rows)
        self._vectors.check_lengths(found, rows)
        return found

    def search(self, query: Vectors, count: int) -> tuple[Rows, Similarities]:
        """The ``count`` nearest of ``query``, all but a few: similarity down, then row up.

        ``query`` is float32 ``(512,)``, unit length; fewer come back only where there are fewer.
        Returns int64 and float32 ``(count,)``. Raises SearchError on a query of another shape.
        """
        check_query(query)
        count = min(max(count, 0), len(self))
        if count == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        rows = self._near(query, count)
        if rows is None:
            similarities = self._compared_with_all(query)
            places = best(similarities, count)
            return places, similarities[places]
        # In row order, as ties come; and as similarities are, whatever lies around a row.
        similarities = np.vecdot(self.vectors(rows), query)
        places = best(similarities, count)
        return rows[places], similarities[places]

    def _near(self, query: Vectors, count: int) -> Rows | None:
        """``count`` rows or more that are near, ascending; None when it is better to compare with
        all: so many are wanted, or so many of those near have left."""
        fetched = int(max(_FETCHED * count, FETCHED_LEAST) / self._kept_share)
        while fetched * _SCAN_SHARE <= len(self._slot_rows):
            rows = self._slot_rows[self._graph.near(query, fetched)]
            rows = rows[rows != GONE]
            if len(rows) >= count:
                return np.sort(rows).astype(np.int64)
            fetched *= 4
        return None

    def _compared_with_all(self, query: Vectors) -> Similarities:
        similarities = np.empty(len(self), np.float32)
        for start, chunk in self._vectors.chunks():
            np.vecdot(chunk, query, out=similarities[start : start + len(chunk)])
        return similarities
