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


def songs(count: int) -> list[SongFile]:
    """``count`` of them, ten to an album, ten albums to an artist, as a bucket lists them."""
    return sorted(_songs(count), key=lambda song: song.key)


def _songs(count: int) -> Iterator[SongFile]:
    for number in range(count):
        artist, album = f"Artist {number // 100:07}", f"Album {number // 10:08}"
        key = f"{artist}/{album}/{number % 10:02} A song's title.flac"
        yield SongFile(key, NOWHERE / key, 30_000_000, 1_700_000_000_000_000_000 + number)


def prepare(song: SongFile, work: Work) -> Prepared:
    """A song's digest is its key's, its log-mel a number."""
    digest = hashlib.sha256(song.key.encode()).digest()
    log_mel = np.frombuffer(digest[:4], dtype=np.uint32).astype(np.float32).reshape(1, 1, 1)
    artist, _, title = song.key.split("/")
    return Prepared(digest.hex(), Credit(artist, title), 200.0, log_mel, {})


class Encoder:
    """A unit vector made of the number."""

    def __init__(self, model: Path, front_end: FrontEnd) -> None:
        assert model.exists()

    def embed(self, log_mel: np.ndarray) -> np.ndarray:
        """Float32 ``(512,)``."""
        row = np.full(512, 1 / np.sqrt(512), dtype=np.float32)
        row[int(log_mel.item()) % 512] *= -1
        return row
