"""Making the map of a bundle's songs, or bringing it up to date.

A map that is there is kept: new songs are placed near those they sound like, and only when
they are more than a fifth of all is it laid out anew, from where everything lies.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embed.bundle import open_bundle
from embed.carried import Carried
from embed.mapfile import MAP_FILE, Map, read_map
from embed.planar import Points, Rows, Scores, lay_out, place, principal
from embed.vectorfile import VectorFile
from embed.writer import BundleWriter

PLACED_SHARE: Final = 0.2
"""Of all songs, how many may have been placed before the map is laid out anew."""

_SIDE: Final = 65_535


def stage_map(writer: BundleWriter, vectors: Path, carried: Carried) -> None:
    """Stage the map of the songs whose embeddings are ``vectors``; those ``carried`` over stay
    where the bundle's own map has them.

    Raises BundleError when the files are damaged.
    """
    known, old = _known(writer, carried)
    # One thread: how a matrix product is split over cores shows in its last digits, and what
    # is laid out by them would not be the same on another machine.
    with threadpool_limits(1), closing(VectorFile(vectors)) as file:
        song_map = _brought_up_to_date(principal(file), known, old)
    with writer.stage(MAP_FILE).open("wb") as to:
        np.save(to, song_map, allow_pickle=False)


def quantised(points: Points) -> NDArray[np.uint16]:
    """``points``, float32 ``(songs, 2)``, to one scale on a square of 65,536 × 65,536."""
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    extent = float((points.max(axis=0) - points.min(axis=0)).max()) or 1.0
    rounded: NDArray[np.uint16] = np.rint(((points - middle) / extent + 0.5) * _SIDE).astype(
        np.uint16
    )
    return rounded


def _brought_up_to_date(scores: Scores, known: Rows, old: Map) -> Map:
    """The map of all songs; ``old`` is that of the ``known`` rows, which may be none."""
    song_map = np.zeros((len(scores), 3), np.uint16)
    if len(known) == 0:
        song_map[:, :2] = quantised(lay_out(scores))
        return song_map
    new = np.setdiff1d(np.arange(len(scores)), known)
    song_map[known] = old
    if len(new):
        song_map[new, :2] = np.rint(place(scores[new], scores[known], old[:, :2]))
        song_map[new, 2] = 1
    if song_map[:, 2].sum() > PLACED_SHARE * len(scores):
        song_map[:, :2] = quantised(lay_out(scores, song_map[:, :2].astype(np.float32)))
        song_map[:, 2] = 0
    return song_map


def _known(writer: BundleWriter, carried: Carried) -> tuple[Rows, Map]:
    """Rows of songs that the bundle's map already shows, and what it says of them."""
    old = None
    if writer.previous is not None and len(carried.new):
        old = read_map(open_bundle(writer.root))
    if old is None:
        return np.zeros(0, np.int64), np.zeros((0, 3), np.uint16)
    return carried.new, old[carried.old]


def missing_map(writer: BundleWriter) -> bool:
    """Whether the bundle holds songs, but no map of them."""
    previous = writer.previous
    return previous is not None and previous.spec is not None and MAP_FILE not in previous.files
