"""Songs in an order to be heard: on the way from one to another, or going on from some."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

import numpy as np

from embed.admission import Admission
from embed.choice import DECIMALS, Sought
from embed.errors import SearchError
from embed.index import Vectors, pool_seeds, push_away
from embed.library import Library
from embed.recordings import NO_TWINS
from embed.smooth import angles, between, progress, smooth_order, smoothest_path

MAX_SONGS: Final = 100

_POINTS: Final = 16
"""Places on the way around which songs are looked for: nearer ones would find the same."""

_POOL: Final = 64
_POOL_PER_SONG: Final = 4
"""Among how many songs a way is sought: so many, or so many for each that is wanted."""

_OPPOSITE: Final = -0.9999


class Limits(NamedTuple):
    """What a list may hold: ``excluded`` rows are left out, as are the rows ``not_like``, from
    whose sound it keeps away; at most ``max_per_artist`` songs are by one artist."""

    excluded: Collection[int] = ()
    not_like: Sequence[int] = ()
    max_per_artist: int | None = None
    diversity: float = 0.0


class Listed(NamedTuple):
    """A song of a list, and how like the one before it is; None where there is none."""

    row: int
    similarity: float | None


def journey(library: Library, start: int, end: int, count: int, limits: Limits) -> list[Listed]:
    """``count`` songs, ``start`` first and ``end`` last, each of which sounds like the one before.

    Songs near the arc between the two are candidates; each song of the list is nearer to
    ``end`` and further from ``start`` than the one before (see ``progress``), the worst step is
    as small as these candidates allow, and then the steps are even (see ``smoothest_path``). No
    recording comes twice. Fewer songs come back where fewer lie between. ``diversity`` has no
    meaning here. Raises SearchError when the two are one recording, or opposites.
    """
    vectors = library.index.vectors(np.array([start, end], np.int64))
    cosine = float(np.vecdot(vectors[0], vectors[1]))
    if start == end or end in library.recordings.twins([start], [end]).get(start, NO_TWINS):
        names = library.songs.names
        raise SearchError(
            f"from, to: {names[start]!r} and {names[end]!r} are one recording, expected two"
        )
    if cosine < _OPPOSITE:
        raise SearchError("the songs are opposites: nothing lies between them")
    rows = [] if count == 2 else _on_the_way(library, (start, end), vectors, count, limits)
    candidates = library.index.vectors(np.array([start, *rows, end], np.int64))
    path = smoothest_path(angles(candidates), min(count, len(candidates)))
    return _listed([[start, *rows, end][place] for place in path], candidates[path])


def continuation(
    library: Library, seeds: Sequence[int], count: int, limits: Limits
) -> list[Listed]:
    """``count`` songs that go on from ``seeds``, fewer where there are fewer.

    They are those nearest to all of ``seeds`` together (the songs that a recommendation would
    name), in an order in which each sounds like the one before, beginning with the last seed.
    Raises SearchError when the seeds have nothing between them.
    """
    alone = list(dict.fromkeys(seeds))
    vectors = library.index.vectors(np.array(alone, np.int64))
    query = vectors[0] if len(alone) == 1 else pool_seeds(vectors)
    sought = Sought(
        query,
        count,
        seeds=alone,
        excluded=limits.excluded,
        not_like=limits.not_like,
        diversity=limits.diversity,
        max_per_artist=limits.max_per_artist,
    )
    rows = [seeds[-1], *(row for row, _ in library.nearest(sought))]
    candidates = library.index.vectors(np.array(rows, np.int64))
    order = smooth_order(angles(candidates))
    return _listed([rows[place] for place in order], candidates[order])[1:]


def as_given(library: Library, rows: Sequence[int]) -> list[Listed]:
    """The songs of ``rows``, one at least, in the order in which somebody put them."""
    return _listed(list(rows), library.index.vectors(np.array(rows, np.int64)))


def _listed(rows: list[int], vectors: Vectors) -> list[Listed]:
    similarities = np.vecdot(vectors[1:], vectors[:-1]).tolist()
    shown = [round(similarity, DECIMALS) + 0.0 for similarity in similarities]
    return [Listed(row, one) for row, one in zip(rows, [None, *shown], strict=True)]


def _on_the_way(
    library: Library, ends: tuple[int, int], vectors: Vectors, count: int, limits: Limits
) -> list[int]:
    """Rows that may come between the two ends, in the order of their progress."""
    points = between(vectors[0], vectors[1], min(count - 2, _POINTS))
    if limits.not_like:
        away = library.index.vectors(np.array(limits.not_like, np.int64))
        points = np.stack([push_away(point, away)[0] for point in points])
    wanted = max(_POOL, _POOL_PER_SONG * (count - 2))
    # A search costs as much for few as for some hundred, and points have neighbours in common.
    at_each = wanted + len(ends) + len(limits.not_like)
    while True:
        near = list(dict.fromkeys(_in_turn(library, points, at_each)))
        rows = _admitted(library, near, ends, vectors, limits, wanted)
        if len(rows) >= wanted or at_each >= len(library):
            break
        at_each *= 4
    how_far = progress(library.index.vectors(np.array(rows, np.int64)), *vectors)
    return [row for _, row in sorted(zip(how_far.tolist(), rows, strict=True))]


def _in_turn(library: Library, points: Vectors, at_each: int) -> Iterator[int]:
    """The nearest of each point, then the second of each, and so on."""
    found = [library.index.search(point, at_each)[0].tolist() for point in points]
    for rows in zip(*found, strict=True):
        yield from rows


def _admitted(
    library: Library,
    rows: list[int],
    ends: tuple[int, int],
    vectors: Vectors,
    limits: Limits,
    wanted: int,
) -> list[int]:
    """The first ``wanted`` of ``rows`` that may come between: beyond one end, not the other."""
    apart = [*ends, *limits.not_like]
    out = {*apart, *limits.excluded}
    rows = [row for row in rows if row not in out]
    how_far = progress(library.index.vectors(np.array(rows, np.int64)), *vectors)
    first, last = progress(vectors, *vectors)
    is_between = (how_far > first) & (how_far < last)
    rows = [row for row, passes in zip(rows, is_between.tolist(), strict=True) if passes]
    admission = Admission(
        library.recordings, library.songs.artists, apart, limits.max_per_artist, beside=ends
    )
    return list(islice(admission.admitted(rows), wanted))
