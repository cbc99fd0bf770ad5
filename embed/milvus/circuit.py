"""A circuit breaker: what is down is not asked again by every request, and gets time to recover.

Ours, since pybreaker 1.4 holds a lock around the call itself: searches would run one by one.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Final, Literal, TypeVar

from embed.errors import EngineError

FAILURES: Final = 3
"""Failures in a row after which nothing is asked for a while."""

WAIT_S: Final = 5.0
"""How long that is; a Milvus that restarts takes 10 to 60 s."""

State = Literal["closed", "open", "half-open"]
Result = TypeVar("Result")


class Circuit:
    """Calls pass while it is *closed*. After ``failures`` in a row it is *open*: calls are refused
    with the last reason. ``wait_s`` later it is *half-open*: one call tries, and closes it again or
    opens it anew. Safe to share between threads, which never wait for each other here.
    """

    def __init__(
        self,
        failures: int = FAILURES,
        wait_s: float = WAIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures = failures
        self._wait_s = wait_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._reason = ""
        self._until = 0.0
        self._is_tried = False

    @property
    def state(self) -> State:
        """As of now."""
        with self._lock:
            return self._state()

    @property
    def reason(self) -> str | None:
        """Why calls are refused, None while they are not."""
        with self._lock:
            return None if self._state() == "closed" else self._reason

    def call(self, function: Callable[[], Result]) -> Result:
        """``function()``. Raises EngineError, its own or because it is not even called."""
        with self._lock:
            state = self._state()
            if state == "open" or (state == "half-open" and self._is_tried):
                raise EngineError(f"{self._reason} (not asked again for a while)", self._wait())
            if state == "half-open":
                self._is_tried = True
        try:
            result = function()
        except EngineError as error:
            self._note(error)
            error.retry_after_s = self._wait()
            raise
        except BaseException:
            with self._lock:
                self._is_tried = False  # it says nothing of the engine
            raise
        with self._lock:
            self._failed, self._is_tried = 0, False
        return result

    def _state(self) -> State:
        if self._failed < self._failures:
            return "closed"
        return "open" if self._clock() < self._until else "half-open"

    def _note(self, error: EngineError) -> None:
        with self._lock:
            self._failed += 1
            self._is_tried = False
            self._reason = str(error)
            self._until = self._clock() + self._wait_s

    def _wait(self) -> int:
        return max(1, math.ceil(self._until - self._clock()))
