"""``previews.sqlite`` of a bundle: ten seconds of each song, by the digest of its content.

One file rather than 100,000: a store moves it whole, and copies of a song share a clip.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from embed.database import Database
from embed.errors import BundleError

PREVIEWS_FILE: Final = "previews.sqlite"
MEDIA_TYPE: Final = "audio/ogg"

_APPLICATION_ID: Final = 0x56494250  # "VIBP"
_SCHEMA: Final = f"""
PRAGMA page_size = 16384;
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA application_id = {_APPLICATION_ID};
CREATE TABLE clips (sha256 TEXT PRIMARY KEY, clip BLOB NOT NULL) WITHOUT ROWID;
"""


class Clips:
    """The clips in the file at ``path``; safe to share between threads.

    Every method raises BundleError when the file is none of ours, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        found = self._database.column("PRAGMA application_id")
        if found != [_APPLICATION_ID]:
            self.close()
            raise BundleError(f"{path}: not a file of previews (application id {found[0]:#x})")

    def clip(self, sha256: str) -> bytes | None:
        """Ten seconds of the song with this content, as Ogg Opus; None when there are none."""
        found: list[bytes] = self._database.column(
            "SELECT clip FROM clips WHERE sha256 = ?", sha256
        )
        return found[0] if found else None

    def __contains__(self, sha256: str) -> bool:
        return bool(self._database.column("SELECT 1 FROM clips WHERE sha256 = ?", sha256))

    def digests(self) -> Iterator[str]:
        """Of every song that has a clip, ascending; they are read as they are asked for."""
        for (sha256,) in self._database.stream("SELECT sha256 FROM clips ORDER BY sha256"):
            yield sha256

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def write_clips(path: Path, clips: Iterable[tuple[str, bytes]]) -> None:
    """Write a new file of ``clips``, digest and Ogg Opus, in ascending order of digests.

    Raises BundleError when it cannot be written.
    """
    path.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.executescript(_SCHEMA)
            database.execute("BEGIN")
            database.executemany("INSERT INTO clips VALUES (?, ?)", clips)
            database.execute("COMMIT")
    except sqlite3.Error as error:
        raise BundleError(f"{path}: {error}") from error
