"""Statistics of a log-mel that say how a recording sounds: what the teacher learns from."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import torch
from torch import Tensor

CEPSTRA: Final = 30
BROAD_BANDS: Final = 8
MODULATION_EDGES: Final = (4, 8, 16, 32, 64, 128, 250)
"""In tenths of a hertz: bins of a 10 s transform."""
LAGS: Final = 40
"""Of 5 frames (50 ms) each."""


def describe(mel: Tensor) -> Tensor:
    """Descriptors of log-mels ``(n, frames, bands)`` in dB: float32 ``(n, D)``.

    Per band: mean, spread, 10th and 90th percentile, mean absolute change. Per cepstral
    coefficient: mean, spread and spread of change (MFCCs, that is). Then how much eight
    broad bands move at 0.4 to 25 Hz, and the onsets' autocorrelation up to 2 s.
    """
    change = mel.diff(dim=1)
    ranked = mel[:, ::4].sort(dim=1).values
    tenth = len(ranked[0]) // 10
    cepstra = mel @ _cosines(mel.shape[2], CEPSTRA)
    parts = [
        mel.mean(dim=1),
        mel.std(dim=1),
        ranked[:, tenth],
        ranked[:, -tenth],
        change.abs().mean(dim=1),
        cepstra.mean(dim=1),
        cepstra.std(dim=1),
        cepstra.diff(dim=1).std(dim=1),
        _modulation(mel),
        _onset_autocorrelation(change),
    ]
    return torch.cat(parts, dim=1)


def _cosines(bands: int, count: int) -> Tensor:
    k = torch.arange(count)[None, :]
    centre = torch.arange(bands)[:, None] + 0.5
    cosines: Tensor = torch.cos(np.pi / bands * k * centre) * (2 / bands) ** 0.5
    return cosines


def _modulation(mel: Tensor) -> Tensor:
    broad = mel.reshape(*mel.shape[:2], BROAD_BANDS, -1).mean(dim=3)
    spectrum = torch.fft.rfft(broad - broad.mean(dim=1, keepdim=True), dim=1).abs().square()
    levels = [spectrum[:, a:b].sum(dim=1) for a, b in pairwise(MODULATION_EDGES)]
    return torch.log(torch.cat(levels, dim=1) + 1.0)


def _onset_autocorrelation(change: Tensor) -> Tensor:
    onset = change.clamp(min=0).mean(dim=2)
    onset = onset - onset.mean(dim=1, keepdim=True)
    spectrum = torch.fft.rfft(onset, n=2048, dim=1)
    auto = torch.fft.irfft(spectrum.abs().square(), dim=1)
    auto = auto / auto[:, :1].clamp(min=1e-6)
    return torch.nn.functional.avg_pool1d(auto[:, None, 5 : 5 + 5 * LAGS], 5)[:, 0]


def describe_gain(gain: Tensor) -> Tensor:
    """What gains per band, ``(n, bands)`` in dB, add to ``describe``'s answer: ``(n, D)``.

    Means and percentiles move with the gain, spreads, changes and rhythm do not; exact but
    for what the floor at −100 dB swallows.
    """
    nothing = torch.zeros_like(gain)
    cepstra = gain @ _cosines(gain.shape[1], CEPSTRA)
    parts = [gain, nothing, gain, gain, nothing, cepstra]
    rest = gain.new_zeros(len(gain), 2 * CEPSTRA + BROAD_BANDS * (len(MODULATION_EDGES) - 1) + LAGS)
    return torch.cat([*parts, rest], dim=1)
