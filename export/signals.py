"""Synthetic windows for verification: what an encoder meets, and what might break it.

Each is deterministic, so that two exports of one checkpoint are judged on the same audio.
They cover extremes (silence, clipping, clicks) and the ordinary (speech-like, music-like);
a folder of songs, given by ``--verify-with``, adds the real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embed.mel import Samples
from embed.spec import FrontEnd
from embed.windows import pad_window

Signal = NDArray[np.float64]

SEED: Final = 20230607  # any; fixed so that figures can be compared between exports

TONES_HZ: Final = (55.0, 440.0, 3520.0, 12_000.0)
CHIRPS_HZ: Final = ((30.0, 14_000.0), (14_000.0, 30.0), (200.0, 400.0))
NOISE_SLOPES: Final = {"white": 0.0, "pink": -0.5, "brown": -1.0, "blue": 0.5}
"""Exponent of frequency in the amplitude spectrum."""

SPEAKERS: Final = 6
PIECES: Final = 16
FORMANTS_HZ: Final = (
    (730.0, 1090.0, 2440.0),
    (270.0, 2290.0, 3010.0),
    (300.0, 870.0, 2240.0),
    (530.0, 1840.0, 2480.0),
    (570.0, 840.0, 2410.0),
)
"""Of five vowels: Peterson and Barney, JASA 24, 1952, table II (men)."""


def synthetic_windows(front_end: FrontEnd) -> Mapping[str, Samples]:
    """The windows by name, in a fixed order: 41, float32 ``(window_samples,)``, ±1, read-only."""
    return _synthetic_windows(front_end)


@lru_cache(maxsize=1)  # 80 MB, but seconds to make, and wanted twice by an int8 export
def _synthetic_windows(front_end: FrontEnd) -> Mapping[str, Samples]:
    seconds = np.arange(front_end.window_samples) / front_end.sample_rate_hz
    windows = {
        name: np.clip(signal, -1, 1).astype(np.float32) for name, signal in _signals(seconds)
    }
    # Short audio reaches the encoder repeated or padded: its seams belong to the test.
    for name, share in (("music 0", 0.31), ("speech 0", 0.07)):
        short = windows[name][: int(share * front_end.window_samples)]
        windows[f"{name}, first {share:.0%}"] = pad_window(short, front_end)
    for window in windows.values():
        window.flags.writeable = False
    return windows


def _signals(seconds: Signal) -> Iterator[tuple[str, Signal]]:
    """Yield ``(name, samples)``; one generator of random numbers, drawn from in order."""
    random = np.random.default_rng(SEED)
    yield "silence", np.zeros_like(seconds)
    yield "near silence", 1e-5 * random.standard_normal(seconds.size)
    for hz in TONES_HZ:
        yield f"tone {hz:g} Hz", 0.5 * np.sin(2 * np.pi * hz * seconds)
    for low, high in CHIRPS_HZ:
        yield f"chirp {low:g}–{high:g} Hz", 0.5 * _chirp(seconds, low, high)
    for name, slope in NOISE_SLOPES.items():
        yield f"{name} noise", _noise(seconds, slope, random)
    yield "noise bursts", _noise(seconds, 0.0, random) * (np.sin(2 * np.pi * 2 * seconds) > 0.6)
    yield "clicks", (np.arange(seconds.size) % 12_000 == 0).astype(np.float64)
    yield "clipped tone", np.clip(20 * np.sin(2 * np.pi * 220 * seconds), -1, 1)
    for speaker in range(SPEAKERS):
        yield f"speech {speaker}", _speech(seconds, random)
    for piece in range(PIECES):
        music = _music(seconds, random)
        yield f"music {piece}", music
        if piece == 0:
            yield "clipped music", np.clip(8 * music, -1, 1)


def _chirp(seconds: Signal, low_hz: float, high_hz: float) -> Signal:
    """An exponential sweep over the window."""
    rate = np.log(high_hz / low_hz) / seconds[-1]
    phase: Signal = 2 * np.pi * low_hz * np.expm1(rate * seconds) / rate
    return np.sin(phase)


def _noise(seconds: Signal, slope: float, random: np.random.Generator) -> Signal:
    """Gaussian noise with an amplitude spectrum of frequency ** slope, at 0.1 rms."""
    spectrum = np.fft.rfft(random.standard_normal(seconds.size))
    spectrum[1:] *= np.arange(1, spectrum.size, dtype=np.float64) ** slope
    spectrum[0] = 0
    return _to_rms(np.fft.irfft(spectrum, seconds.size), 0.1)


def _speech(seconds: Signal, random: np.random.Generator) -> Signal:
    """A glottal pulse train through changing vowels' formants, in syllables, with breath."""
    pitch_hz = random.uniform(80, 240) * (1 + 0.1 * np.sin(2 * np.pi * 0.4 * seconds))
    phase = np.cumsum(pitch_hz) * (seconds[1] - seconds[0])
    source = np.diff(np.floor(phase), prepend=0.0) + 0.02 * random.standard_normal(seconds.size)
    syllables_hz = random.uniform(3, 6)
    vowel_of = random.integers(0, len(FORMANTS_HZ), int(seconds[-1] * syllables_hz) + 1)
    vowel = vowel_of[(seconds * syllables_hz).astype(np.int64)]
    voiced = np.zeros_like(seconds)
    for index, formants in enumerate(FORMANTS_HZ):
        voiced += _filtered(source, seconds, _formant_gain(formants)) * (vowel == index)
    voiced *= np.clip(np.sin(np.pi * (seconds * syllables_hz % 1)) - 0.2, 0, None)
    return _to_rms(voiced, 0.08)


def _formant_gain(formants_hz: tuple[float, ...]) -> Callable[[Signal], Signal]:
    def gain(hz: Signal) -> Signal:
        peaks = [1 / (1 + ((hz - formant) / 80) ** 2) for formant in formants_hz]
        total: Signal = np.sum(peaks, axis=0) + 0.01
        return total

    return gain


def _filtered(signal: Signal, seconds: Signal, gain: Callable[[Signal], Signal]) -> Signal:
    hz = np.fft.rfftfreq(signal.size, seconds[1] - seconds[0])
    return np.fft.irfft(np.fft.rfft(signal) * gain(hz), signal.size)


def _music(seconds: Signal, random: np.random.Generator) -> Signal:
    """Chords of a random key, timbre and tempo, with a bass and drums of their own."""
    beat_s = 60 / random.uniform(60, 180)
    beat = (seconds / beat_s).astype(np.int64)
    since_beat_s = seconds - beat * beat_s
    brightness, decay_s = random.uniform(0.3, 0.9), random.uniform(0.05, 1.5)
    key_hz = 110 * 2 ** (random.integers(0, 24) / 12)
    degrees = random.choice([0, 2, 3, 5, 7, 8, 10], size=beat[-1] // 4 + 1)
    root_hz = key_hz * 2 ** (degrees[beat // 4] / 12)
    sound = np.zeros_like(seconds)
    for interval in (0, random.choice([3, 4]), 7):
        phase = 2 * np.pi * np.cumsum(root_hz * 2 ** (interval / 12)) * (seconds[1] - seconds[0])
        sound += _harmonics(phase, brightness)
    sound *= np.exp(-since_beat_s / decay_s)
    hiss = random.standard_normal(seconds.size) * np.exp(-since_beat_s / 0.03)
    kick = np.sin(2 * np.pi * 60 * since_beat_s) * np.exp(-since_beat_s / 0.1)
    drums = random.uniform(0, 0.6) * hiss + random.uniform(0, 3) * kick
    return _to_rms(sound + drums, random.uniform(0.02, 0.2))


def _harmonics(phase: Signal, brightness: float) -> Signal:
    """Σ brightness**k · sin(k · phase), k from 1 to 6; sines of multiples by Chebyshev's rule."""
    twice_cosine, last, sine = 2 * np.cos(phase), np.zeros_like(phase), np.sin(phase)
    total = np.zeros_like(phase)
    for harmonic in range(1, 7):
        total += brightness**harmonic * sine
        last, sine = sine, twice_cosine * sine - last
    return total


def _to_rms(signal: Signal, rms: float) -> Signal:
    """The signal at an rms level; every signal passed here has some power."""
    scaled: Signal = signal * (rms / np.sqrt(np.mean(np.square(signal))))
    return scaled
