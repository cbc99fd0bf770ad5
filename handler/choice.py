"""Which neighbours make the answer: no seed, nothing excluded, no recording twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from embed.index import Index, pool_seeds
from handler.schemas import RecommendRequest

SAME_RECORDING: Final = 0.9999
"""Cosine from which two songs are one recording: copies, or two encodings of it."""

DECIMALS: Final = 4

_SPARE: Final = 4
"""Neighbours asked for beyond those wanted, for copies among them."""

_LEAST_BLOCK: Final = 8
"""Neighbours are compared with each other as many at a time as are wanted, or this many."""

_MOST_EXTRA: Final = 128
"""Neighbours asked for at first beyond those wanted, for excluded ones among them."""

Vectors = NDArray[np.float32]


class Recordings(Protocol):
    """What a choice needs of a catalogue; see ``embed.catalogue.Catalogue``."""

    @property
    def copies(self) -> Mapping[int, int]: ...
    def artists(self, rows: Sequence[int]) -> list[str | None]: ...


class Choice:
    """One answer in the making: for ``seeds``, without the rows in ``excluded``.

    Raises SearchError when the seeds have nothing between them.
    """

    def __init__(
        self,
        songs: Recordings,
        index: Index,
        request: RecommendRequest,
        seeds: Sequence[int],
        excluded: set[int],
    ) -> None:
        self._songs = songs
        self._index = index
        self._request = request
        self._seeds = index.vectors(np.array(seeds, np.int64))
        self._query = self._seeds[0] if len(seeds) == 1 else pool_seeds(self._seeds)
        self._rows = {*seeds, *excluded}
        self._contents = {self._content(row) for row in seeds}
        by_artist = request.exclude_same_artist
        self._artists = set(songs.artists(seeds)) - {None} if by_artist else set()

    def nearest(self) -> list[tuple[int, float]]:
        """Rows and similarities, rounded: similarity down, then by name.

        Chosen by the true similarity: rounding only decides what is shown, in which order.
        """
        count = self._request.top_k + min(len(self._rows), _MOST_EXTRA) + _SPARE
        while True:
            rows, similarities = self._index.search(self._query, count)
            found = list(zip(rows.tolist(), similarities.tolist(), strict=True))
            chosen, is_final = self._choose(found)
            if is_final or len(found) < count:
                return sorted(chosen, key=lambda pair: (-pair[1], pair[0]))
            count *= 4

    def _choose(self, found: list[tuple[int, float]]) -> tuple[list[tuple[int, float]], bool]:
        """The answer from these neighbours, and whether more of them could not change it."""
        candidates = [pair for pair in found if pair[0] not in self._rows]
        chosen: list[tuple[int, float]] = []
        taken = self._seeds
        contents = set(self._contents)
        size = max(self._request.top_k, _LEAST_BLOCK)
        for start in range(0, len(candidates), size):
            block = self._of_other_artists(candidates[start : start + size])
            vectors = self._index.vectors(np.array([row for row, _ in block], np.int64))
            places = self._distinct(vectors, taken)
            for place in places:
                row, similarity = block[place]
                shown = round(similarity, DECIMALS) + 0.0  # nobody wants to see a -0.0
                if shown < self._request.min_similarity:
                    return chosen, True
                content = self._content(row)
                if content in contents:
                    continue
                contents.add(content)
                chosen.append((row, shown))
                if len(chosen) == self._request.top_k:
                    return chosen, True
            taken = np.concatenate([taken, vectors[places]])
        return chosen, False

    def _of_other_artists(self, block: list[tuple[int, float]]) -> list[tuple[int, float]]:
        if not self._artists:
            return block
        artists = self._songs.artists([row for row, _ in block])
        return [
            pair for pair, artist in zip(block, artists, strict=True) if artist not in self._artists
        ]

    def _distinct(self, vectors: Vectors, taken: Vectors) -> list[int]:
        """Places in ``vectors`` that are no recording among ``taken`` nor an earlier place."""
        count = len(vectors)
        is_same = vectors @ np.concatenate([vectors, taken]).T >= SAME_RECORDING
        if np.count_nonzero(is_same) == count:
            return list(range(count))  # each is like itself alone: nearly always
        twins = is_same[:, :count].tolist()
        places: list[int] = []
        for place, is_taken in enumerate(is_same[:, count:].any(axis=1).tolist()):
            if not is_taken and not any(twins[place][earlier] for earlier in places):
                places.append(place)
        return places

    def _content(self, row: int) -> int:
        return self._songs.copies.get(row, row)
