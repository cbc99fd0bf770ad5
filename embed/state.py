"""What a run of ``python -m embed`` knows and has done, kept in the bundle's folder.

SQLite beside the bundle, never shipped: which files were seen and what they hold (so that
an unchanged folder takes seconds), and embeddings not yet in the bundle (so that a killed
run loses none). Losing it costs reading the files again, nothing more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from embed.errors import BundleError
from embed.scan import SongFile

STATE_FILE: Final = ".embed.sqlite"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS files (
    key TEXT PRIMARY KEY, bytes INTEGER, mtime_ns INTEGER,
    sha256 TEXT, artist TEXT, title TEXT, duration_s REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS embeddings (
    sha256 TEXT, spec TEXT, duration_s REAL, embedding BLOB, PRIMARY KEY (sha256, spec)
) WITHOUT ROWID;
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
        self._path = path
        with self._errors():
            self._database = sqlite3.connect(path, isolation_level=None)
        try:
            with self._errors():
                # Write-ahead: a process killed at any moment loses at most the song it was on.
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = NORMAL")
                self._database.executescript(_SCHEMA)
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

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:  # a full disk, say
            raise BundleError(f"{self._path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise BundleError(f"{self._path}: {error}; delete it to begin anew") from error

    def facts(self) -> dict[tuple[str, int, int], FileFacts]:
        """What is known, by (key, bytes, mtime_ns): a changed file is not found."""
        with self._errors():
            rows = self._database.execute(
                "SELECT key, bytes, mtime_ns, sha256, artist, title, duration_s FROM files"
            ).fetchall()
        return {(row[0], row[1], row[2]): FileFacts(*row[3:]) for row in rows}

    def record(
        self,
        song: SongFile,
        facts: FileFacts,
        embedding: tuple[str, NDArray[np.float32]] | None = None,
    ) -> None:
        """Keep a file's facts and, with its spec digest, its new embedding: both or neither."""
        with self._errors(), self._database:
            self._database.execute("BEGIN")
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
        with self._errors(), self._database:
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?)",
                ((sha256, spec, seconds, vector) for sha256, seconds, vector in embeddings),
            )

    def check(self) -> None:
        """Read all of it once, to find damage."""
        with self._errors():
            found = self._database.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            raise BundleError(f"{self._path}: {found}")

    def embedded(self, spec: str) -> dict[str, float]:
        """Content digest → duration of every song whose embedding waits here."""
        with self._errors():
            rows = self._database.execute(
                "SELECT sha256, duration_s FROM embeddings WHERE spec = ?", (spec,)
            ).fetchall()
        return dict(rows)

    def embedding(self, sha256: str, spec: str) -> NDArray[np.float32]:
        """A waiting embedding, float32 ``(512,)``. Raises KeyError when there is none."""
        with self._errors():
            row = self._database.execute(
                "SELECT embedding FROM embeddings WHERE sha256 = ? AND spec = ?", (sha256, spec)
            ).fetchone()
        if row is None:
            raise KeyError(sha256)
        return np.frombuffer(row[0], dtype="<f4").astype(np.float32)

    def committed(self, keys: set[str]) -> None:
        """Forget embeddings, now that the bundle holds them, and files other than ``keys``."""
        with self._errors(), self._database:
            self._database.execute("BEGIN")
            known = self._database.execute("SELECT key FROM files").fetchall()
            gone = [(key,) for (key,) in known if key not in keys]
            self._database.execute("DELETE FROM embeddings")
            self._database.executemany("DELETE FROM files WHERE key = ?", gone)
