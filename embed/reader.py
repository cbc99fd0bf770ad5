"""What a decoder gives: exact ranges of a song as mono samples, without decoding the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from embed.errors import AudioError

RATE_RANGE_HZ: Final = (1_000, 768_000)
"""768 kHz is the highest rate any converter sells; beyond lies only a forged header."""

MAX_CHANNELS: Final = 64


class Range(NamedTuple):
    """``frames`` sample frames of a song from ``start``, at the song's own rate."""

    start: int
    frames: int


class Reader(Protocol):
    """An open song. ``frames`` counts sample frames at ``rate_hz``, as they really decode."""

    rate_hz: int
    frames: int

    def read(self, ranges: Sequence[Range]) -> list[NDArray[np.float32]]:
        """Mono float32 ``(frames,)`` for each range; starts ascend, ranges may overlap.

        Raises AudioError when the song cannot be decoded there, or ends before.
        """


def check_layout(rate_hz: int, channels: int) -> None:
    """Raises AudioError when no honest song has such a rate or so many channels."""
    low_hz, high_hz = RATE_RANGE_HZ
    if not low_hz <= rate_hz <= high_hz:
        raise AudioError(f"sample rate {rate_hz} Hz, expected {low_hz} to {high_hz}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(f"{channels} channels, expected 1 to {MAX_CHANNELS}")
