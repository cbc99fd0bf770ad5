"""Many songs through the stages at once: worker processes prepare, threads encode.

Both kinds of worker keep every core busy; a bound on songs in flight bounds memory.
"""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from embed.confine import reason_of
from embed.crew import Crew
from embed.prepare import Prepared
from embed.scan import SongFile

_IN_FLIGHT_PER_WORKER: Final = 3
"""One being prepared, one waiting, one being encoded: enough that neither side ever idles."""


@dataclass(slots=True)
class Outcome:
    """What became of one song: ``reason`` of a failure, or ``prepared``.

    ``embedding`` is float32 ``(512,)``, None when the content is already embedded.
    """

    song: SongFile
    prepared: Prepared | None = None
    embedding: NDArray[np.float32] | None = None
    reason: str | None = None
    encode_s: float = 0.0


@dataclass(slots=True)
class _Encoding:
    """A content that is being encoded, and later songs that hold the same."""

    prepared: Prepared
    song: SongFile
    twins: list[tuple[SongFile, Prepared]] = field(default_factory=list)


class Batch:
    """Iterate to get each song's Outcome, in the order in which they finish.

    The ``crew`` is there before and after.
    """

    def __init__(self, songs: Iterable[SongFile], crew: Crew) -> None:
        self._todo = iter(songs)
        self._crew = crew
        self._events: queue.SimpleQueue[tuple[SongFile, Future[Any], bool]] = queue.SimpleQueue()
        self._encoding: dict[str, _Encoding] = {}
        self._embedded: set[str] = set()

    def __iter__(self) -> Iterator[Outcome]:
        in_flight = self._fill(self._crew.workers * _IN_FLIGHT_PER_WORKER)
        while in_flight:
            song, future, is_prepared = self._events.get()
            outcomes = (self._on_prepared if is_prepared else self._on_encoded)(song, future)
            in_flight -= len(outcomes)
            in_flight += self._fill(len(outcomes))
            yield from outcomes
            self._remember(outcomes)

    def _remember(self, outcomes: list[Outcome]) -> None:
        """What was embedded, unless whoever got the outcomes has made it known already."""
        for outcome in outcomes:
            if outcome.embedding is not None and outcome.prepared is not None:
                sha256 = outcome.prepared.sha256
                if sha256 not in self._crew.work.known:
                    self._embedded.add(sha256)

    def _fill(self, places: int) -> int:
        songs = list(islice(self._todo, places))
        for song in songs:
            self._tell_when_done(self._crew.prepare(song), song, is_prepared=True)
        return len(songs)

    def _tell_when_done(self, future: Future[Any], song: SongFile, *, is_prepared: bool) -> None:
        future.add_done_callback(lambda done: self._events.put((song, done, is_prepared)))

    def _on_prepared(self, song: SongFile, future: Future[Any]) -> list[Outcome]:
        reason = self._failure(future)
        if reason is not None:
            return [Outcome(song, reason=reason)]
        prepared: Prepared = future.result()
        sha256 = prepared.sha256
        is_known = sha256 in self._embedded or sha256 in self._crew.work.known
        if prepared.log_mels is None or is_known:
            return [Outcome(song, prepared)]
        if sha256 in self._encoding:
            self._encoding[sha256].twins.append((song, prepared))
            return []
        self._encoding[sha256] = _Encoding(prepared, song)
        self._tell_when_done(self._crew.encode(prepared), song, is_prepared=False)
        return []

    def _on_encoded(self, song: SongFile, future: Future[Any]) -> list[Outcome]:
        sha256 = next(sha for sha, job in self._encoding.items() if job.song is song)
        job = self._encoding.pop(sha256)
        twins = [(song, job.prepared), *job.twins]
        reason = self._failure(future)
        if reason is not None:
            return [Outcome(twin, reason=reason) for twin, _ in twins]
        embedding, encode_s = future.result()
        first = Outcome(song, job.prepared, embedding, encode_s=encode_s)
        return [first, *(Outcome(twin, prepared) for twin, prepared in job.twins)]

    def _failure(self, future: Future[Any]) -> str | None:
        """Why a song failed; the one place where any error at all is a song's failure."""
        try:
            error = future.exception()
        except Exception as cancelled:  # noqa: BLE001 - a lost pool cancels: name it
            error = cancelled
        if error is None:
            return None
        work = self._crew.work
        return reason_of(error, work.timeout_s, work.memory_mib)
