"""Which neighbours make the answer: no seed, nothing excluded, no recording twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from embed.index import AWAY, Index, Vectors, push_away
from embed.recordings import NO_TWINS, Recordings
from embed.variety import varied

DECIMALS: Final = 4

_SPARE: Final = 4
"""Neighbours asked for beyond those wanted, for second copies among them."""

_MOST_EXTRA: Final = 128
"""Neighbours asked for at first beyond that, for excluded ones among them."""

_BLOCK: Final = 128
"""Neighbours compared with each other at a time: never N × N cosines."""

_POOL: Final = 50
_POOL_PER_SONG: Final = 4
"""Among how many of the nearest songs a varied answer is chosen: so many, or so many for each
that is wanted. More would let songs in that are hardly like what was asked."""

_ROUNDING: Final = 1e-4
"""Slack where a bound is compared: similarities are rounded to 4 decimals."""

Artists = Callable[[Sequence[int]], list[str | None]]
Found = list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Sought:
    """What an answer is made of: the songs nearest to ``query``, float32 ``(512,)``, unit.

    ``top_k`` are wanted, each at least ``min_similarity`` like the query. ``seeds`` are the rows
    that the query was made of, if any, and songs that sound like the rows ``not_like`` are pushed
    away (see ``push_away``): neither of them, nor other copies of them, nor ``excluded`` rows are
    chosen, nor, with ``without_artists_of_seeds``, other songs by the seeds' artists.
    ``diversity``, 0 to 1, is that of ``varied``; at most ``max_per_artist`` songs are by one
    artist (None: any number; songs without an artist count each by themselves).
    """

    query: Vectors
    top_k: int = 5
    min_similarity: float = -1.0
    seeds: Sequence[int] = ()
    excluded: Collection[int] = ()
    without_artists_of_seeds: bool = False
    not_like: Sequence[int] = ()
    diversity: float = 0.0
    max_per_artist: int | None = None


class _Candidate(NamedTuple):
    row: int
    similarity: float  # to the query, rounded: what is shown
    score: float  # what it is chosen by


class Choice:
    """One answer in the making; ``artists`` gives the artists of rows, and is asked only when
    they matter."""

    def __init__(
        self, index: Index, recordings: Recordings, artists: Artists, sought: Sought
    ) -> None:
        self._index = index
        self._recordings = recordings
        self._artists = artists
        self._sought = sought
        self._apart = [*sought.seeds, *sought.not_like]
        self._rows_out = {*self._apart, *sought.excluded}
        self._artists_out: set[str | None] = set()
        if sought.without_artists_of_seeds:
            self._artists_out = set(artists(sought.seeds)) - {None}
        self._direction = sought.query
        self._least_score = -np.inf
        if sought.not_like:
            away = index.vectors(np.array(sought.not_like, np.int64))
            self._direction, length = push_away(sought.query, away)
            # score · length = similarity − AWAY · likeness to the others' mean, which is at most 1.
            self._least_score = (sought.min_similarity - AWAY - _ROUNDING) / length
        self._pool = sought.top_k
        if sought.diversity:
            self._pool = max(_POOL, _POOL_PER_SONG * sought.top_k)

    def nearest(self) -> Found:
        """Rows and similarities, rounded: similarity down, then by name.

        Chosen by the true similarity: rounding only decides what is shown, in which order.
        """
        chosen = self._candidates()
        if self._sought.diversity:
            rows = np.array([one.row for one in chosen], np.int64)
            scores = np.array([one.score for one in chosen], np.float32)
            sought, vectors = self._sought, self._index.vectors(rows)
            chosen = [chosen[at] for at in varied(vectors, scores, sought.diversity, sought.top_k)]
        pairs = [(one.row, one.similarity) for one in chosen]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    def _candidates(self) -> list[_Candidate]:
        count = self._pool + min(len(self._rows_out), _MOST_EXTRA) + _SPARE
        while True:
            rows, scores = self._index.search(self._direction, count)
            found = dict(zip(rows.tolist(), scores.tolist(), strict=True))
            chosen, is_final = self._choose(found)
            if is_final or len(found) < count:
                return chosen
            count *= 4

    def _choose(self, found: dict[int, float]) -> tuple[list[_Candidate], bool]:
        """Candidates among these neighbours, and whether more of them could not change them."""
        rows = [row for row in found if row not in self._rows_out]
        chosen: list[_Candidate] = []
        seen = set(self._apart)
        by_artist: Counter[str | None] = Counter()
        most = self._sought.max_per_artist
        for start in range(0, len(rows), _BLOCK):
            block, artists = self._admitted(rows[start : start + _BLOCK], by_artist)
            shown = self._similarities(block, found)
            twins = self._recordings.twins(block, list(seen))
            for at, row in enumerate(block):
                if not twins.get(row, NO_TWINS).isdisjoint(seen):
                    continue
                if shown[at] < self._sought.min_similarity:
                    if found[row] <= self._least_score or not self._sought.not_like:
                        return chosen, True
                    continue
                if most is not None and artists[at] is not None:
                    if by_artist[artists[at]] == most:
                        continue
                    by_artist[artists[at]] += 1
                chosen.append(_Candidate(row, shown[at], found[row]))
                seen.add(row)
                if len(chosen) == self._pool:
                    return chosen, True
        return chosen, False

    def _admitted(
        self, rows: list[int], by_artist: Counter[str | None]
    ) -> tuple[list[int], list[str | None]]:
        """Those of ``rows`` whose artists may come in, and these artists where they matter."""
        most = self._sought.max_per_artist
        out = self._artists_out
        if most is not None:
            out = out | {artist for artist, songs in by_artist.items() if songs >= most}
        elif not out:
            return rows, []
        pairs = zip(rows, self._artists(rows), strict=True)
        admitted = [(row, artist) for row, artist in pairs if artist not in out]
        return [row for row, _ in admitted], [artist for _, artist in admitted]

    def _similarities(self, rows: list[int], found: dict[int, float]) -> list[float]:
        """What is shown of ``rows``: how like the query they are, whatever was pushed away."""
        similarities = [found[row] for row in rows]
        if self._sought.not_like:
            vectors = self._index.vectors(np.array(rows, np.int64))
            similarities = np.vecdot(vectors, self._sought.query).tolist()
        # Nobody wants to see a -0.0.
        return [round(similarity, DECIMALS) + 0.0 for similarity in similarities]
