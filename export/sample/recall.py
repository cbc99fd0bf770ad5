"""Catalogues of sample songs, and how well words find their songs in them."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from embed import sample
from embed.audio import read_windows
from embed.encoder import Encoder
from embed.mel import log_mel
from embed.sample.songs import DEFAULT_COUNT, sample_songs, write_song
from embed.spec import FrontEnd
from embed.windows import pool
from export.sample.terms import Described, Truth, described, sentence

log = logging.getLogger(__name__)

Rows = NDArray[np.float32]

WINDOWS: Final = 2


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Songs as the generator knows them, and unit embeddings of them ``(N, 512)``."""

    songs: list[Described]
    embeddings: Rows


def catalogue(folder: Path, seed: int) -> Catalogue:
    """The 48 sample songs of ``seed``, embedded by the shipped audio tower as the pipeline does,
    but for fewer windows; kept in ``folder``."""
    path = folder / f"{seed}.npy"
    songs = sample_songs(DEFAULT_COUNT, seed)
    if not path.exists():
        front_end = FrontEnd()
        encoder = Encoder(sample.MODEL_PATH, front_end)
        rows = []
        with tempfile.TemporaryDirectory() as scratch:
            for song in songs:
                file = write_song(Path(scratch), seed, song)
                windows = read_windows(file, front_end, WINDOWS).samples
                rows.append([encoder.embed(log_mel(window, front_end)) for window in windows])
                file.unlink()
        np.save(path, np.array(rows))
        log.info("songs of seed %d", seed)
    pooled = np.stack([pool(windows) for windows in np.load(path)])
    return Catalogue(described(songs, seed), pooled)


def catalogues(folder: Path, seeds: Sequence[int], workers: int) -> list[Catalogue]:
    """One of each seed."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers) as pool_of_processes:
        return list(pool_of_processes.map(partial(catalogue, folder), seeds))


@dataclass(frozen=True, slots=True)
class Recall:
    """``very_song``: how often the song a sentence was made of is among the five nearest of its
    catalogue's 48; ``best``: how often it could be, as a sentence is true of others too.
    ``fitting``: the share of those five of which the sentence is true (of as many as there
    are). ``style``: how often one of the song's style is the nearest."""

    very_song: float
    best: float
    fitting: float
    style: float


def recall(
    embed: Any,  # noqa: ANN401 - texts to unit rows
    among: Sequence[Catalogue],
    templates: Sequence[str],
    sentences_per_song: int = 5,
    seed: int = 99,
) -> Recall:
    """Of sentences about each song of each catalogue."""
    rng = np.random.default_rng(seed)
    figures = []
    for one in among:
        truth = Truth(one.songs)
        for place, song in enumerate(one.songs):
            for _ in range(sentences_per_song):
                text, terms = sentence(song, templates, rng)
                near = np.argsort(-(one.embeddings @ embed([text])[0]), kind="stable")[:5]
                right = truth.of(terms)
                many = int(right.sum())
                figures.append(
                    (
                        place in near,
                        min(1.0, 5 / many),
                        right[near].sum() / min(5, many),
                        one.songs[int(near[0])].style == song.style,
                    )
                )
    return Recall(*(float(value) for value in np.mean(figures, axis=0)))
