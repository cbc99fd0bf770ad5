"""The figures of one process, counted in plain numbers; ``exposition`` shows them to Prometheus.

Plain numbers, since every request pays for counting, and since loading prometheus_client takes
35 ms of a start that mostly nobody scrapes: under Lambda nobody does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Final

REQUEST_BUCKETS_S: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0),
)
"""A name's answer takes 0.2 ms, sounds and words tens of ms, waiting in the queue seconds."""

ENCODER_BUCKETS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""One window takes 23 to 120 ms (docs/performance.md), a clip up to five, and it may wait."""

_METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
)
_OTHER: Final = "other"


class Durations:
    """Seconds, counted by bucket: ``counts[i]`` of them took up to ``bounds_s[i]``, the last
    longer than all."""

    __slots__ = ("bounds_s", "counts", "total_s")

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self.bounds_s = bounds_s
        self.counts = [0] * (len(bounds_s) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds_s, seconds)] += 1
        self.total_s += seconds


class EncoderMetrics:
    """What a feature tells of the encoder that it runs, from any thread."""

    def __init__(self) -> None:
        self.depth: Callable[[], int] = int
        self.limit = 0
        self.rejections = 0
        self.durations = Durations(ENCODER_BUCKETS_S)
        self._lock = Lock()

    def queue(self, depth: Callable[[], int], limit: int) -> None:
        """``depth`` tells at any time how many wait or run, ``limit`` how many may."""
        self.depth = depth
        self.limit = limit

    def rejected(self) -> None:
        """One was turned away, since the queue was full."""
        with self._lock:
            self.rejections += 1

    def encoded(self, seconds: float) -> None:
        """One was encoded, so many seconds after it was received."""
        with self._lock:
            self.durations.add(seconds)


class Metrics:
    """The figures of one application; requests are counted on its event loop alone.

    ``songs`` is the size of its catalogue, ``build`` tells what runs: text by label.
    ``requests`` holds each (method, route, status), and its durations.
    """

    def __init__(self, songs: int, build: Mapping[str, str]) -> None:
        self.songs = songs
        self.build = build
        self.in_progress = 0
        self.requests: dict[tuple[str, str, int], Durations] = {}
        self.encoders: dict[str, EncoderMetrics] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer. ``route`` is a template, one of a few; empty: no such page.

        What clients invent becomes ``other``: label values are few, whatever is asked.
        """
        if method not in _METHODS:
            method = _OTHER
        key = method, route or _OTHER, status
        durations = self.requests.get(key)
        if durations is None:
            durations = self.requests[key] = Durations(REQUEST_BUCKETS_S)
        durations.add(seconds)

    def encoder(self, kind: str) -> EncoderMetrics:
        """Where the feature that embeds queries of one ``kind`` (audio, text) tells of it."""
        return self.encoders.setdefault(kind, EncoderMetrics())
