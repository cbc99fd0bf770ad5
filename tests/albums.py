"""Runs of the pipeline over a small album."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from embed.bundle import open_bundle
from embed.catalogue import Catalogue
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from embed.pipeline import Options, embed_folder
from embed.report import Report
from tests.audio_files import write_tune

SONGS = ["b/Nina - Sinnerman.flac", "01. Abba - Waterloo.wav", "b/c/Echoes.ogg", "Last.wav"]


def write_album(folder: Path) -> Path:
    """Four short songs."""
    for seed, name in enumerate(SONGS):
        write_tune(folder / name, 0.5 + seed / 10, 22_050, seed=seed)
    return folder


class Runs:
    """Call it to bring ``bundle`` in step with ``music``; ``told`` is what the last run said."""

    def __init__(self, music: Path, bundle: Path, model: Path) -> None:
        self.music, self.bundle, self.model = music, bundle, model
        self.told: list[str] = []

    def __call__(self, **options: object) -> Report:
        self.told.clear()
        wanted = Options(**{"model": str(self.model), "workers": 1, **options})
        return embed_folder(self.music, self.bundle, wanted, tell=self.told.append)


def content(root: Path) -> dict[str, tuple[str, np.ndarray]]:
    """Path → name and vector."""
    bundle = open_bundle(root)
    catalogue = Catalogue(bundle.file(CATALOGUE_FILE))
    vectors = np.load(bundle.file(VECTORS_FILE))
    songs = list(catalogue.songs())
    catalogue.close()
    assert len(songs) == len(vectors) == bundle.manifest.songs
    return {song.path: (song.name, vectors[row]) for row, song in enumerate(songs)}
