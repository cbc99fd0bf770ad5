"""A song's file → the samples of its windows: decoded where needed, mono, at the model's rate."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from embed.decoders import open_reader
from embed.errors import AudioError
from embed.reader import Range, Reader
from embed.spec import FrontEnd, Windows
from embed.windows import pad_window, window_starts

_MARGIN_S: Final = 0.25
"""Decoded beside each window so that the resampler's filter sees the song and not an edge.
soxr HQ's filter is shorter than 0.1 s at any rate from 8 kHz up."""


@dataclass(frozen=True, slots=True)
class SongWindows:
    """``samples`` is float32 ``(n, window_samples)`` in about ±1, ``duration_s`` the whole song.

    ``resample_s`` is how long the resampler took to make them.
    """

    samples: NDArray[np.float32]
    duration_s: float
    resample_s: float


def read_windows(
    path: Path, front_end: FrontEnd, windows: Windows, longest_s: float = math.inf
) -> SongWindows:
    """The windows of a song, as if it had been decoded and resampled whole.

    Sample-exact with ``librosa.load(path, sr=front_end.sample_rate_hz)`` cut at the same
    places: channels are averaged, soxr HQ resamples, short songs are padded as
    ``pad_window`` does. Only the windows are decoded.

    Raises AudioError when the file is empty, no audio, longer than ``longest_s``, damaged where
    it is read, or holds samples that are not finite; OSError when it cannot be read.
    """
    with open_reader(path, longest_s) as reader:
        if reader.frames <= 0:
            raise AudioError("no audio frames (0 samples)")
        if reader.frames > longest_s * reader.rate_hz:
            found_s = reader.frames / reader.rate_hz
            raise AudioError(f"plays {found_s:,.0f} s or more, expected at most {longest_s:,g} s")
        rate_hz = front_end.sample_rate_hz
        # librosa rounds the resampled length up, and in floating point, whose error may count
        # one sample more: so do we, or its middle would not be ours.
        song_samples = math.ceil(reader.frames * (rate_hz / reader.rate_hz))
        starts = window_starts(song_samples, front_end.window_samples, windows)
        count = min(front_end.window_samples, song_samples)
        spans, offsets = _spans(reader, rate_hz, starts, count)
        native = reader.read(spans)
        for span, samples in zip(spans, native, strict=True):
            _check_finite(samples, span, reader.rate_hz)
        decoded = time.perf_counter()
        duration_s, native_hz = reader.frames / reader.rate_hz, reader.rate_hz
    rows = np.empty((len(starts), front_end.window_samples), dtype=np.float32)
    for row, samples, offset in zip(rows, native, offsets, strict=True):
        row[:] = pad_window(_resample(samples, native_hz, rate_hz, offset, count), front_end)
    return SongWindows(rows, duration_s, time.perf_counter() - decoded)


def _spans(
    reader: Reader, rate_hz: int, starts: Sequence[int], count: int
) -> tuple[list[Range], list[int]]:
    """What to decode for ``count`` samples at ``rate_hz`` from each start, and how many
    resampled ones come before.

    The resampler starts where both rates' grids meet (every ``step_out`` samples), so that
    its output falls on the same instants as that of the whole song.
    """
    common = math.gcd(reader.rate_hz, rate_hz)
    step_in, step_out = reader.rate_hz // common, rate_hz // common
    margin = int(_MARGIN_S * rate_hz)
    spans, offsets = [], []
    for start in starts:
        first_step = max(start - margin, 0) // step_out
        last_step = -(-(start + count + margin) // step_out)
        first = first_step * step_in
        spans.append(Range(first, min(last_step * step_in, reader.frames) - first))
        offsets.append(start - first_step * step_out)
    return spans, offsets


def _resample(
    native: NDArray[np.float32], native_hz: int, rate_hz: int, offset: int, count: int
) -> NDArray[np.float32]:
    """``count`` samples at ``rate_hz`` from ``offset`` on."""
    samples = native
    if native_hz != rate_hz:
        samples = soxr.resample(native, native_hz, rate_hz, quality="HQ")
    cut = np.zeros(count, dtype=np.float32)
    piece = samples[offset : offset + count]
    cut[: len(piece)] = piece  # soxr may round the last sample away, as for the whole song
    return cut


def _check_finite(samples: NDArray[np.float32], span: Range, rate_hz: int) -> None:
    finite = np.isfinite(samples)
    if not finite.all():
        at = int(np.argmin(finite))
        raise AudioError(f"sample at {(span.start + at) / rate_hz:.3f} s is {samples[at]}")
