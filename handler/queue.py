"""Slow work off the event loop, and a bound on how much of it may wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from handler.errors import BusyError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class WorkQueue:
    """``workers`` threads of its own, before which ``waiting`` calls may wait.

    The loop's shared pool would let slow work hold up quick searches. Belongs to no event
    loop: on Lambda each event may bring another.
    """

    def __init__(self, what: str, workers: int, waiting: int, retry_after_s: int = 1) -> None:
        self._what = what
        self._limit = workers + waiting
        self._retry_after_s = retry_after_s
        self._pool = ThreadPoolExecutor(workers, what)
        self._lock = threading.Lock()
        self._held = 0

    @property
    def limit(self) -> int:
        """How many may."""
        return self._limit

    @property
    def held(self) -> int:
        """How many calls run or wait."""
        return self._held

    async def run(
        self,
        function: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> Result:
        """``function(*arguments)`` in a thread. Raises BusyError when too many wait already.

        A call whose caller has gone is dropped while it waits; its place is free once it has
        ended in fact.
        """
        with self._lock:
            if self._held >= self._limit:
                raise BusyError(
                    f"{self._what}: {self._held} requests are before this one, try again in "
                    f"{self._retry_after_s} s",
                    self._retry_after_s,
                )
            self._held += 1
        future = self._pool.submit(function, *arguments, **keywords)
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def _release(self, _: Future[Result]) -> None:
        with self._lock:
            self._held -= 1
