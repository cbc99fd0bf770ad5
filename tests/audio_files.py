"""Audio files for tests, synthesised: sounds that tell their own place in time."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def tune(seconds: float, rate_hz: int, channels: int = 1, seed: int = 0) -> Samples:
    """Float32 ``(n, channels)``: a rising tone over noise, so that no two moments are alike."""
    count = max(round(seconds * rate_hz), 1)
    time_s = np.arange(count) / rate_hz
    rng = np.random.default_rng(seed)
    slope = 0.15 * rate_hz / max(seconds, 1e-3)
    tone = np.sin(2 * np.pi * (100 * time_s + slope * time_s**2))
    noise = rng.standard_normal((count, channels))
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 0.3 * time_s + seed)
    return ((0.3 * tone[:, np.newaxis] + 0.1 * noise) * swell[:, np.newaxis]).astype(np.float32)


def write(path: Path, samples: Samples, rate_hz: int, **options: object) -> Path:
    """``samples`` through libsndfile; the extension names the format, ``options`` refine it."""
    if path.suffix == ".opus":
        options = {"format": "OGG", "subtype": "OPUS", **options}
    path.parent.mkdir(parents=True, exist_ok=True)
    with soundfile.SoundFile(path, "w", rate_hz, samples.shape[1], **options) as file:
        # In blocks: libvorbis puts a whole write on the stack.
        for start in range(0, len(samples), 65536):
            file.write(samples[start : start + 65536])
    return path


def write_tune(path: Path, seconds: float, rate_hz: int, channels: int = 1, seed: int = 0) -> Path:
    """``tune`` in a file."""
    return write(path, tune(seconds, rate_hz, channels, seed), rate_hz)


def encode(path: Path, samples: Samples, rate_hz: int, codec: str) -> Path:
    """``samples`` through FFmpeg, for what libsndfile cannot write: aac and alac in m4a."""
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(str(path), "w") as container:
        # Noise substitution off: its noise depends on all that was decoded before.
        options = {"aac_pns": "0"} if codec == "aac" else {}
        stream = container.add_stream(codec, rate=rate_hz, layout=layout, options=options)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), "fltp", layout)
        frame.sample_rate, frame.pts = rate_hz, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def decode_whole(path: Path) -> Samples:
    """Mono ``(n,)``, every packet decoded in order by FFmpeg: what partial reads must match."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp")
        pieces = [p for frame in container.decode(audio=0) for p in resampler.resample(frame)]
    return np.concatenate([piece.to_ndarray().mean(axis=0) for piece in pieces])


def without_xing(mp3: bytes) -> bytes:
    """An MP3 as some encoders and rippers leave it: no frame that tells its length."""
    at = min(i for i in (mp3.find(b"Xing"), mp3.find(b"Info")) if i >= 0)
    start = mp3.rfind(b"\xff", 0, at)
    following = mp3.find(mp3[start : start + 2], at)
    return mp3[following:]


def every_kind(folder: Path, seconds: float) -> dict[str, bytes]:
    """Extension → the bytes of the same tune in that format, 44.1 kHz mono (Opus: 48)."""
    made = {}
    for kind in ("wav", "aiff", "flac", "ogg", "opus", "mp3", "m4a", "aac"):
        rate_hz = 48_000 if kind == "opus" else 44_100
        samples, path = tune(seconds, rate_hz), folder / f"song.{kind}"
        if kind in ("m4a", "aac"):
            encode(path, samples, rate_hz, "aac")
        else:
            write(path, samples, rate_hz)
        made[kind] = path.read_bytes()
    return made
