"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Final, Protocol, Self

_LINE_EVERY_S: Final = 10.0


class Progress(Protocol):
    """Counts finished songs; a context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def advance(self) -> None:
        """One song more is finished."""


def progress(total: int, unit: str = "song") -> Progress:
    """A bar with rate and time left on a terminal's standard error, lines elsewhere."""
    return _Bar(total, unit) if sys.stderr.isatty() else _Lines(total, unit)


class Transfer(Protocol):
    """Counts bytes that are done; a context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def advance(self, count: int) -> None:
        """``count`` bytes more are done."""


def transfer(total: int) -> Transfer:
    """A bar in bytes on a terminal's standard error, lines elsewhere if it takes long."""
    return _ByteBar(total) if sys.stderr.isatty() else _ByteLines(total)


class _Bar:
    def __init__(self, total: int, unit: str) -> None:
        from tqdm import tqdm  # noqa: PLC0415 - an API that pulls its bundle has none

        self._bar = tqdm(total=total, unit=unit, dynamic_ncols=True, smoothing=0.1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def advance(self) -> None:
        self._bar.update()


class _Lines:
    def __init__(self, total: int, unit: str) -> None:
        self._total, self._unit, self._done = total, unit, 0
        self._started = self._told = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._done:
            self._tell()

    def advance(self) -> None:
        self._done += 1
        if time.perf_counter() - self._told >= _LINE_EVERY_S and self._done < self._total:
            self._tell()

    def _tell(self) -> None:
        self._told = time.perf_counter()
        rate = self._done / max(self._told - self._started, 1e-9)
        from tqdm import tqdm  # noqa: PLC0415

        left = tqdm.format_interval((self._total - self._done) / rate)
        print(
            f"{self._done}/{self._total} {self._unit}s, {rate:.2f} {self._unit}s/s, {left} left",
            file=sys.stderr,
            flush=True,
        )


class _ByteBar:
    def __init__(self, total: int) -> None:
        from tqdm import tqdm  # noqa: PLC0415

        self._bar = tqdm(total=total, unit="B", unit_scale=True, dynamic_ncols=True, smoothing=0.1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def advance(self, count: int) -> None:
        self._bar.update(count)


class _ByteLines:
    def __init__(self, total: int) -> None:
        self._total, self._done, self._told = total, 0, time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def advance(self, count: int) -> None:
        self._done += count
        if time.perf_counter() - self._told >= _LINE_EVERY_S:
            self._told = time.perf_counter()
            print(
                f"{self._done / 1e6:,.1f} of {self._total / 1e6:,.1f} MB",
                file=sys.stderr,
                flush=True,
            )
