"""Songs that a catalogue may hold twice, a page at a time: never N × N at once."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from embed.catalogue import Song
from embed.choice import DECIMALS
from embed.library import Library
from embed.versions import Kind, kind_of

_NEAREST: Final = 10
"""Neighbours of a song that may be paired with it."""

_NEXT_NAMES: Final = 8
"""Songs after it, in the order of names, that may be: ``X (Live)`` follows on ``X``, however
unlike it sounds."""

_COMPARED: Final = 4_000_000
_FEWEST: Final = 16
"""Songs compared for a page at most, but at least so many rows are: half a second."""


class Pair(NamedTuple):
    """Two songs by their rows, the lower one first, and what they are to each other."""

    one: int
    other: int
    similarity: float
    kind: Kind


class At(NamedTuple):
    """Where a page begins: at a row, without so many of its pairs."""

    row: int = 0
    skip: int = 0


class Pairs:
    """The suspects of a library, or those of one ``kind`` and from ``min_similarity`` on.

    Each pair comes once. The order is that of rows, and within a row similarity down.
    """

    def __init__(
        self, library: Library, kind: Kind | None = None, min_similarity: float = -1.0
    ) -> None:
        self._library = library
        self._kind = kind
        self._min_similarity = min_similarity
        self._near: dict[int, dict[int, float]] = {}
        self._songs: dict[int, Song] = {}

    def page(self, at: At, limit: int) -> tuple[list[Pair], At | None]:
        """At most ``limit`` pairs, and where the next page begins; None after the last.

        A page can hold fewer, or none, before the last: its work is bounded as well.
        """
        self._near.clear()
        self._songs.clear()
        total = len(self._library)
        end = min(total, at.row + max(_FEWEST, _COMPARED // max(total, 1)))
        page: list[Pair] = []
        skip = at.skip
        for row in range(at.row, end):
            pairs = self._of(row)
            room = limit - len(page)
            page += pairs[skip : skip + room]
            if skip + room < len(pairs):
                return page, At(row, skip + room)
            skip = 0
            if len(page) == limit:
                return page, At(row + 1) if row + 1 < total else None
        return page, At(end) if end < total else None

    def _of(self, row: int) -> list[Pair]:
        """The pairs that are told at ``row``: with what it is near to, or follows it by name.

        A nearness that is mutual is told at the lower row alone.
        """
        following = range(row + 1, min(row + 1 + _NEXT_NAMES, len(self._library)))
        near = self._near_to(row)
        found = [self._pair(row, other, cosine) for other, cosine in near.items()]
        pairs = [
            pair
            for pair in found
            if pair and (pair.one == row or not self._is_told_at(pair.one, row, pair.kind))
        ]
        unlike = [other for other in following if other not in near]
        vectors = self._library.index.vectors(np.array([row, *unlike], np.int64))
        for other, cosine in zip(unlike, np.vecdot(vectors[1:], vectors[0]).tolist(), strict=True):
            pair = self._pair(row, other, cosine)
            if pair and pair.kind in ("remaster", "version"):
                pairs.append(pair)
        wanted = [
            pair
            for pair in pairs
            if pair.similarity >= self._min_similarity and self._kind in (None, pair.kind)
        ]
        return sorted(wanted, key=lambda pair: (-pair.similarity, pair.one, pair.other))

    def _is_told_at(self, lower: int, row: int, kind: Kind) -> bool:
        is_named = kind in ("remaster", "version")
        return row in self._near_to(lower) or (is_named and row - lower <= _NEXT_NAMES)

    def _pair(self, row: int, other: int, cosine: float) -> Pair | None:
        kind = kind_of(self._song(row), self._song(other), cosine)
        if kind is None:
            return None
        return Pair(min(row, other), max(row, other), round(cosine, DECIMALS) + 0.0, kind)

    def _near_to(self, row: int) -> dict[int, float]:
        if row not in self._near:
            index = self._library.index
            [vector] = index.vectors(np.array([row], np.int64))
            rows, cosines = index.search(vector, _NEAREST + 1)
            near = dict(zip(rows.tolist(), cosines.tolist(), strict=True))
            if near.pop(row, None) is None:  # so many copies come before it
                near.popitem()
            self._near[row] = near
        return self._near[row]

    def _song(self, row: int) -> Song:
        if row not in self._songs:
            [self._songs[row]] = self._library.songs.songs_at([row])
        return self._songs[row]
