"""The songs of one run: what was listed, what of it is done, and what is to do.

They lie in the run's record, in a table that only its connection sees (SQLite keeps it in a file
without a name, which ends with the run), so that a run takes no more memory for more songs.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embed.catalogue import Song, song_id
from embed.database import read_only
from embed.errors import BundleError
from embed.known import KnownEmbeddings
from embed.scan import SongFile
from embed.state import FileFacts, State
from embed.tags import Credit

_AT_A_TIME: Final = 1_000
"""Songs read at once, 0.5 MB: what is being read must not change meanwhile."""

_LISTING: Final = """
CREATE TEMP TABLE listing (key TEXT, bytes INTEGER, mtime_ns INTEGER, song BLOB, done INTEGER)
"""
_INDEX: Final = "CREATE UNIQUE INDEX temp.listing_by_key ON listing (key)"

# Songs whose file is as it was and whose embedding is at hand.
_MARK_DONE: Final = """
UPDATE temp.listing SET done = 1 WHERE EXISTS (
    SELECT 1 FROM main.files AS file
    WHERE file.key = listing.key AND file.bytes = listing.bytes
        AND file.mtime_ns = listing.mtime_ns AND (
            EXISTS (SELECT 1 FROM main.embeddings WHERE sha256 = file.sha256 AND spec = ?)
            OR ? AND EXISTS (SELECT 1 FROM bundle.songs WHERE sha256 = file.sha256)
        )
)
"""
_DONE: Final = "temp.listing JOIN main.files USING (key) WHERE listing.done"
_CONTENTS: Final = f"""
SELECT sha256, MAX(key), song FROM {_DONE} GROUP BY sha256 ORDER BY sha256
"""  # noqa: S608
_REMOVED: Final = """
SELECT COUNT(DISTINCT path) FROM bundle.songs
WHERE NOT EXISTS (SELECT 1 FROM temp.listing WHERE key = path AND done)
"""
_IN_BUNDLE: Final = """
SELECT key, file.sha256, file.artist, file.title, file.duration_s,
    old.id, old.name, old.artist, old.title, old.path, old.duration_s, old.sha256
FROM bundle.songs AS old JOIN temp.listing ON key = path AND done
    JOIN main.files AS file USING (key)
"""


class Listing:
    """The ``songs`` that were listed, in the record ``state``, which may know some of them.

    ``catalogue`` is that of the bundle before the run, if there is one. Raises BundleError, as
    every method does, when two songs have one key, or the record cannot be read or written.
    """

    def __init__(
        self,
        songs: Iterable[SongFile],
        state: State,
        known: KnownEmbeddings,
        catalogue: Path | None = None,
    ) -> None:
        self._state = state
        self._known = known
        self._attach(catalogue)
        state.execute(_LISTING)
        rows = ((one.key, one.bytes, one.mtime_ns, pickle.dumps(one)) for one in songs)
        state.insert("INSERT INTO temp.listing VALUES (?, ?, ?, ?, 0)", rows)
        try:
            state.execute(_INDEX)
        except BundleError as error:
            if isinstance(error.__cause__, sqlite3.IntegrityError):
                raise BundleError(f"two songs are called {self._key_of_two()}") from error
            raise
        state.execute(_MARK_DONE, known.spec_digest, known.catalogue is not None)

    def __len__(self) -> int:
        return self._count("SELECT COUNT(*) FROM temp.listing")

    @property
    def done(self) -> int:
        """How many songs are recorded, with an embedding at hand."""
        return self._count("SELECT COUNT(*) FROM temp.listing WHERE done")

    def todo(self) -> Iterator[SongFile]:
        """Those that were not when they are asked for, by key."""
        sql = "SELECT key, song FROM temp.listing WHERE key > ? AND NOT done ORDER BY key LIMIT ?"
        last = ""
        while some := [*self._state.select(sql, last, _AT_A_TIME)]:
            yield from (_song_file(song) for _, song in some)
            last = some[-1][0]

    def record(
        self, song: SongFile, facts: FileFacts, embedding: NDArray[np.float32] | None
    ) -> None:
        """Keep what a song was found to hold and, when it is new, its embedding."""
        new = None if embedding is None else (self._known.spec_digest, embedding)
        self._state.record(song, facts, new)
        self._state.execute("UPDATE temp.listing SET done = 1 WHERE key = ?", song.key)

    def songs(self) -> Iterator[Song]:
        """Every song that is done, by key, as a catalogue has it."""
        columns = "key, sha256, artist, title, duration_s"
        for key, *facts in self._state.select(f"SELECT {columns} FROM {_DONE} ORDER BY key"):  # noqa: S608
            yield _song(key, FileFacts(*facts))

    def digests(self) -> Iterator[str]:
        """The content of every song that is done, each once, ascending."""
        for (sha256,) in self._state.select(
            f"SELECT DISTINCT sha256 FROM {_DONE} ORDER BY sha256"  # noqa: S608
        ):
            yield sha256

    def contents(self) -> Iterator[tuple[str, SongFile]]:
        """The same, each with a song that has it: the last by key."""
        for sha256, _, song in self._state.select(_CONTENTS):
            yield sha256, _song_file(song)

    def removed(self) -> int:
        """How many songs of the bundle are not among those done."""
        return self._count(_REMOVED)

    def is_in_bundle(self) -> bool:
        """Whether the bundle already holds just the songs that are done, at this spec."""
        if self._known.catalogue is None:
            return False
        alike = 0
        for key, sha256, artist, title, duration_s, *old in self._state.select(_IN_BUNDLE):
            if _song(key, FileFacts(sha256, artist, title, duration_s)) != Song(*old):
                return False
            alike += 1
        return alike == self.done == self._count("SELECT COUNT(*) FROM bundle.songs")

    def committed(self) -> None:
        """Forget what the bundle holds now, and songs that were not listed."""
        self._state.execute(
            "DELETE FROM main.files WHERE key NOT IN (SELECT key FROM temp.listing)"
        )
        self._state.forget_embeddings()

    def _attach(self, catalogue: Path | None) -> None:
        place = ":memory:" if catalogue is None else read_only(catalogue)
        self._state.execute("ATTACH ? AS bundle", place)
        if catalogue is None:
            self._state.execute("CREATE TABLE bundle.songs (path, sha256)")

    def _count(self, sql: str) -> int:
        [(count,)] = self._state.select(sql)
        return int(count)

    def _key_of_two(self) -> str:
        sql = "SELECT key FROM temp.listing GROUP BY key HAVING COUNT(*) > 1 ORDER BY key LIMIT 1"
        [(key,)] = self._state.select(sql)
        return repr(key)


def _song_file(song: bytes) -> SongFile:
    found: SongFile = pickle.loads(song)  # noqa: S301 - this process wrote it
    return found


def _song(key: str, facts: FileFacts) -> Song:
    return Song(
        id=song_id(key),
        name=Credit(facts.artist, facts.title).name,
        artist=facts.artist,
        title=facts.title,
        path=key,
        duration_s=facts.duration_s,
        sha256=facts.sha256,
    )
