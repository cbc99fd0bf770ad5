"""The catalogue's embeddings in Milvus, behind the same protocol as those in a file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import numpy as np

from embed.errors import EngineError, SearchError, UnfitEngineError
from embed.index import Rows, Similarities, Vectors
from embed.milvus.circuit import Circuit
from embed.milvus.client import MOST_FOUND, Milvus
from embed.milvus.versions import Versions, short
from embed.spec import EMBEDDING_SIZE

KEPT: Final = 4_096
"""Embeddings kept: 8 MB. A request's neighbours are compared with each other right afterwards."""

_COMPARED_HERE: Final = 256
"""Up to so many neighbours come with their embeddings, half a megabyte."""

_SPARE: Final = 8
"""Neighbours asked for beyond those wanted, so that equals at the edge come in order of row."""

_AT_A_TIME: Final = 1_000
"""Embeddings fetched at a time: 2 MB."""

Result = TypeVar("Result")


class MilvusIndex:
    """The ``songs`` embeddings of the bundle ``version``, published before; safe to share
    between threads.

    Similarities are computed here from float32 embeddings, up to 256 neighbours, so they are
    bit for bit an ExactIndex's; only which neighbours are found is approximate. At most 16,384
    are found. Nothing is asked of Milvus before the first call, and each raises EngineError when
    it is down, or holds another version.
    """

    def __init__(
        self, milvus: Milvus, version: str, songs: int, circuit: Circuit | None = None
    ) -> None:
        self._milvus = milvus
        self._version = version
        self._songs = songs
        self.circuit = circuit or Circuit()
        self.collection = Versions(milvus).collection(version)
        self._is_checked = False
        self._lock = threading.Lock()
        self._known: dict[int, Vectors] = {}

    def __len__(self) -> int:
        return self._songs

    def close(self) -> None:
        """Leave the server."""
        self._milvus.close()

    def check(self) -> None:
        """Look whether it answers, and still holds the version. Raises EngineError when not."""
        self._is_checked = False
        self.circuit.call(lambda: self._get([0]))

    def vectors(self, rows: Rows) -> Vectors:
        """The embeddings at ``rows``, float32 ``(rows, 512)``."""
        wanted = rows.tolist()
        with self._lock:
            found = {row: self._known[row] for row in wanted if row in self._known}
        missing = [row for row in dict.fromkeys(wanted) if row not in found]
        for start in range(0, len(missing), _AT_A_TIME):
            some = missing[start : start + _AT_A_TIME]
            found |= self.circuit.call(partial(self._get, some))
        if not wanted:
            return np.zeros((0, EMBEDDING_SIZE), np.float32)
        return np.stack([found[row] for row in wanted])

    def search(self, query: Vectors, count: int) -> tuple[Rows, Similarities]:
        """The ``count`` nearest of ``query``: similarity down, then row up; as ExactIndex does."""
        if query.shape != (EMBEDDING_SIZE,):
            raise SearchError(f"query of shape {query.shape}, expected ({EMBEDDING_SIZE},)")
        count = min(max(count, 0), self._songs)
        if count == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        rows, similarities = self.circuit.call(lambda: self._search(query, count))
        order = np.lexsort((rows, -similarities))[:count]
        return rows[order], similarities[order]

    def _search(self, query: Vectors, count: int) -> tuple[Rows, Similarities]:
        asked = min(count + _SPARE, self._songs, MOST_FOUND)
        rows, products, embeddings = self._ask(
            lambda: self._milvus.search(self.collection, query, asked, asked <= _COMPARED_HERE)
        )
        if embeddings is None:
            return rows, np.array(products, np.float32)
        self._keep(dict(zip(rows.tolist(), embeddings, strict=True)))
        compared = np.array(embeddings, np.float32).reshape(-1, EMBEDDING_SIZE)
        return rows, np.vecdot(compared, query)

    def _get(self, rows: list[int]) -> dict[int, Vectors]:
        found = self._ask(lambda: self._milvus.get(self.collection, rows))
        if len(found) < len(rows):
            absent = next(row for row in rows if row not in found)
            raise EngineError(f"{self._milvus}: {self.collection} holds no row {absent}")
        self._keep(found)
        return found

    def _keep(self, found: dict[int, Vectors]) -> None:
        with self._lock:
            self._known |= found
            while len(self._known) > KEPT:
                del self._known[next(iter(self._known))]

    def _ask(self, function: Callable[[], Result]) -> Result:
        """``function()``, once the collection is known to be what it should; after a failure
        that is looked at anew."""
        if not self._is_checked:
            self._check()
        try:
            result = function()
        except EngineError:
            self._is_checked = False
            raise
        self._is_checked = True
        return result

    def _check(self) -> None:
        """That the collection of this version is whole, and in memory."""
        versions = Versions(self._milvus)
        if not versions.has_collection(self._version):
            current = next((one.version for one in versions.all() if one.is_current), None)
            there = f"its current version is {short(current)}" if current else "it has no version"
            raise UnfitEngineError(
                f"{self._milvus}: {there}, the bundle's is {short(self._version)}; "
                "python -m embed publish loads it"
            )
        if versions.one(self._version).number is None:
            raise EngineError(
                f"{self._milvus}: version {short(self._version)} is not whole yet; "
                "python -m embed publish loads it"
            )
        if self._milvus.address.is_file:
            self._milvus.build(self.collection)  # into the memory of this process
        elif not self._milvus.is_loaded(self.collection):
            raise EngineError(
                f"{self._milvus}: version {short(self._version)} is not in memory; "
                "python -m embed publish --rollback loads it"
            )
