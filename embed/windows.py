"""Where a song's windows start, how a short one is padded, how their embeddings pool."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embed.errors import ModelError
from embed.spec import FrontEnd, Windows


def window_starts(song_samples: int, window_samples: int, windows: Windows) -> list[int]:
    """First samples of a song's windows, ascending, each at most once.

    A song no longer than a window has one, at 0. ``middle`` is the middle window; a count
    N puts one window in the centre of each of N equal parts, so that 1 is the middle too.
    Parts rather than end points: a song's first and last seconds (silence, fades,
    applause) say the least about its sound.
    """
    last = song_samples - window_samples
    if last <= 0:
        return [0]
    count = 1 if windows == "middle" else windows
    centres = (song_samples * (2 * i + 1) // (2 * count) for i in range(count))
    return sorted({min(max(centre - window_samples // 2, 0), last) for centre in centres})


def pad_window(samples: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.float32]:
    """Short audio stretched to one window, as ``ClapFeatureExtractor`` pads.

    ``samples`` is float32 ``(n,)``, 0 < n ≤ window. Returns float32 ``(window_samples,)``:
    ``repeatpad`` repeats the whole audio as often as it fits and fills up with zeros,
    ``repeat`` repeats and cuts, ``pad`` only fills up.

    Raises ValueError when ``samples`` is empty or too long.
    """
    size = front_end.window_samples
    if not 0 < len(samples) <= size:
        raise ValueError(f"{len(samples)} samples, expected 1 to {size}")
    if len(samples) == size:
        return samples
    if front_end.padding == "repeat":
        return np.tile(samples, -(-size // len(samples)))[:size]
    repeats = size // len(samples) if front_end.padding == "repeatpad" else 1
    window = np.zeros(size, dtype=np.float32)
    window[: repeats * len(samples)] = np.tile(samples, repeats)
    return window


def pool(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """One embedding for a song from its windows': the mean of unit rows, made unit again.

    ``embeddings`` is float32 ``(windows, 512)``, rows unit length. Returns float32
    ``(512,)``. Summed in float64, so that the order of windows cannot show.

    Raises ModelError when the windows cancel out or are not finite.
    """
    mean = embeddings.astype(np.float64).mean(axis=0)
    length = float(np.linalg.norm(mean))
    if not np.isfinite(length) or length < 1e-6:
        raise ModelError(f"window embeddings pool to length {length:g}, expected above 1e-6")
    pooled: NDArray[np.float32] = (mean / length).astype(np.float32)
    return pooled
