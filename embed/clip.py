"""A stranger's clip → its embedding, as the pipeline would make it of the same file.

One worker process, within bounds of time and memory, decodes and encodes, one clip after the
other: whoever waits for it keeps all other cores, and its own Python, for other things.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embed.audio import SongWindows, read_windows
from embed.confine import confine, cpu_limited, is_out_of_cpu, reason_of
from embed.encoder import Encoder, embed_windows
from embed.errors import AudioError, ModelError, StarvedError, VibeError
from embed.mel import log_mel
from embed.spec import FrontEnd, Windows
from embed.workers import WorkerDied, WorkerNotStarted, WorkerPool

CLIP_TIMEOUT_S: Final = 20.0
"""An honest clip takes about one: five windows of full-size CLAP, fp32, on one core. Lambda gives a
request 30 (infra/). Whoever meets it met no ``CLIP_CPU_S``: it is the machine that is slow."""

CLIP_CPU_S: Final = CLIP_TIMEOUT_S / 2
"""For decoding, the one part whose cost the file decides: whoever meets it is hostile. 64 windows
of a quarter of an hour of Ogg take 0.6; the worst of the hostile ones tried, 25 MB of ADTS headers,
7. Half the time, so that half a core is enough to tell who would take all of it."""

CLIP_MEMORY_MIB: Final = 384
"""Beyond the worker at rest, model included; a window of 7.1 channels at 192 kHz takes 70."""

QUIETEST_PEAK: Final = 1e-4
"""−80 dBFS: above the dither of 16-bit silence, below any sound that was meant to be heard."""

_NICE: Final = 19
"""On a full machine whoever answers by name goes first. What 10 would do instead was not told apart
from it by measuring (make bench ONLY=sound)."""

Embedding = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClipWork:
    """What every clip is embedded by; ``windows`` and ``front_end`` are the songs' own."""

    model: Path
    front_end: FrontEnd
    windows: Windows
    longest_s: float
    threads: int = 1
    timeout_s: float = CLIP_TIMEOUT_S
    cpu_s: float = CLIP_CPU_S
    memory_mib: int = CLIP_MEMORY_MIB


def embed_clip(work: ClipWork, clip: Path) -> Embedding:
    """The embedding of a clip, float32 ``(512,)``, unit length.

    Bit-equal to the pipeline's for the same bytes. Raises AudioError when the clip cannot be
    decoded, is too long, or holds no sound; ModelError when the model cannot be used.
    """
    return _embedded(work, _decoded(work, clip))


def _embed_within(work: ClipWork, clip: Path) -> Embedding:
    """``embed_clip``, in a worker process, which ends when decoding takes more than ``cpu_s``."""
    with cpu_limited(work.cpu_s):
        audio = _decoded(work, clip)
    return _embedded(work, audio)


def _decoded(work: ClipWork, clip: Path) -> SongWindows:
    return read_windows(clip, work.front_end, work.windows, work.longest_s)


def _embedded(work: ClipWork, audio: SongWindows) -> Embedding:
    if np.abs(audio.samples).max() < QUIETEST_PEAK:
        raise AudioError("silent: nothing louder than −80 dBFS")
    log_mels = np.stack([log_mel(window, work.front_end) for window in audio.samples])
    return embed_windows(_encoder(work), log_mels)


class Clips:
    """Embeds clips in a worker process, which starts with the first and stays for the next."""

    def __init__(self, work: ClipWork) -> None:
        self._work = work
        embed, begin = partial(_embed_within, work), partial(_begin, work)
        self._pool = WorkerPool(embed, begin, 1, work.timeout_s)

    def submit(self, clip: Path) -> Future[Embedding]:
        """A future of ``embed_clip``; of what it raises, ``failure`` makes errors of ours."""
        return self._pool.submit(clip)

    def failure(self, error: Exception) -> VibeError:
        """AudioError when the clip is to blame, StarvedError when time ran out though the clip did
        not use it, else the error of the model or of the system."""
        if isinstance(error, WorkerNotStarted):
            return VibeError(f"the decoder cannot be started (exit code {error.exitcode})")
        if isinstance(error, TimeoutError):
            return StarvedError(
                f"too little CPU time for the clip in {self._work.timeout_s:g} s: the machine is "
                "busy; try again in a moment"
            )
        if is_out_of_cpu(error):
            return AudioError(f"took {self._work.cpu_s:g} s of CPU time to decode; given up")
        reason = reason_of(error, self._work.timeout_s, self._work.memory_mib)
        # A bare VibeError is what a worker makes of an exception that nobody foresaw.
        if isinstance(error, MemoryError | WorkerDied) or type(error) is VibeError:
            return AudioError(reason)
        return error if isinstance(error, VibeError) else VibeError(reason)

    def close(self) -> None:
        """End the worker at once, whatever it does."""
        self._pool.close(at_once=True)


def _begin(work: ClipWork) -> None:
    """Load all that a clip needs, then be bound: what is at rest is not the clip's doing."""
    if hasattr(os, "nice"):
        os.nice(_NICE)
    with suppress(ModelError):  # the first clip meets it again, and tells
        silence = np.zeros(work.front_end.window_samples, dtype=np.float32)
        _encoder(work).embed(log_mel(silence, work.front_end))
    confine(work.memory_mib)


@lru_cache(maxsize=1)
def _encoder(work: ClipWork) -> Encoder:
    return Encoder(work.model, work.front_end, work.threads)
