"""Does window A find window B of the same recording? For a model, and for MFCC statistics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import librosa
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from embed.mel import log_mel
from embed.spec import FrontEnd

Array = NDArray[np.float32]

AUDIO_SUFFIXES: Final = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff"})
CENTRES: Final = (0.25, 0.75)
"""Where the two windows lie in a recording; from 20 s on they do not overlap."""


def recall_at_1(embeddings: Array) -> float:
    """Share of windows whose nearest other window is its own recording's.

    ``embeddings`` is ``(recordings, 2, width)``; nearest is by cosine. All 2n windows ask,
    each against the 2n − 1 others, so chance is 1 / (2n − 1).
    """
    flat = embeddings.reshape(-1, embeddings.shape[-1])
    unit = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    similar = unit @ unit.T
    np.fill_diagonal(similar, -np.inf)
    partner = np.arange(len(flat)) ^ 1
    return float((similar.argmax(axis=1) == partner).mean())


def window_pairs(folder: Path, front_end: FrontEnd) -> Iterator[tuple[Path, Array]]:
    """The two windows, float32 ``(2, window_samples)``, of each recording under ``folder``.

    In the order of their paths. Files that are shorter than two windows, cannot be read, or
    repeat the bytes of an earlier one are passed over; so are silent ones.
    """
    seen: set[str] = set()
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest in seen:
            continue
        seen.add(digest)
        try:
            samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            continue
        if len(samples) < 2 * front_end.window_s * rate_hz:
            continue
        pair = _pair(samples.mean(axis=1), rate_hz, front_end)
        if np.abs(pair).max(axis=1).min() > 1e-3:
            yield path, pair


def _pair(mono: Array, rate_hz: int, front_end: FrontEnd) -> Array:
    length = int(front_end.window_s * rate_hz)
    windows = []
    for centre in CENTRES:
        start = int(min(max(centre * len(mono) - length / 2, 0), len(mono) - length))
        piece = soxr.resample(mono[start : start + length], rate_hz, front_end.sample_rate_hz)
        windows.append(librosa.util.fix_length(piece, size=front_end.window_samples))
    return np.stack(windows).astype(np.float32)


def mfcc_statistics(window: Array, rate_hz: int) -> Array:
    """The baseline's features: mean and standard deviation of 20 MFCCs, float32 ``(40,)``."""
    mfcc = librosa.feature.mfcc(y=window, sr=rate_hz, n_mfcc=20)
    return np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)]).astype(np.float32)


def features(folder: Path, front_end: FrontEnd) -> tuple[list[Path], Array, Array]:
    """Paths, log-mels ``(n, 2, frames, bands)`` and MFCC statistics ``(n, 2, 40)``."""
    paths, mels, statistics = [], [], []
    for path, pair in window_pairs(folder, front_end):
        paths.append(path)
        mels.append(np.stack([log_mel(window, front_end) for window in pair]))
        rate_hz = front_end.sample_rate_hz
        statistics.append(np.stack([mfcc_statistics(window, rate_hz) for window in pair]))
    return paths, np.stack(mels), np.stack(statistics)


def baseline_recall(statistics: Array) -> tuple[float, float]:
    """R@1 of MFCC statistics standardised over the set: (by cosine, by Euclidean distance)."""
    flat = statistics.reshape(-1, statistics.shape[-1])
    scaled = (flat - flat.mean(axis=0)) / np.maximum(flat.std(axis=0), 1e-6)
    distance = np.square(scaled[:, None] - scaled[None]).sum(axis=-1)
    np.fill_diagonal(distance, np.inf)
    euclid = float((distance.argmin(axis=1) == np.arange(len(flat)) ^ 1).mean())
    return recall_at_1(scaled.reshape(statistics.shape)), euclid
