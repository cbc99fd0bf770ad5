"""One direction less others: "slow piano", but not "sad"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embed.errors import SearchError

_LEAST: Final = 1e-3
"""Length of a difference of unit vectors below which its direction is rounding's."""


def without(
    wanted: NDArray[np.float32], unwanted: Sequence[NDArray[np.float32]], weight: float
) -> NDArray[np.float32]:
    """``wanted`` less ``weight`` times the mean direction of ``unwanted``, at length 1.

    All are unit float32 ``(512,)``. Raises SearchError when they cancel out.
    """
    if not unwanted:
        return wanted
    mean = np.mean(np.asarray(unwanted, np.float64), axis=0)
    length = float(np.linalg.norm(mean))
    if length < _LEAST:
        raise SearchError("minus: its texts mean opposite things, and cancel each other out")
    rest = wanted - weight * mean / length
    left = float(np.linalg.norm(rest))
    if left < _LEAST:
        raise SearchError("text, minus: mean the same, so that nothing is left to look for")
    found: NDArray[np.float32] = (rest / left).astype(np.float32)
    return found
