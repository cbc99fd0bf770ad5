"""Which neighbours make the answer: no seed, nothing excluded, no recording twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from embed.index import Index, pool_seeds
from handler.recordings import Recordings
from handler.schemas import RecommendRequest

DECIMALS: Final = 4

_SPARE: Final = 4
"""Neighbours asked for beyond those wanted, for second copies among them."""

_MOST_EXTRA: Final = 128
"""Neighbours asked for at first beyond that, for excluded ones among them."""

_BLOCK: Final = 128
"""Neighbours compared with each other at a time: never N × N cosines."""

Artists = Callable[[Sequence[int]], list[str | None]]
Found = list[tuple[int, float]]


class Choice:
    """One answer in the making: for ``seeds``, without the rows in ``excluded``.

    ``artists`` gives the artists of rows; it is asked only when the request leaves out those
    of the seeds.
    """

    def __init__(
        self,
        index: Index,
        recordings: Recordings,
        artists: Artists,
        request: RecommendRequest,
        seeds: list[int],
        excluded: set[int],
    ) -> None:
        self._index = index
        self._recordings = recordings
        self._artists = artists
        self._request = request
        self._seeds = seeds
        self._rows_out = {*seeds, *excluded}
        self._artists_out = set(artists(seeds)) - {None} if request.exclude_same_artist else None

    def nearest(self) -> Found:
        """Rows and similarities, rounded: similarity down, then by name.

        Chosen by the true similarity: rounding only decides what is shown, in which order.
        Raises SearchError when the seeds have nothing between them.
        """
        seeds = self._index.vectors(np.array(self._seeds, np.int64))
        query = seeds[0] if len(seeds) == 1 else pool_seeds(seeds)
        count = self._request.top_k + min(len(self._rows_out), _MOST_EXTRA) + _SPARE
        while True:
            rows, similarities = self._index.search(query, count)
            found = dict(zip(rows.tolist(), similarities.tolist(), strict=True))
            chosen, is_final = self._choose(found)
            if is_final or len(found) < count:
                return sorted(chosen, key=lambda pair: (-pair[1], pair[0]))
            count *= 4

    def _choose(self, found: dict[int, float]) -> tuple[Found, bool]:
        """The answer from these neighbours, and whether more of them could not change it."""
        candidates = [row for row in found if row not in self._rows_out]
        chosen: Found = []
        taken = self._seeds
        for start in range(0, len(candidates), _BLOCK):
            block = self._of_other_artists(candidates[start : start + _BLOCK])
            for row in self._recordings.distinct(block, taken):
                similarity = round(found[row], DECIMALS) + 0.0  # nobody wants to see a -0.0
                if similarity < self._request.min_similarity:
                    return chosen, True
                chosen.append((row, similarity))
                if len(chosen) == self._request.top_k:
                    return chosen, True
            taken = [*self._seeds, *(row for row, _ in chosen)]
        return chosen, False

    def _of_other_artists(self, rows: list[int]) -> list[int]:
        out = self._artists_out
        if not out:
            return rows
        artists = self._artists(rows)
        return [row for row, artist in zip(rows, artists, strict=True) if artist not in out]
