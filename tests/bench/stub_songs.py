"""Songs that are keys and no files, and the stages of an engine without their work.

Ray's workers import this module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embed.prepare import Prepared, Work
from embed.scan import SongFile
from embed.spec import FrontEnd
from embed.tags import Credit

NOWHERE = Path("/nowhere")


def songs(count: int) -> Iterator[SongFile]:
    """``count`` of them, ten to an album, ten albums to an artist, as a bucket lists them."""
    for number in range(count):
        artist, album = f"Artist {number // 100:07}", f"Album {number // 10:08}"
        key = f"{artist}/{album}/{number % 10:02} A song's title.flac"
        yield SongFile(key, NOWHERE / key, 30_000_000, 1_700_000_000_000_000_000 + number)


def prepare(song: SongFile, work: Work) -> Prepared:
    """A song's digest is its key's, its log-mel a number."""
    digest = _digest(song.key)
    log_mel = np.array(_number(digest), np.float32).reshape(1, 1, 1)
    artist, _, title = song.key.split("/")
    return Prepared(digest.hex(), Credit(artist, title), 200.0, log_mel, {})


class Encoder:
    """A unit vector made of the number."""

    def __init__(self, model: Path, front_end: FrontEnd) -> None:
        assert model.exists()

    def embed(self, log_mel: np.ndarray) -> np.ndarray:
        """Float32 ``(512,)``."""
        return _unit(int(log_mel.item()))


def embedding(key: str) -> np.ndarray:
    """What the song of that key ends as, float32 ``(512,)``."""
    return _unit(_number(_digest(key)))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _number(digest: bytes) -> int:
    return int.from_bytes(digest[:3])  # float32 holds it


def _unit(number: int) -> np.ndarray:
    """One that a song hardly shares with another: the number's bits are its signs."""
    row = np.full(512, 1 / np.sqrt(512), dtype=np.float32)
    row[:24] *= [-1 if number >> bit & 1 else 1 for bit in range(24)]
    return row
