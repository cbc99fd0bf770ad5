"""One note or one drum hit → samples. Everything is NumPy and draws only on the given rng."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Drum = Literal["kick", "snare", "hat", "open", "clap", "tom", "shaker"]

DRUMS: Final[tuple[Drum, ...]] = ("kick", "snare", "hat", "open", "clap", "tom", "shaker")
TABLE_SAMPLES: Final = 2048
"""Length of one cycle's wavetable; nearest look-up is then 60 dB clean, enough for samples."""

TAU: Final = 2 * np.pi


@dataclass(frozen=True, slots=True)
class Timbre:
    """How one instrument's notes sound.

    ``partials`` are amplitudes at ``ratios`` × the fundamental, or at 1, 2, 3, … when
    ``ratios`` is empty. Each note fades from its full spectrum to a duller one with time
    constant ``dulling_s``. ``sustain`` 0 makes a plucked or struck sound.
    """

    partials: tuple[float, ...]
    ratios: tuple[float, ...] = ()
    attack_s: float = 0.01
    decay_s: float = 0.3
    sustain: float = 0.7
    release_s: float = 0.1
    dulling_s: float = 10.0
    vibrato_hz: float = 0.0
    vibrato_semitones: float = 0.0
    voices: int = 1
    detune_cents: float = 0.0
    breath: float = 0.0


def harmonic(count: int, slope: float, odd_only: bool = False) -> tuple[float, ...]:
    """Amplitudes 1/k^``slope`` of ``count`` partials; slope 1 is a saw, odd ones a square."""
    return tuple(0.0 if odd_only and k % 2 == 0 else k**-slope for k in range(1, count + 1))


def formants(count: int, peaks: tuple[float, ...], width: float = 1.5) -> tuple[float, ...]:
    """Amplitudes with humps round the partials named by ``peaks``, as voices and reeds have."""
    k = np.arange(1, count + 1)
    shape = sum(np.exp(-(((k - peak) / width) ** 2)) / (i + 1) for i, peak in enumerate(peaks))
    return tuple(float(v) for v in shape + 0.15 / k)


def note(
    timbre: Timbre, midi: float, duration_s: float, rate_hz: int, rng: np.random.Generator
) -> Samples:
    """One note of MIDI pitch ``midi``: float32, ``duration_s`` plus its release, peak about 1."""
    count = max(int((duration_s + timbre.release_s) * rate_hz), 64)
    frequency_hz = 440.0 * 2 ** ((midi - 69) / 12)
    body = np.zeros(count, dtype=np.float32)
    for voice in range(timbre.voices):
        spread = 0.0 if timbre.voices == 1 else 2 * voice / (timbre.voices - 1) - 1
        detuned_hz = frequency_hz * 2 ** (spread * timbre.detune_cents / 1200)
        body += _voice(timbre, detuned_hz, count, rate_hz, rng) / timbre.voices
    if timbre.breath:
        body += timbre.breath * rng.standard_normal(count, dtype=np.float32)
    return body * envelope(timbre, duration_s, count, rate_hz)


def envelope(timbre: Timbre, duration_s: float, count: int, rate_hz: int) -> Samples:
    """Attack, exponential decay to the sustain level, release: float32 ``(count,)``, 0 to 1."""
    t = np.arange(count, dtype=np.float32) / rate_hz
    level = timbre.sustain + (1 - timbre.sustain) * np.exp(-t / timbre.decay_s)
    level *= np.minimum(t / timbre.attack_s, 1) if timbre.attack_s > 0 else 1
    level *= np.clip(1 - (t - duration_s) / max(timbre.release_s, 0.005), 0, 1)
    return level.astype(np.float32)


def _voice(
    timbre: Timbre, frequency_hz: float, count: int, rate_hz: int, rng: np.random.Generator
) -> Samples:
    t: Samples = np.arange(count, dtype=np.float32) / np.float32(rate_hz)
    if timbre.ratios:
        return _struck(timbre, frequency_hz, t, rate_hz)
    phase = frequency_hz * t.astype(np.float64) + rng.random()
    if timbre.vibrato_semitones:
        depth = timbre.vibrato_semitones * np.log(2) / 12 * frequency_hz / TAU / timbre.vibrato_hz
        phase += depth * np.sin(TAU * timbre.vibrato_hz * t)
    index = (phase * TABLE_SAMPLES).astype(np.int64) & (TABLE_SAMPLES - 1)
    # Partials above half the rate would fold back into the music.
    audible = max(1, min(len(timbre.partials), int(0.45 * rate_hz / frequency_hz)))
    bright = _table(timbre.partials[:audible], 0.0)
    if timbre.dulling_s >= 10:
        return np.take(bright, index)
    dull = _table(timbre.partials[:audible], 1.2)
    fade = np.exp(-t / np.float32(timbre.dulling_s))
    voice: Samples = np.take(dull, index) + fade * np.take(bright - dull, index)
    return voice


def _struck(timbre: Timbre, frequency_hz: float, t: Samples, rate_hz: int) -> Samples:
    """Inharmonic partials, the higher the sooner gone, as bells and bars sound."""
    out: Samples = np.zeros(len(t), dtype=np.float32)
    for amplitude, ratio in zip(timbre.partials, timbre.ratios, strict=True):
        partial_hz = frequency_hz * ratio
        if partial_hz < 0.45 * rate_hz:
            decay = np.exp(-t * (ratio**0.5 / max(timbre.dulling_s, 0.02)))
            out += amplitude * decay * np.sin(np.float32(TAU * partial_hz) * t)
    out /= np.float32(sum(timbre.partials))
    return out


@lru_cache(maxsize=4096)
def _table(partials: tuple[float, ...], extra_slope: float) -> Samples:
    """One cycle, peak 1. Phases are spread (Schroeder's rule), so that peaks stay low."""
    k = np.arange(1, len(partials) + 1)
    amplitudes = np.asarray(partials) * k**-extra_slope
    spectrum = np.zeros(TABLE_SAMPLES // 2 + 1, dtype=np.complex128)
    spectrum[1 : len(partials) + 1] = amplitudes * np.exp(-1j * np.pi * k * k / len(partials))
    cycle = np.fft.irfft(spectrum)
    table: Samples = (cycle / max(np.abs(cycle).max(), 1e-9)).astype(np.float32)
    table.flags.writeable = False
    return table


def drum(kind: Drum, tune: float, decay: float, rate_hz: int, rng: np.random.Generator) -> Samples:
    """One hit, float32, peak about 1.

    ``tune`` scales its pitch and the noise's brightness, ``decay`` its length; both near 1.
    """
    length_s = {"kick": 0.5, "open": 0.5, "tom": 0.5}.get(kind, 0.3) * decay
    t = np.arange(max(int(length_s * rate_hz), 64), dtype=np.float32) / rate_hz
    noise = rng.standard_normal(len(t), dtype=np.float32)
    bright = np.diff(noise, prepend=noise[:1])
    if kind == "kick":
        sweep = TAU * tune * (48 * t + 110 * 0.03 * (1 - np.exp(-t / 0.03)))
        hit = np.sin(sweep) * np.exp(-t / (0.13 * decay)) + 0.2 * noise * np.exp(-t / 0.004)
    elif kind == "tom":
        sweep = TAU * tune * (110 * t + 60 * 0.05 * (1 - np.exp(-t / 0.05)))
        hit = np.sin(sweep) * np.exp(-t / (0.15 * decay))
    elif kind == "snare":
        tone = np.sin(TAU * 185 * tune * t) * np.exp(-t / (0.06 * decay))
        hit = 0.6 * tone + 0.5 * noise * np.exp(-t / (0.08 * decay))
    elif kind == "clap":
        bursts = sum(np.exp(-np.maximum(t - d, 0) / 0.012) * (t >= d) for d in (0, 0.011, 0.023))
        hit = 0.4 * noise * (bursts + 0.6 * np.exp(-t / (0.09 * decay)))
    else:
        tail_s = {"hat": 0.025, "open": 0.16, "shaker": 0.05}[kind] * decay
        metal = np.sign(np.sin(TAU * 3170 * tune * t)) * np.sign(np.sin(TAU * 4490 * tune * t))
        hit = (0.45 * bright + (0.12 * metal if kind != "shaker" else 0)) * np.exp(-t / tail_s)
        if kind == "shaker":
            hit = hit * np.minimum(t / 0.02, 1)
    samples: Samples = hit.astype(np.float32)
    return samples
