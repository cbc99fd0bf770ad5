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
        self._free = threading.BoundedSemaphore(count)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a place. Raises BusyError when there is none."""
        if not self._free.acquire(blocking=False):
            raise BusyError(f"{self._count} clips are waiting already; try again in a moment")
        try:
            yield
        finally:
            self._free.release()
