"""Songs in SQLite: write them, read them, find them by name.

Rows are 0 … N-1 in the order of (folded name, name, path): row order *is* name order, so a
page of songs is a range of rows and "then by name" is "then by row". Row i of
``vectors.npy`` belongs to row i here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from embed.database import Database
from embed.errors import BundleError
from embed.lookup import Lookup
from embed.names import TRIGRAM, fold, plain, writable
from embed.schema import APPLICATION_ID, COPIES, GIVEN, INDEXES, SCHEMA, SCHEMA_VERSION

_IN_ORDER: Final = "SELECT * FROM temp.given ORDER BY folded, name, path, rowid"
_SONG: Final = "id, name, artist, title, path, duration_s, sha256"

_SONGS_AT_A_TIME: Final = 1_000

_NAMES_AT_A_TIME: Final = 10_000
_BETWEEN: Final = "\0"
_ONE_BY_ONE: Final = "SELECT name FROM songs WHERE row >= ? AND row < ? ORDER BY row"
_JOINED: Final = f"SELECT group_concat(name, char(0)), COUNT(*) FROM ({_ONE_BY_ONE})"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Song:
    """One audio file: ``name`` is ``Artist - Title``, ``sha256`` (hex) that of its bytes.

    ``sha256`` may be empty where the bytes are not known (an imported catalogue).
    """

    id: str
    name: str
    artist: str | None
    title: str
    path: str
    duration_s: float
    sha256: str


def song_id(path: str) -> str:
    """The id of the song at ``path`` (relative, with slashes): 20 hex digits, always the same."""
    return sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def write_catalogue(path: Path, songs: Iterable[Song], spec_digest: str) -> int:
    """Write ``songs`` to a new file at ``path``. Returns how many there are.

    Equal songs give equal bytes, in whatever order they come. Raises BundleError when two
    songs have one id, or the file cannot be written.
    """
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.executescript(SCHEMA)
        database.executescript(GIVEN)
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO temp.given VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_given, songs)
        )
        database.execute("COMMIT")
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO songs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _records(database.execute(_IN_ORDER), spec_digest),
        )
        names = database.execute("SELECT row, name FROM songs ORDER BY row")
        short: list[tuple[int]] = []
        database.executemany(
            "INSERT INTO names (rowid, plain) VALUES (?, ?)", _plain_names(names, short)
        )
        database.executemany("INSERT INTO short_names VALUES (?)", short)
        database.execute("COMMIT")
        database.executescript(INDEXES)
        database.execute("VACUUM")
        [(count,)] = database.execute("SELECT COUNT(*) FROM songs")
    except sqlite3.Error as error:
        raise BundleError(f"{path}: {error}") from error
    finally:
        database.close()
    return int(count)


def _given(song: Song) -> tuple[object, ...]:
    """What rows are sorted by is first, as bytes: then surrogates, too, have their order."""
    return (
        fold(song.name),
        song.name.encode("utf-8", "surrogatepass"),
        song.path.encode("utf-8", "surrogatepass"),
        song.id,
        None if song.artist is None else writable(song.artist),
        writable(song.title),
        song.duration_s,
        song.sha256,
    )


def _records(in_order: Iterable[tuple[Any, ...]], spec_digest: str) -> Iterator[tuple[object, ...]]:
    for row, (folded, name, path, identity, artist, title, *rest) in enumerate(in_order):
        shown, place = (writable(text.decode("utf-8", "surrogatepass")) for text in (name, path))
        yield (row, identity, shown, folded, artist, title, place, *rest, spec_digest)


def _plain_names(
    names: Iterable[tuple[int, str]], short: list[tuple[int]]
) -> Iterator[tuple[int, str]]:
    """What is indexed; rows of names that have no trigram are added to ``short``."""
    for row, name in names:
        text = plain(name)
        if len(text) < TRIGRAM:
            short.append((row,))
        yield row, text


def songs_of(path: Path) -> Iterator[Song]:
    """The songs of the catalogue at ``path``, by row, read as they are asked for.

    Raises BundleError when it is damaged.
    """
    with closing(Database(path)) as database:
        for row in database.stream(f"SELECT {_SONG} FROM songs ORDER BY row"):  # noqa: S608
            yield Song(*row)


class Catalogue:
    """The songs of one bundle, read-only; safe to share between threads.

    ``names`` holds every song's name by row: 9 MB for 100,000 songs, 5 % of their vectors.
    Reading 75 names from SQLite instead took 40 µs, as long as the rest of a request.
    ``lookup`` finds rows by name. ``copies`` maps a row to the first row with the same content,
    where that is an earlier one.

    Raises BundleError when the file at ``path`` is no catalogue, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path)
        try:
            self._check_kind()
            self.names: list[str] = self._read_names()
            self.copies: Mapping[int, int] = dict(self._read_copies())
            digests = self._database.column("SELECT DISTINCT spec_digest FROM songs")
            if len(digests) > 1:
                raise BundleError(f"{path}: songs of {len(digests)} specs, expected one")
        except BundleError:
            self.close()
            raise
        self.lookup = Lookup(self._database, self.names)
        self.spec_digest: str | None = digests[0] if digests else None

    def __len__(self) -> int:
        return len(self.names)

    def close(self) -> None:
        """Close the file; what reads at this moment finishes first."""
        self._database.close()

    def songs(self) -> Iterator[Song]:
        """Every song, in row order."""
        for start in range(0, len(self), _SONGS_AT_A_TIME):
            sql = f"SELECT {_SONG} FROM songs WHERE row >= ? ORDER BY row LIMIT ?"  # noqa: S608
            for row in self._database.rows(sql, start, _SONGS_AT_A_TIME):
                yield Song(*row)

    def songs_at(self, rows: Iterable[int]) -> list[Song]:
        """The songs at ``rows``, in that order."""
        sql = f"SELECT {_SONG} FROM songs WHERE row = ?"  # noqa: S608
        return [Song(*self._database.rows(sql, row)[0]) for row in rows]

    def artists(self, rows: Iterable[int]) -> list[str | None]:
        """The folded artist of each row, None where there is none."""
        found = [
            self._database.column("SELECT artist FROM songs WHERE row = ?", row)[0] for row in rows
        ]
        return [None if artist is None else fold(artist) for artist in found]

    def _read_names(self) -> list[str]:
        """By row. Joined by SQLite they come in a third of the time that one by one they take."""
        last = self._database.column("SELECT MAX(row) FROM songs")[0]
        names: list[str] = []
        for start in range(0, -1 if last is None else last + 1, _NAMES_AT_A_TIME):
            rows = start, start + _NAMES_AT_A_TIME
            [(joined, count)] = self._database.rows(_JOINED, *rows)
            some = [] if joined is None else joined.split(_BETWEEN)
            if len(some) != count:  # a name holds what they are joined by
                some = self._database.column(_ONE_BY_ONE, *rows)
            names += some
        if last is not None and last + 1 != len(names):
            raise BundleError(f"{self.path}: {len(names)} songs, but the last row is {last}")
        return names

    def _read_copies(self) -> list[tuple[int, int]]:
        # Catalogues written before they were noted do not have them.
        are_noted = self._database.column("SELECT 1 FROM sqlite_master WHERE name = 'copies'")
        return self._database.rows("SELECT row, first FROM copies" if are_noted else COPIES)

    def _check_kind(self) -> None:
        [application] = self._database.column("PRAGMA application_id")
        [version] = self._database.column("PRAGMA user_version")
        if application != APPLICATION_ID:
            raise BundleError(f"{self.path}: not a catalogue (application id {application:#x})")
        if version != SCHEMA_VERSION:
            raise BundleError(
                f"{self.path}: catalogue format {version}, this program reads {SCHEMA_VERSION}"
            )
