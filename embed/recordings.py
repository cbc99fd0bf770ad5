"""Which songs are one recording: the same bytes, or all but the same embedding."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embed.index import Index

SAME_RECORDING: Final = 0.9999
"""Cosine from which two songs are one recording: copies, or two encodings of it."""

COMPARE_ALL: Final = 1_000
"""Up to here all songs are compared with each other once, at the start (40 ms): a request
then costs half. Above, a request compares only the few that come into question for it."""

_BLOCK: Final = 128

Vectors = NDArray[np.float32]

NO_TWINS: Final[frozenset[int]] = frozenset()


class Recordings:
    """Tells recordings apart; ``copies`` maps a row to an earlier one with the same bytes."""

    def __init__(
        self, index: Index, copies: Mapping[int, int], compare_all: int = COMPARE_ALL
    ) -> None:
        self._index = index
        self._copies = copies
        self._twins = self._all_twins() if len(index) <= compare_all else None

    def twins(self, rows: Sequence[int], taken: Collection[int] = ()) -> Mapping[int, set[int]]:
        """For each of ``rows`` that has any: the others of its recording, at least those among
        ``taken`` and ``rows``."""
        if self._twins is not None:
            return self._twins
        return self._twins_among(rows, taken)

    def distinct(self, rows: Sequence[int], taken: Collection[int] = ()) -> list[int]:
        """Those of ``rows`` that are no recording among ``taken`` nor an earlier one of them."""
        twins = self.twins(rows, taken)
        seen = set(taken)
        found: list[int] = []
        for row in rows:
            if twins.get(row, NO_TWINS).isdisjoint(seen):
                found.append(row)
                seen.add(row)
        return found

    def _all_twins(self) -> dict[int, set[int]]:
        """Every song's others of the same recording, where it has any."""
        twins: dict[int, set[int]] = {}
        everything = np.arange(len(self._index))
        vectors = self._index.vectors(everything)
        for start in range(0, len(everything), _BLOCK):
            is_same = _cosines(vectors[start : start + _BLOCK], vectors) >= SAME_RECORDING
            for here, there in np.argwhere(is_same).tolist():
                _join(twins, start + here, there)
        for later, first in self._copies.items():
            _join(twins, later, first)
        return twins

    def _twins_among(self, rows: Sequence[int], taken: Collection[int]) -> dict[int, set[int]]:
        """The same, of a few hundred ``rows`` only."""
        twins: dict[int, set[int]] = {}
        everyone = [*rows, *taken]
        vectors = self._index.vectors(np.array(everyone, np.int64))
        is_same = _cosines(vectors[: len(rows)], vectors) >= SAME_RECORDING
        for here, there in np.argwhere(is_same).tolist():
            _join(twins, rows[here], everyone[there])
        by_content: dict[int, int] = {}
        for row in everyone:
            _join(twins, row, by_content.setdefault(self._copies.get(row, row), row))
        return twins


def _cosines(some: Vectors, others: Vectors) -> Vectors:
    # Not ``some @ others.T``: for so few, waking BLAS's threads takes longer than the work,
    # and on a busy machine a hundred times as long.
    cosines: Vectors = np.vecdot(some[:, np.newaxis], others[np.newaxis])
    return cosines


def _join(twins: dict[int, set[int]], one: int, other: int) -> None:
    if one != other:
        twins.setdefault(one, set()).add(other)
        twins.setdefault(other, set()).add(one)
