"""Which songs a new catalogue shares with that of the bundle it will replace."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed.bundle import open_bundle
from embed.database import read_only
from embed.errors import BundleError
from embed.manifest import CATALOGUE_FILE
from embed.writer import BundleWriter

Rows = NDArray[np.int64]


class Carried(NamedTuple):
    """Songs that stay: rows in the new catalogue, ascending, and in the old one, int64 each.

    ``songs`` is how many the new one holds.
    """

    new: Rows
    old: Rows
    songs: int


# What tells a song is its content, where that is known. Copies are numbered, so that no two rows
# are told alike.
_TOLD: Final = """
SELECT row, content, ROW_NUMBER() OVER (PARTITION BY content ORDER BY row) AS number
FROM (SELECT row, CASE sha256 WHEN '' THEN id ELSE sha256 END AS content FROM {}.songs)
"""
_PAIRS: Final = f"""
SELECT new.row, old.row FROM ({_TOLD.format("main")}) AS new
JOIN ({_TOLD.format("old")}) AS old USING (content, number) ORDER BY new.row
"""  # noqa: S608


def carried_over(writer: BundleWriter, catalogue: Path) -> Carried:
    """The songs of ``catalogue`` whose embeddings the writer's bundle holds already.

    None where the spec is another. Raises BundleError when a catalogue is damaged.
    """
    previous = writer.previous
    old = None
    if previous is not None and previous.spec is not None:
        old = open_bundle(writer.root).file(CATALOGUE_FILE)
    try:
        # On disk: SQLite sorts and looks up in files of its own, so that many songs take no
        # more memory than few.
        with closing(sqlite3.connect(read_only(catalogue), uri=True)) as database:
            [(songs,)] = database.execute("SELECT COUNT(*) FROM songs")
            pairs = np.zeros((0, 2), np.int64)
            if old is not None:
                database.execute("ATTACH ? AS old", (read_only(old),))
                if _spec(database, "main") == _spec(database, "old"):
                    pairs = np.fromiter(database.execute(_PAIRS), np.dtype((np.int64, 2)))
    except sqlite3.Error as error:
        raise BundleError(f"{catalogue}: {error}") from error
    return Carried(pairs[:, 0], pairs[:, 1], songs)


def _spec(database: sqlite3.Connection, name: str) -> str | None:
    found = database.execute(f"SELECT spec_digest FROM {name}.songs LIMIT 1").fetchone()  # noqa: S608
    return None if found is None else str(found[0])
