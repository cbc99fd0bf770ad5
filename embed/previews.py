"""Ten seconds of each song to listen to, made in worker processes; those that are there, kept.

What a run cut short has made lies in ``.previews.sqlite`` beside the bundle, for the next.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import islice, zip_longest
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from embed.audio import read_windows
from embed.bundle import Bundle
from embed.clips import PREVIEWS_FILE, Clips, write_clips
from embed.confine import confine, reason_of
from embed.errors import BundleError, VibeError
from embed.opus import RATE_HZ, encode_opus
from embed.progress import progress
from embed.report import Failure
from embed.scan import SongFile
from embed.spec import FrontEnd
from embed.workers import WorkerDied, WorkerPool
from embed.writer import BundleWriter

STATE_FILE: Final = ".previews.sqlite"

_FADE_S: Final = 0.03
"""So that a clip cut out of the middle neither begins nor ends with a click."""

_IN_FLIGHT_PER_WORKER: Final = 2
_FRONT_END: Final = FrontEnd(padding="pad")


@dataclass(frozen=True, slots=True)
class Limits:
    """What making one clip may cost, and how many are made at once."""

    workers: int
    timeout_s: float
    memory_mib: int


def preview(song: SongFile) -> bytes:
    """The middle ten seconds of ``song``, or all of a shorter one, as Ogg Opus.

    Raises AudioError when it cannot be decoded, OSError when it cannot be read.
    """
    with song.local() as path:
        windows = read_windows(path, _FRONT_END, "middle")
    length = min(round(windows.duration_s * RATE_HZ), _FRONT_END.window_samples)
    return encode_opus(_faded(windows.samples[0][: max(length, 1)]))


def _faded(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    steps = min(int(_FADE_S * RATE_HZ), len(samples) // 2)
    ramp = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)
    faded = samples.copy()
    faded[:steps] *= ramp
    faded[len(faded) - steps :] *= ramp[::-1]
    return faded


class Previews:
    """The clips of one bundle, in the making in its folder ``root``; a context manager.

    What was made is kept there should the run be cut short, and forgotten when the context
    ends well: then the bundle holds it. Raises BundleError, as every method does, when clips
    are damaged or cannot be written.
    """

    def __init__(self, bundle: Bundle | None, root: Path) -> None:
        self._state_file = root / STATE_FILE
        self._state = _open_state(self._state_file)
        self._old: Clips | None = None
        if bundle is not None and PREVIEWS_FILE in bundle.manifest.files:
            self._old = Clips(bundle.file(PREVIEWS_FILE, verify=False))

    def make(
        self, contents: Callable[[], Iterable[tuple[str, SongFile]]], limits: Limits
    ) -> list[Failure]:
        """Make the clips that are not there yet; those that fail.

        ``contents`` gives each content once, by its digest, with a song that has it.
        """
        count = sum(not self._has(sha256) for sha256, _ in contents())
        failures: list[Failure] = []
        if not count:
            return failures
        todo = (one for one in contents() if not self._has(one[0]))
        with progress(count, "preview") as shown:
            for sha256, song, made in _each(todo, limits):
                try:
                    clip = made.result()
                except (VibeError, OSError, TimeoutError, MemoryError, WorkerDied) as error:
                    reason = reason_of(error, limits.timeout_s, limits.memory_mib)
                    failures.append(Failure(song.key, reason))
                else:
                    self._keep(sha256, clip)
                shown.advance()
        return sorted(failures, key=lambda failure: failure.key)

    def differ(self, digests: Iterable[str]) -> bool:
        """Whether the bundle's clips are others than those at hand for these songs, whose
        ``digests`` ascend."""
        if self._old is None:
            return True
        pairs = zip_longest(filter(self._has, digests), self._old.digests())
        return any(wanted != kept for wanted, kept in pairs)

    def stage(self, writer: BundleWriter, digests: Iterable[str]) -> None:
        """Stage the clips of the songs with these ``digests``, which ascend."""
        clips = ((sha256, self._clip(sha256)) for sha256 in digests)
        there = ((sha256, clip) for sha256, clip in clips if clip is not None)
        write_clips(writer.stage(PREVIEWS_FILE), there)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._state.close()
        if self._old is not None:
            self._old.close()
        if kind is None:
            self._state_file.unlink(missing_ok=True)

    def _keep(self, sha256: str, clip: bytes) -> None:
        try:
            self._state.execute("INSERT OR REPLACE INTO clips VALUES (?, ?)", (sha256, clip))
        except sqlite3.Error as error:
            raise BundleError(f"{self._state_file}: {error}") from error

    def _has(self, sha256: str) -> bool:
        if self._old is not None and sha256 in self._old:
            return True
        return self._made("SELECT 1 FROM clips WHERE sha256 = ?", sha256) is not None

    def _clip(self, sha256: str) -> bytes | None:
        clip = None if self._old is None else self._old.clip(sha256)
        if clip is not None:
            return clip
        found = self._made("SELECT clip FROM clips WHERE sha256 = ?", sha256)
        return None if found is None else found[0]

    def _made(self, sql: str, sha256: str) -> Any:  # noqa: ANN401 - a row, or None
        return self._state.execute(sql, (sha256,)).fetchone()


def _each(
    todo: Iterable[tuple[str, SongFile]], limits: Limits
) -> Iterator[tuple[str, SongFile, Future[bytes]]]:
    """Each song's clip as it is done; a bound on those in flight bounds memory."""
    done: SimpleQueue[tuple[str, SongFile, Future[bytes]]] = SimpleQueue()
    left = iter(todo)
    begin = partial(confine, limits.memory_mib)
    with WorkerPool(preview, begin, limits.workers, limits.timeout_s) as pool:

        def submit(count: int) -> int:
            some = list(islice(left, count))
            for sha256, song in some:
                future = pool.submit(song)
                future.add_done_callback(_teller(done, sha256, song))
            return len(some)

        in_flight = submit(limits.workers * _IN_FLIGHT_PER_WORKER)
        while in_flight:
            yield done.get()
            in_flight += submit(1) - 1


def _teller(
    done: SimpleQueue[tuple[str, SongFile, Future[bytes]]], sha256: str, song: SongFile
) -> Callable[[Future[bytes]], None]:
    return lambda future: done.put((sha256, song, future))


def _open_state(path: Path) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(
            "CREATE TABLE IF NOT EXISTS clips (sha256 TEXT PRIMARY KEY, clip BLOB) WITHOUT ROWID"
        )
    except sqlite3.Error as error:
        raise BundleError(f"{path}: {error}; delete it to begin anew") from error
    return database
