"""One SQLite file that nobody changes, read from any number of threads."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from embed.errors import BundleError

Rows = Iterable[tuple[Any, ...]]
T = TypeVar("T")


class Database:
    """The file at ``path``. Every method raises BundleError when SQLite cannot read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Connections that no thread reads from at this moment: as many as ever did at once.
        self._idle: deque[sqlite3.Connection] = deque()

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows that ``sql`` selects."""
        return self._read(sql, values, list)

    def column(self, sql: str, *values: object) -> list[Any]:
        """The values of the one column that ``sql`` selects."""
        return self._read(sql, values, lambda rows: [value for (value,) in rows])

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _read(self, sql: str, values: Sequence[object], take: Callable[[Rows], T]) -> T:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            return take(connection.execute(sql, values))
        except sqlite3.Error as error:
            raise BundleError(f"{self._path}: {error}") from error
        finally:
            self._idle.append(connection)

    def _connect(self) -> sqlite3.Connection:
        # immutable: nobody changes a bundle's file, a new one takes its place. So no locks.
        uri = f"{self._path.resolve().as_uri()}?mode=ro&immutable=1"
        try:
            return sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            raise BundleError(f"{self._path}: {error}") from error
