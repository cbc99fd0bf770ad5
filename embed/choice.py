"""Which neighbours make the answer: no seed, nothing excluded, no recording twice."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import numpy as np

from embed.admission import Admission, Artists
from embed.index import AWAY, Index, Vectors, push_away
from embed.recordings import Recordings
from embed.variety import varied

DECIMALS: Final = 4

_SPARE: Final = 4
"""Neighbours asked for beyond those wanted, for second copies among them."""

_MOST_EXTRA: Final = 128
"""Neighbours asked for at first beyond that, for excluded ones among them."""

_POOL: Final = 50
_POOL_PER_SONG: Final = 4
"""Among how many of the nearest songs a varied answer is chosen: so many, or so many for each
that is wanted. More would let songs in that are hardly like what was asked."""

_ROUNDING: Final = 1e-4
"""Slack where a bound is compared: similarities are rounded to 4 decimals."""

Found = list[tuple[int, float]]


class Sought(NamedTuple):
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


_Candidate = tuple[int, float, float]
"""A row, how like the query it is as shown, and the true likeness by which it is chosen."""


class Choice:
    """One answer in the making; ``artists`` gives the artists of rows, and is asked only when
    they matter."""

    def __init__(
        self, index: Index, recordings: Recordings, artists: Artists, sought: Sought
    ) -> None:
        self._index = index
        self._sought = sought
        apart = [*sought.seeds, *sought.not_like]
        self._rows_out = {*apart, *sought.excluded}
        artists_out = artists(sought.seeds) if sought.without_artists_of_seeds else ()
        self._admission = Admission(recordings, artists, apart, sought.max_per_artist, artists_out)

    def nearest(self) -> Found:
        """Rows and similarities, rounded: similarity down, then by name.

        Chosen by the true similarity: rounding only decides what is shown, in which order.
        """
        sought = self._sought
        if not sought.diversity:
            chosen = self._candidates(sought.top_k)
        else:
            pool = self._candidates(max(_POOL, _POOL_PER_SONG * sought.top_k))
            vectors = self._index.vectors(np.array([row for row, _, _ in pool], np.int64))
            scores = np.array([score for _, _, score in pool], np.float32)
            places = varied(vectors, scores, sought.diversity, sought.top_k)
            chosen = [pool[place] for place in places]
        pairs = [(row, shown) for row, shown, _ in chosen]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    def _candidates(self, wanted: int) -> list[_Candidate]:
        """The ``wanted`` best of those that may be chosen, or all where there are fewer."""
        direction, least_score = self._direction()
        count = wanted + min(len(self._rows_out), _MOST_EXTRA) + _SPARE
        while True:
            rows, scores = self._index.search(direction, count)
            found = dict(zip(rows.tolist(), scores.tolist(), strict=True))
            chosen, is_final = self._choose(found, wanted, least_score)
            if is_final or len(found) < count:
                return chosen
            count *= 4

    def _direction(self) -> tuple[Vectors, float]:
        """Where to look, and from which score down nothing is similar enough to be shown."""
        sought = self._sought
        if not sought.not_like:
            return sought.query, -math.inf
        away = self._index.vectors(np.array(sought.not_like, np.int64))
        direction, length = push_away(sought.query, away)
        # score · length = similarity − AWAY · likeness to the others' mean, which is at most 1.
        return direction, (sought.min_similarity - AWAY - _ROUNDING) / length

    def _choose(
        self, found: dict[int, float], wanted: int, least_score: float
    ) -> tuple[list[_Candidate], bool]:
        """Candidates among these neighbours, and whether more of them could not change them."""
        least = self._sought.min_similarity
        rows = [row for row in found if row not in self._rows_out]
        similarities = self._similarities(rows, found)
        if similarities is not found:  # then they do not go down: look before they pass
            rows = [row for row in rows if round(similarities[row], DECIMALS) >= least]
        chosen: list[_Candidate] = []
        for row in self._admission.admitted(rows):
            shown = round(similarities[row], DECIMALS) + 0.0  # nobody wants to see a -0.0
            if shown < least:
                return chosen, True
            chosen.append((row, shown, found[row]))
            if len(chosen) == wanted:
                return chosen, True
        return chosen, bool(found) and min(found.values()) < least_score

    def _similarities(self, rows: list[int], found: dict[int, float]) -> dict[int, float]:
        """How like the query ``rows`` are, whatever was pushed away."""
        if not self._sought.not_like:
            return found
        vectors = self._index.vectors(np.array(rows, np.int64))
        similarities = np.vecdot(vectors, self._sought.query).tolist()
        return dict(zip(rows, similarities, strict=True))
