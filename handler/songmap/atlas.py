"""What the map's routes answer, without HTTP."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embed.library import Library
from handler.service import Answer
from handler.songmap.schemas import NAMES_PER_PAGE, NamesQuery, SimilaritiesQuery

HINT: Final = "this bundle has no map yet; run python -m embed MUSIC --to BUNDLE once more"


@dataclass(frozen=True, slots=True)
class Atlas:
    """The songs of one bundle, and where they lie.

    ``points`` is the bundle's map, uint16 ``(songs, 3)``, or None.
    """

    library: Library
    points: NDArray[np.uint16] | None
    version: str
    has_previews: bool = False

    def overview(self) -> Answer:
        """All points, and which belong to one artist."""
        has_map = self.points is not None
        return {
            "version": self.version,
            "songs": len(self.library.songs.names),
            "points": _text(self.points[:, :2].astype("<u2")) if self.points is not None else None,
            "artists": _text(_numbered(self._artists())) if has_map else None,
            "names_per_page": NAMES_PER_PAGE,
            "previews": self.has_previews,
            "hint": None if has_map else HINT,
        }

    def names(self, query: NamesQuery) -> Answer:
        """A page of names, by row."""
        start = query.page * NAMES_PER_PAGE
        return {"names": list(self.library.songs.names[start : start + NAMES_PER_PAGE])}

    def similarities(self, query: SimilaritiesQuery) -> Answer:
        """How like one song all others are. Raises NoSuchSongError."""
        row = self.library.meant(query.song)[0]
        vector = self.library.index.vectors(np.array([row], np.int64))[0]
        rows, cosines = self.library.index.search(vector, len(self.library.index))
        found = np.zeros(len(self.library.index), np.uint8)
        found[rows] = np.rint((np.clip(cosines, -1, 1) + 1) * 127.5).astype(np.uint8)
        return {"matched": self.library.songs.names[row], "similarities": _text(found)}

    def _artists(self) -> Sequence[str | None]:
        return self.library.songs.artists(range(len(self.library.songs.names)))


def _numbered(artists: Sequence[str | None]) -> NDArray[np.uint32]:
    """A number for each artist, from 1 on, in order of appearance; 0 for none."""
    numbers: dict[str | None, int] = {None: 0}
    found = np.empty(len(artists), "<u4")
    for row, artist in enumerate(artists):
        found[row] = numbers.setdefault(artist, len(numbers))
    return found


def _text(array: NDArray[np.generic]) -> str:
    return base64.b64encode(array.tobytes()).decode()
