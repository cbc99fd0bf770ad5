"""Processes that prepare songs and threads that encode them, for as many batches as come."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from embed.encoder import Encoder, embed_windows
from embed.prepare import Prepared, Work, prepare, prepare_pool
from embed.scan import SongFile

Encoded = tuple[NDArray[np.float32], float]
"""A song's embedding, float32 ``(512,)``, and the seconds it took."""


class Crew:
    """``workers`` of each kind: both keep every core busy. A context manager."""

    def __init__(
        self,
        work: Work,
        encoder: Encoder,
        workers: int,
        prepare: Callable[[SongFile, Work], Prepared] = prepare,
    ) -> None:
        self.work = work
        self.workers = workers
        self._encoder = encoder
        self._preparing = prepare_pool(work, workers, prepare)
        self._encoding = ThreadPoolExecutor(workers, "encoder")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._encoding.shutdown(wait=True)
        self._preparing.close(at_once=kind is not None)

    def prepare(self, song: SongFile) -> Future[Prepared]:
        """A future of the song's log-mels; see ``WorkerPool.submit`` for what it raises."""
        return self._preparing.submit(song)

    def encode(self, prepared: Prepared) -> Future[Encoded]:
        """A future of the embedding of a song whose log-mels are there."""
        assert prepared.log_mels is not None
        return self._encoding.submit(_encode, self._encoder, prepared.log_mels)


def _encode(encoder: Encoder, log_mels: NDArray[np.float32]) -> Encoded:
    started = time.perf_counter()
    embedding = embed_windows(encoder, log_mels)
    return embedding, time.perf_counter() - started
