"""Music in a bucket: listed at once, each song fetched when its turn comes, and deleted after."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, Final

from embed.scan import EXTENSIONS, SongFile, no_songs, walk
from embed.store.objects import Listed
from embed.store.place import Place, S3Url

_LONGEST_NAME_BYTES: Final = 200
"""File systems end at 255; the beginning of a longer one goes."""


@dataclass(frozen=True, slots=True)
class BucketSong(SongFile):
    """A song in a bucket.

    ``mtime_ns`` is a number made of the object's ETag (which changes with its content), ``path``
    where it lies while it is read.
    """

    url: S3Url
    tag: str

    @contextmanager
    def local(self) -> Iterator[Path]:
        """The song as a file, fetched now and deleted after. Raises StoreError."""
        from embed.store.s3 import fetch_object  # noqa: PLC0415 - boto3, in workers alone

        with tempfile.TemporaryDirectory(dir=self.path.parent) as folder:
            path = Path(folder) / self.path.name
            fetch_object(_client(), self.url, self.key, path, self.bytes, self.tag)
            yield path

    def fetched_to(self, folder: Path) -> SongFile:
        """The same song, for a machine whose songs are fetched to ``folder``."""
        return replace(self, path=folder / self.path.name)

    def is_unchanged(self) -> bool:
        """True: what is fetched is the object as it was listed, or an error."""
        return True


@contextmanager
def listed(music: Place) -> Iterator[Iterator[SongFile]]:
    """The songs in ``music``, each once, to be read as long as the context lasts.

    Raises AudioError when there are none, and, then or while they are read, StoreError, or
    OSError when a directory cannot be listed (see ``walk``).
    """
    if isinstance(music, Path):
        yield _begun(walk(music))
        return
    # One folder for all: a worker that was killed leaves its song, and this takes it away.
    with tempfile.TemporaryDirectory(prefix="vibe-music-") as folder:
        yield _begun(_walk_bucket(music, Path(folder)))


def _begun(songs: Iterator[SongFile]) -> Iterator[SongFile]:
    """The same, the first of them read: whoever finds none learns it now."""
    return chain([next(songs)], songs)


def _walk_bucket(url: S3Url, folder: Path) -> Iterator[SongFile]:
    from embed.store.connection import connect  # noqa: PLC0415
    from embed.store.s3 import S3Objects  # noqa: PLC0415

    is_empty = True
    with closing(connect()) as client:
        for one in S3Objects(client, url).list(""):
            if _is_song(one.key):
                is_empty = False
                yield _song(one, url, folder)
    if is_empty:
        raise no_songs(str(url))


def _is_song(key: str) -> bool:
    name = PurePosixPath(key)
    hidden = any(part.startswith(".") for part in name.parts)
    return not hidden and not key.endswith("/") and name.suffix.lower() in EXTENSIONS


def _song(found: Listed, url: S3Url, folder: Path) -> SongFile:
    stamp = int.from_bytes(hashlib.sha256(found.tag.encode()).digest()[:7])
    path = folder / _file_name(PurePosixPath(found.key).name)
    return BucketSong(found.key, path, found.bytes, stamp, url, found.tag)


def _file_name(name: str) -> str:
    """``name`` as a file system takes it; what it says of artist and title stays."""
    return name.replace("\0", "_").encode()[-_LONGEST_NAME_BYTES:].decode("utf-8", "ignore")


@lru_cache
def _client() -> Any:  # noqa: ANN401 - see connect
    """A worker process' own connection, for all its songs."""
    from embed.store.connection import connect  # noqa: PLC0415

    return connect()
