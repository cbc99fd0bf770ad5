"""``map.npy`` of a bundle: where each song lies in a plane, for people to look at.

uint16 ``(songs, 3)`` in row order: x and y, to one scale, and 1 where a song was placed among
others since the map was last laid out, else 0.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from embed.bundle import Bundle
from embed.errors import BundleError

MAP_FILE: Final = "map.npy"

Map = NDArray[np.uint16]


def read_map(bundle: Bundle) -> Map | None:
    """The map, uint16 ``(songs, 3)``; None when the bundle has none. Raises BundleError."""
    if MAP_FILE not in bundle.manifest.files:
        return None
    path = bundle.file(MAP_FILE)
    try:
        found: Map = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BundleError(f"{path}: not a map: {error}") from error
    expected = (bundle.manifest.songs, 3)
    if found.shape != expected or found.dtype != np.uint16:
        raise BundleError(f"{path}: {found.dtype} {found.shape}, expected uint16 {expected}")
    return found
