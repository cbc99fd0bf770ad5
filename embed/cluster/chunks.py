"""Songs by the chunk: what one machine takes at a time, and what one shard holds."""

from __future__ import annotations

import hashlib
import pickle
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from embed.scan import SongFile

SONGS: Final = 128
"""On average: a minute or two of two cores, which is what a lost machine costs."""

_LONGEST: Final = 4
"""No chunk is longer than so many times the average."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Songs that are embedded together; ``name`` changes when any of them does.

    They are kept packed, a tenth of the 80 KB that 128 songs are: a driver holds thousands.
    """

    name: str
    _packed: bytes = field(compare=False, repr=False)

    @classmethod
    def of(cls, name: str, songs: Iterable[SongFile]) -> Self:
        """The chunk of ``songs``."""
        return cls(name, zlib.compress(pickle.dumps(tuple(songs)), 1))

    @property
    def songs(self) -> tuple[SongFile, ...]:
        """Its songs, by key."""
        found: tuple[SongFile, ...] = pickle.loads(zlib.decompress(self._packed))  # noqa: S301 - ours
        return found


def chunks(songs: Iterable[SongFile], average: int = SONGS) -> Iterator[Chunk]:
    """``songs``, which come by key, in chunks of ``average`` length.

    Where a chunk ends is decided by the key of its last song alone, so that songs which are
    added, or done already, change the names of their own chunks and of no others: what an
    earlier run left is found again.
    """
    gathered: list[SongFile] = []
    for song in songs:
        gathered.append(song)
        if _ends(song.key, average) or len(gathered) == average * _LONGEST:
            yield _chunk(gathered)
            gathered = []
    if gathered:
        yield _chunk(gathered)


def _ends(key: str, average: int) -> bool:
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) % average == 0


def _chunk(songs: list[SongFile]) -> Chunk:
    digest = hashlib.sha256()
    for song in songs:
        text = f"{song.key}\0{song.bytes}\0{song.mtime_ns}\0"
        digest.update(text.encode("utf-8", "surrogatepass"))
    return Chunk.of(digest.hexdigest(), songs)
