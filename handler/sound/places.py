"""How many clips may be uploaded, wait, and be embedded at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from handler.errors import BusyError


class Places:
    """So many places; whoever finds none is told at once and waits outside."""

    def __init__(self, count: int) -> None:
        self._count = count
        # Not asyncio's: under Lambda each event may come with a loop of its own.
        self._lock = threading.Lock()
        self._busy = 0

    def busy(self) -> int:
        """How many are taken now."""
        return self._busy

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a place. Raises BusyError when there is none."""
        with self._lock:
            if self._busy >= self._count:
                raise BusyError(f"{self._count} clips are waiting already; try again in a moment")
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1
