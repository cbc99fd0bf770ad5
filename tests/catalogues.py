"""Catalogues to look things up in."""

from __future__ import annotations

import random
from pathlib import Path

from embed.catalogue import Catalogue, Song, write_catalogue
from tests.serving import song

SPEC = "d" * 64


def opened(tmp_path: Path, songs: list[Song]) -> Catalogue:
    write_catalogue(tmp_path / "catalogue.sqlite", songs, SPEC)
    return Catalogue(tmp_path / "catalogue.sqlite")


def many(count: int) -> list[Song]:
    """Songs in numbers at which not every name is compared with a misspelt one."""
    rng = random.Random(5)
    words = ["".join(rng.choices("abcdefghiklmnoprstuvw", k=rng.randint(3, 8))) for _ in range(900)]
    names = {
        f"{' '.join(rng.sample(words, 2))} - {' '.join(rng.sample(words, 3))}" for _ in range(count)
    }
    return [song(name) for name in sorted(names)]
