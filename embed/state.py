"""What a run of ``python -m embed`` knows and has done, kept in the bundle's folder.

SQLite beside the bundle, never shipped: which files were seen and what they hold (so that
an unchanged folder takes seconds), and embeddings not yet in the bundle (so that a killed
run loses none). Losing it costs reading the files again, nothing more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from embed.errors import BundleError
from embed.scan import SongFile

STATE_FILE: Final = ".embed.sqlite"

_PAGE_BYTES: Final = 16_384
"""Seven embeddings, of 2.2 KB each, fill one; of SQLite's usual 4,096 each would take one."""

_FILES: Final = """
CREATE TABLE IF NOT EXISTS files (
    key TEXT PRIMARY KEY, bytes INTEGER, mtime_ns INTEGER,
    sha256 TEXT, artist TEXT, title TEXT, duration_s REAL
) WITHOUT ROWID
"""
# With rowids: without, what is longer than a quarter of a page goes to pages of its own.
_EMBEDDINGS: Final = """
CREATE TABLE IF NOT EXISTS embeddings (
    sha256 TEXT, spec TEXT, duration_s REAL, embedding BLOB, PRIMARY KEY (sha256, spec)
)
"""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file was found to hold."""

    sha256: str
    artist: str | None
    title: str
    duration_s: float


class State:
    """The record at ``path``; made when absent.

    Every method raises BundleError when it is no record, damaged, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with record_errors(path):
            # By URI, since what it attaches is named by one; so is what one may not write.
            uri = f"{path.resolve().as_uri()}?mode=rwc"
            self._database = sqlite3.connect(uri, uri=True, isolation_level=None)
        try:
            with record_errors(path):
                self._database.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # of a new file
                # Write-ahead: a process killed at any moment loses at most the song it was on.
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = NORMAL")
                self._database.execute(_FILES)
                self._database.execute(_EMBEDDINGS)
        except BundleError:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def select(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """The rows that ``sql`` selects, read as they are asked for."""
        with record_errors(self.path):
            yield from self._database.execute(sql, values)

    def execute(self, sql: str, *values: object) -> None:
        """Run one statement."""
        with record_errors(self.path):
            self._database.execute(sql, values)

    def insert(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Run one statement with each of ``rows``: with all of them, or none."""
        with self._transaction():
            self._database.executemany(sql, rows)

    def record(
        self,
        song: SongFile,
        facts: FileFacts,
        embedding: tuple[str, NDArray[np.float32]] | None = None,
    ) -> None:
        """Keep a file's facts and, with its spec digest, its new embedding: both or neither."""
        with self._transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(song.key, song.bytes, song.mtime_ns),
                    *(facts.sha256, facts.artist, facts.title, facts.duration_s),
                ),
            )
            if embedding is not None:
                spec, vector = embedding
                self._database.execute(
                    "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?)",
                    (facts.sha256, spec, facts.duration_s, vector.astype("<f4").tobytes()),
                )

    def keep(self, spec: str, embeddings: Iterable[tuple[str, float, bytes]]) -> None:
        """Keep embeddings: content digest, duration, and ``(512,)`` as float32 bytes."""
        self.insert(
            "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?)",
            ((sha256, spec, seconds, vector) for sha256, seconds, vector in embeddings),
        )

    def check(self) -> None:
        """Read all of it once, to find damage."""
        [(found,)] = list(self.select("PRAGMA main.integrity_check(1)"))
        if found != "ok":
            raise BundleError(f"{self.path}: {found}")

    def forget_embeddings(self) -> None:
        """The bundle holds them now."""
        with self._transaction():
            self._database.execute("DROP TABLE main.embeddings")  # made by whatever version
            self._database.execute(_EMBEDDINGS)
        self._shrink()

    def _shrink(self) -> None:
        """Give back the room of embeddings, if that is most of the file."""
        [(pages,)] = list(self.select("PRAGMA main.page_count"))
        [(free,)] = list(self.select("PRAGMA main.freelist_count"))
        if 2 * free < pages:
            return
        # Whoever reads it at this moment may keep it from shrinking: then it does the next time.
        with suppress(sqlite3.OperationalError):
            # Not in WAL, where pages keep the size that an older version gave them.
            self._database.execute("PRAGMA main.journal_mode = DELETE")
            self._database.execute(f"PRAGMA main.page_size = {_PAGE_BYTES}")
            self._database.execute("VACUUM main")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with record_errors(self.path), self._database:
            self._database.execute("BEGIN")
            yield


@contextmanager
def record_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as BundleErrors of the record at ``path``."""
    try:
        yield
    except sqlite3.OperationalError as error:  # a full disk, say
        raise BundleError(f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise BundleError(f"{path}: {error}; delete it to begin anew") from error
