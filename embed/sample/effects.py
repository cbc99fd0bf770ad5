"""What happens to a stem or a mix after it is played: filters, room, drive, dynamics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def equalise(
    samples: Samples,
    rate_hz: int,
    low_hz: float = 0.0,
    high_hz: float = 1e9,
    tilt_db: float = 0.0,
    bump: tuple[float, float] = (1000.0, 0.0),
) -> Samples:
    """Zero-phase filtering in one transform over the last axis.

    Second-order roll-off below ``low_hz``, eighth-order above ``high_hz``; ``tilt_db`` per
    octave round 1 kHz, and one ``bump`` (centre Hz, gain dB) an octave wide.
    """
    if low_hz <= 0 and high_hz >= rate_hz / 2 and tilt_db == 0 and bump[1] == 0:
        return samples
    count = samples.shape[-1]
    size = fast_size(count)
    hz = np.maximum(np.fft.rfftfreq(size, 1 / rate_hz), 1.0)
    octaves = np.log2(hz / 1000)
    gain_db = tilt_db * np.clip(octaves, -5, 4)
    gain_db += bump[1] * np.exp(-(((octaves - np.log2(bump[0] / 1000)) / 0.7) ** 2))
    gain = 10 ** (gain_db / 20)
    if low_hz > 0:
        gain /= 1 + (low_hz / hz) ** 2
    if high_hz < rate_hz / 2:
        gain /= 1 + (hz / high_hz) ** 8
    spectrum = np.fft.rfft(samples, size) * gain.astype(np.float32)
    return np.fft.irfft(spectrum, size)[..., :count].astype(np.float32)


def reverb(
    samples: Samples, rate_hz: int, time_s: float, mix: float, rng: np.random.Generator
) -> Samples:
    """A room: convolution with decaying noise, duller as it decays.

    ``samples`` is ``(n,)`` or ``(channels, n)``, each channel with its own noise.
    ``time_s`` is the time to −60 dB, ``mix`` the wet share.
    """
    if mix <= 0:
        return samples
    length = max(int(time_s * rate_hz), 256)
    t = np.arange(length, dtype=np.float32) / rate_hz
    noise = rng.standard_normal((*samples.shape[:-1], length), dtype=np.float32)
    dull = 0.5 * (noise + np.roll(noise, 1, axis=-1))
    fade = np.exp(-t / (0.15 * time_s))
    response = (fade * noise + (1 - fade) * dull) * np.exp(-6.9 * t / time_s)
    response /= np.sqrt(np.square(response).sum(axis=-1, keepdims=True))
    count = samples.shape[-1]
    size = fast_size(count + length)
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    out: Samples = ((1 - mix) * samples + mix * wet[..., :count]).astype(np.float32)
    return out


def echo(samples: Samples, rate_hz: int, delay_s: float, feedback: float) -> Samples:
    """Repeats every ``delay_s``, each ``feedback`` times the one before, until 1 %."""
    out = samples.copy()
    gain, shift = feedback, int(delay_s * rate_hz)
    place = shift
    while gain > 0.01 and 0 < place < samples.shape[-1]:
        out[..., place:] += gain * samples[..., :-place]
        gain, place = gain * feedback, place + shift
    return out


def drive(samples: Samples, amount: float) -> Samples:
    """Soft clipping: ``amount`` 0 leaves the samples alone, 20 is a distorted guitar."""
    if amount <= 0:
        return samples
    scale = max(float(np.abs(samples).max()), 1e-6)
    out: Samples = (np.tanh(samples * ((1 + amount) / scale)) * scale).astype(np.float32)
    return out


def compress(samples: Samples, rate_hz: int, strength: float) -> Samples:
    """Evens out loudness over 50 ms blocks; ``strength`` 0 does nothing, 1 flattens."""
    if strength <= 0:
        return samples
    block = max(int(0.05 * rate_hz), 1)
    mono = samples if samples.ndim == 1 else samples.mean(axis=0)
    blocks = mono[: len(mono) // block * block].reshape(-1, block)
    level = np.sqrt(np.square(blocks).mean(axis=1)) + 1e-4
    gain = (level / level.max()) ** -strength
    centres = (np.arange(len(level)) + 0.5) * block
    smooth = np.interp(np.arange(samples.shape[-1]), centres, np.minimum(gain, 10))
    out: Samples = (samples * smooth).astype(np.float32)
    return out


def fast_size(count: int) -> int:
    """The next length ≥ ``count`` of the form 2^k, 3·2^k or 5·2^k; primes make FFTs slow."""
    return min(m << max(0, -(-count // m) - 1).bit_length() for m in (1, 3, 5))
