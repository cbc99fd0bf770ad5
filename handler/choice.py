"""Which neighbours make the answer: no seed, nothing excluded, no recording twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from embed.index import Index, Vectors
from handler.recordings import Recordings
from handler.schemas import Wanted

DECIMALS: Final = 4

_SPARE: Final = 4
"""Neighbours asked for beyond those wanted, for second copies among them."""

_MOST_EXTRA: Final = 128
"""Neighbours asked for at first beyond that, for excluded ones among them."""

_BLOCK: Final = 128
"""Neighbours compared with each other at a time: never N × N cosines."""

Artists = Callable[[Sequence[int]], list[str | None]]
Found = list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Sought:
    """What an answer is made of: the songs nearest to ``query`` that ``wanted`` lets pass.

    ``query`` is float32 ``(512,)``, unit length. ``seeds`` are the rows that it was made of, if
    any; neither they, nor other copies of them, nor ``excluded`` rows are chosen, nor, on
    demand, other songs by the seeds' artists.
    """

    query: Vectors
    wanted: Wanted
    seeds: Sequence[int] = ()
    excluded: Collection[int] = ()
    without_artists_of_seeds: bool = False


class Choice:
    """One answer in the making; ``artists`` gives the artists of rows, and is asked only when
    they matter."""

    def __init__(
        self, index: Index, recordings: Recordings, artists: Artists, sought: Sought
    ) -> None:
        self._index = index
        self._recordings = recordings
        self._artists = artists
        self._query = sought.query
        self._wanted = sought.wanted
        self._seeds = list(sought.seeds)
        self._rows_out = {*sought.seeds, *sought.excluded}
        self._artists_out: set[str | None] = set()
        if sought.without_artists_of_seeds:
            self._artists_out = set(artists(sought.seeds)) - {None}

    def nearest(self) -> Found:
        """Rows and similarities, rounded: similarity down, then by name.

        Chosen by the true similarity: rounding only decides what is shown, in which order.
        """
        count = self._wanted.top_k + min(len(self._rows_out), _MOST_EXTRA) + _SPARE
        while True:
            rows, similarities = self._index.search(self._query, count)
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
                if similarity < self._wanted.min_similarity:
                    return chosen, True
                chosen.append((row, similarity))
                if len(chosen) == self._wanted.top_k:
                    return chosen, True
            taken = [*self._seeds, *(row for row, _ in chosen)]
        return chosen, False

    def _of_other_artists(self, rows: list[int]) -> list[int]:
        out = self._artists_out
        if not out:
            return rows
        artists = self._artists(rows)
        return [row for row, artist in zip(rows, artists, strict=True) if artist not in out]
