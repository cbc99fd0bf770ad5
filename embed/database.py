"""One SQLite file that nobody changes, read from any number of threads."""

from __future__ import annotations

import queue
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from embed.errors import BundleError

Rows = Iterable[tuple[Any, ...]]
T = TypeVar("T")


CONNECTIONS: Final = 4
"""Readers at once; a fifth waits. All are made at the start: made later, by path, one would
read the file that has taken this one's place meanwhile."""


def read_only(path: Path) -> str:
    """The URI of a file that nobody changes: a new one takes its place. So there are no locks."""
    return f"{path.resolve().as_uri()}?mode=ro&immutable=1"


class Database:
    """The file at ``path`` as it is now. Every method raises BundleError when SQLite cannot
    read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        for _ in range(CONNECTIONS):
            self._idle.put(self._connect())

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows that ``sql`` selects."""
        return self._read(sql, values, list)

    def stream(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """The same, read as they are asked for; it holds one of the connections until its end."""
        connection = self._idle.get()
        try:
            yield from connection.execute(sql, values)
        except sqlite3.Error as error:
            raise BundleError(f"{self._path}: {error}") from error
        finally:
            self._idle.put(connection)

    def column(self, sql: str, *values: object) -> list[Any]:
        """The values of the one column that ``sql`` selects."""
        return self._read(sql, values, lambda rows: [value for (value,) in rows])

    def close(self) -> None:
        """Close the connections; what reads at this moment finishes first."""
        for _ in range(CONNECTIONS):
            self._idle.get().close()

    def _read(self, sql: str, values: Sequence[object], take: Callable[[Rows], T]) -> T:
        connection = self._idle.get()
        try:
            return take(connection.execute(sql, values))
        except sqlite3.Error as error:
            raise BundleError(f"{self._path}: {error}") from error
        finally:
            self._idle.put(connection)

    def _connect(self) -> sqlite3.Connection:
        uri = read_only(self._path)
        try:
            return sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            raise BundleError(f"{self._path}: {error}") from error
