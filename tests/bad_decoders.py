"""Stand-ins for ``embed.prepare.prepare`` that do what decoders do to strangers' files.

Worker processes import this module, so its functions travel by name. What a song does is
written in its file: ``abort``, ``hang``, …
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import time

import numpy as np

from embed.errors import AudioError
from embed.prepare import Prepared, Work
from embed.scan import SongFile
from embed.tags import Credit


def prepare(song: SongFile, work: Work) -> Prepared:
    """A song whose single log-mel is the number in its file, or a catastrophe."""
    order = song.path.read_text().split()
    match order:
        case ["abort"]:
            os.abort()
        case ["segfault"]:
            ctypes.string_at(0)
        case ["exit", code]:
            os._exit(int(code))
        case ["hang"]:
            time.sleep(1000)
        case ["hang", "in", "C"]:
            # As C code does: deaf to signals, and holding the interpreter's lock.
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
            ctypes.PyDLL(None).sleep(1000)
        case ["eat", mib]:
            hoard = [bytearray(2**20) for _ in range(int(mib))]
            return _prepared(str(len(hoard)))
        case ["raise", "unpicklable"]:
            raise _UnpicklableError(lambda: None, "no way back")
        case ["raise", name]:
            raise {"AudioError": AudioError("broken"), "OSError": OSError(5, "I/O error")}.get(
                name, ValueError("odd")
            )
    return _prepared(song.path.read_text())


def prepare_one_window(song: SongFile, work: Work) -> Prepared:
    """As ``prepare``, of a single window."""
    return _prepared(song.path.read_text(), windows=1)


def _prepared(text: str, windows: int = 2) -> Prepared:
    digest = hashlib.sha256(text.encode()).hexdigest()
    log_mels = np.full((windows, 3, 4), float(text), dtype=np.float32)
    return Prepared(digest, Credit(None, text), 1.0, log_mels, {"decode": 0.0})


class _UnpicklableError(Exception):
    def __init__(self, what: object, why: str) -> None:
        super().__init__(what)
        self.why = why


class FakeEncoder:
    """The mean of the log-mel as one of 512 directions; counts what it is asked."""

    def __init__(self, fails_on: float | None = None) -> None:
        self.asked: list[float] = []
        self._fails_on = fails_on

    def embed(self, log_mel: np.ndarray) -> np.ndarray:
        """Unit ``(512,)``."""
        value = float(log_mel.mean())
        self.asked.append(value)
        if value == self._fails_on:
            raise ZeroDivisionError("in the model")
        return np.eye(1, 512, int(value) % 512, dtype=np.float32)[0]
