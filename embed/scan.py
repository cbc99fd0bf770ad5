"""A folder of music → the audio files in it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from embed.errors import AudioError

EXTENSIONS: Final = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3"}
    | {".aif", ".aiff", ".aifc", ".m4a", ".m4b", ".aac"}
)


@dataclass(frozen=True, slots=True)
class SongFile:
    """An audio file as the folder listed it.

    ``key`` is its path relative to the folder, with slashes, and printable where the file
    system's is not; ``bytes`` and ``mtime_ns`` tell a changed file from an unchanged one.
    """

    key: str
    path: Path
    bytes: int
    mtime_ns: int

    @contextmanager
    def local(self) -> Iterator[Path]:
        """The file to read, as long as the context lasts."""
        yield self.path

    def fetched_to(self, folder: Path) -> SongFile:  # noqa: ARG002 - see BucketSong
        """The same song, for a machine whose songs are fetched to ``folder``."""
        return self

    def is_unchanged(self) -> bool:
        """Whether the file still is as it was listed."""
        found = self.path.stat()
        return (found.st_size, found.st_mtime_ns) == (self.bytes, self.mtime_ns)


def scan(folder: Path) -> list[SongFile]:
    """Every audio file under ``folder``, by key; see ``walk``."""
    return sorted(walk(folder), key=lambda song: song.key)


def walk(folder: Path) -> Iterator[SongFile]:
    """Every audio file under ``folder``, as they are met; links are followed, each folder once.

    A folder found itself and by a link is taken where it is itself. Names that begin with a
    dot are passed over: trash, and macOS' ``._song.mp3`` shadows. Raises AudioError when
    ``folder`` is no directory or holds no audio file, OSError when a directory cannot be
    listed (a song must not vanish because its folder was unreadable).
    """
    if not folder.is_dir():
        raise AudioError(f"{folder}: not a directory")
    is_empty = True
    seen: set[tuple[int, int]] = set()
    todo, linked = [folder], list[Path]()
    while todo or linked:
        directory = todo.pop() if todo else linked.pop(0)
        status = directory.stat()
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        folders: list[os.DirEntry[str]] = []
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith(".") or _leads_nowhere(entry):
                    continue
                if entry.is_dir():
                    folders.append(entry)
                elif _extension(entry.name) in EXTENSIONS and entry.is_file():
                    is_empty = False
                    yield _song_file(folder, entry)
        for entry in sorted(folders, key=lambda entry: entry.name):
            (linked if entry.is_symlink() else todo).append(directory / entry.name)
    if is_empty:
        raise no_songs(str(folder))


def no_songs(place: str) -> AudioError:
    """That there is nothing to embed at ``place``."""
    return AudioError(f"{place}: no audio files (looked for {' '.join(sorted(EXTENSIONS))})")


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    """Whether it is a link to nothing, or round to itself."""
    if not entry.is_symlink():
        return False
    try:
        entry.stat()
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ELOOP)
    return False


def _extension(name: str) -> str:
    return PurePath(name).suffix.lower()


def _song_file(folder: Path, entry: os.DirEntry[str]) -> SongFile:
    status = entry.stat()
    path = Path(entry.path)
    key = path.relative_to(folder).as_posix().encode("utf-8", "backslashreplace").decode()
    return SongFile(key, path, status.st_size, status.st_mtime_ns)
