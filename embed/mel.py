"""One window of samples → log-mel, in NumPy, as ``ClapFeatureExtractor`` computes it."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embed.spec import FrontEnd

Samples = NDArray[np.float32]

POWER_FLOOR: Final = 1e-10
"""``min_value`` of transformers' ``audio_utils.spectrogram``: −100 dB."""

_FRAMES_AT_ONCE: Final = 128
"""Half a megabyte of spectrum stays in a core's own cache: half the time of all frames at once
(17 → 9 ms a window), and the same bits. 64 to 256 are alike."""


def log_mel(window: Samples, front_end: FrontEnd) -> NDArray[np.float32]:
    """The log-mel of one window.

    ``window`` is float32 ``(front_end.window_samples,)`` in ±1. Returns float32
    ``(frames, mel_bands)``, (1001, 64) for CLAP, in dB relative to 1.0, floored at −100.
    Centred frames with reflected edges, periodic Hann window, power spectrum, Slaney
    filters, as ``audio_utils.spectrogram`` with ``log_mel="dB"``.

    Raises ValueError when the shape is another.
    """
    if window.shape != (front_end.window_samples,):
        raise ValueError(f"window has shape {window.shape}, expected ({front_end.window_samples},)")
    half = front_end.fft_samples // 2
    padded = np.pad(window.astype(np.float32, copy=False), half, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, front_end.fft_samples)
    frames = frames[:: front_end.hop_samples]
    hann, filters = _hann(front_end.fft_samples), mel_filters(front_end)
    mel = np.empty((len(frames), front_end.mel_bands), dtype=np.float32)
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        part = slice(first, first + _FRAMES_AT_ONCE)
        spectrum = np.fft.rfft(frames[part] * hann, axis=1)
        power = np.square(spectrum.real)
        power += np.square(spectrum.imag)
        np.matmul(power, filters, out=mel[part])
    np.maximum(mel, POWER_FLOOR, out=mel)
    np.log10(mel, out=mel)
    mel *= 10
    return mel


@lru_cache(maxsize=4)
def mel_filters(front_end: FrontEnd) -> NDArray[np.float32]:
    """Slaney's mel filter bank: float32 ``(fft_samples // 2 + 1, mel_bands)``, read-only.

    Triangles over the Slaney scale (linear below 1 kHz, logarithmic above), each scaled to
    unit area: M. Slaney, *Auditory Toolbox*, 1998; what ``librosa.filters.mel`` and
    transformers' ``mel_filter_bank(norm="slaney", mel_scale="slaney")`` return.
    """
    low, high = _hz_to_mel(
        np.array([front_end.frequency_min_hz, front_end.frequency_max_hz], dtype=np.float64)
    )
    edges_hz = _mel_to_hz(np.linspace(low, high, front_end.mel_bands + 2))
    bins = front_end.fft_samples // 2 + 1
    bins_hz = np.linspace(0, front_end.sample_rate_hz / 2, bins)
    widths_hz = np.diff(edges_hz)
    slopes = edges_hz[np.newaxis, :] - bins_hz[:, np.newaxis]
    rising = -slopes[:, :-2] / widths_hz[:-1]
    falling = slopes[:, 2:] / widths_hz[1:]
    filters = np.maximum(0, np.minimum(rising, falling))
    filters *= 2 / (edges_hz[2:] - edges_hz[:-2])
    bank = filters.astype(np.float32)
    bank.flags.writeable = False
    return bank


@lru_cache(maxsize=4)
def _hann(samples: int) -> NDArray[np.float32]:
    """Periodic Hann window, as ``audio_utils.window_function(samples, "hann")``."""
    window = np.hanning(samples + 1)[:-1].astype(np.float32)
    window.flags.writeable = False
    return window


# Slaney's scale: 15 mel at 1 kHz; 27 logarithmic steps for each factor of 6.4 above it.
_BREAK_HZ: Final = 1000.0
_BREAK_MEL: Final = 15.0
_LOG_STEP: Final = np.log(6.4) / 27.0


def _hz_to_mel(frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = frequency_hz * _BREAK_MEL / _BREAK_HZ
    above = _BREAK_MEL + np.log(np.maximum(frequency_hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(frequency_hz >= _BREAK_HZ, above, linear)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = mel * _BREAK_HZ / _BREAK_MEL
    above = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel >= _BREAK_MEL, above, linear)
