"""One song's file → log-mels, in a worker process with a limit on time and memory.

Decoders are C code fed with strangers' files: one that crashes, hangs or eats memory costs
its own song and its worker, which is replaced.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embed.audio import read_windows
from embed.confine import confine
from embed.errors import AudioError
from embed.mel import log_mel
from embed.scan import SongFile
from embed.spec import FrontEnd, Windows
from embed.tags import Credit, read_credit
from embed.workers import WorkerPool

SONG_TIMEOUT_S: Final = 120.0
"""The slowest honest song seen, a 10 h MP3, takes about 3 s."""

SONG_MEMORY_MIB: Final = 1024
"""Beyond what the worker needs at rest; 64 windows of 7.1 channels at 192 kHz take 500."""


@dataclass(frozen=True, slots=True)
class Work:
    """What every song of a run is prepared by; ``known`` are digests already embedded.

    It travels by pickle to worker processes, which ask ``known`` there.
    """

    front_end: FrontEnd
    windows: Windows
    known: Container[str] = frozenset()
    timeout_s: float = SONG_TIMEOUT_S
    memory_mib: int = SONG_MEMORY_MIB


@dataclass(frozen=True, slots=True)
class Prepared:
    """A song ready for the encoder.

    ``log_mels`` is float32 ``(windows, frames, mel_bands)``, None when the content is known.
    ``seconds`` tells where the worker's time went.
    """

    sha256: str
    credit: Credit
    duration_s: float | None
    log_mels: NDArray[np.float32] | None
    seconds: dict[str, float] = field(default_factory=dict)


def prepare(song: SongFile, work: Work) -> Prepared:
    """Read, name, decode and transform one song.

    Raises AudioError when it cannot be embedded or changed meanwhile, OSError when it
    cannot be read, StoreError when it cannot be fetched.
    """
    started = time.perf_counter()
    with song.local() as path:
        return _prepare(song, path, work, started)


def _prepare(song: SongFile, path: Path, work: Work, started: float) -> Prepared:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    credit = read_credit(path)
    hashed = time.perf_counter()
    seconds = {"read": hashed - started}
    duration_s = log_mels = None
    if sha256 not in work.known:
        audio = read_windows(path, work.front_end, work.windows)
        decoded = time.perf_counter()
        duration_s = audio.duration_s
        log_mels = np.stack([log_mel(window, work.front_end) for window in audio.samples])
        seconds |= {
            "decode": decoded - hashed - audio.resample_s,
            "resample": audio.resample_s,
            "mel": time.perf_counter() - decoded,
        }
    if not song.is_unchanged():
        raise AudioError("changed while it was read; run again")
    return Prepared(sha256, credit, duration_s, log_mels, seconds)


def prepare_pool(
    work: Work, workers: int, prepare: Callable[[SongFile, Work], Prepared] = prepare
) -> WorkerPool[SongFile, Prepared]:
    """Worker processes that ``prepare`` songs, each within ``work``'s time and memory."""
    call, begin = partial(_call, prepare, work), partial(confine, work.memory_mib)
    return WorkerPool(call, begin, workers, work.timeout_s)


def _call(prepare: Callable[[SongFile, Work], Prepared], work: Work, song: SongFile) -> Prepared:
    return prepare(song, work)
