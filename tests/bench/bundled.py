"""A whole bundle of made-up songs: written by one process, asked by another. Prints JSON.

python -m tests.bench.bundled write FOLDER          of the vectors and the index in it
python -m tests.bench.bundled ask FOLDER QUERIES    opened as the API opens it
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil

from embed.bundle import sha256_file
from embed.catalogue import Catalogue, Song, song_id, write_catalogue
from embed.indexfile import ABOUT_FILE, GONE, GRAPH_FILE, ROWS_FILE, write_about
from embed.library import open_songs
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from embed.model import sample_model
from embed.spec import Spec
from embed.vectorfile import VectorFile
from embed.writer import BundleWriter
from handler.schemas import RecommendRequest
from handler.service import About, Service
from tests.bench.measure import seconds
from tests.bench.naming import misspelt, names, part_of

BUNDLE = "bundle"
ANSWERED = 10


def write(folder: Path) -> dict[str, float]:
    """The bundle, and how long its catalogue took."""
    vectors = VectorFile(folder / VECTORS_FILE)
    info = sample_model().info
    spec = Spec(info.sha256, info.front_end, 1)
    songs = [_song(at, name) for at, name in enumerate(names(len(vectors)))]
    shutil.rmtree(folder / BUNDLE, ignore_errors=True)
    with BundleWriter(folder / BUNDLE) as writer:
        started = time.perf_counter()
        count = write_catalogue(writer.stage(CATALOGUE_FILE), songs, spec.digest)
        catalogue_s = time.perf_counter() - started
        assert count == len(vectors)  # which of them is whose does not matter here
        os.link(folder / VECTORS_FILE, writer.stage(VECTORS_FILE))
        os.link(folder / GRAPH_FILE, writer.stage(GRAPH_FILE))
        slots = np.load(folder / ROWS_FILE)
        assert GONE not in slots
        sha256 = sha256_file(folder / VECTORS_FILE)
        write_about(writer.stage(ROWS_FILE), writer.stage(ABOUT_FILE), slots, sha256)
        writer.commit(model=None, spec=spec, songs=len(songs))
    return {"catalogue_s": catalogue_s}


def _song(at: int, name: str) -> Song:
    artist, _, title = name.partition(" - ")
    path = f"{artist}/{at:08}.flac"
    content = hashlib.sha256(path.encode()).hexdigest()
    return Song(song_id(path), name, artist, title, path, 200.0, content)


def ask(folder: Path, count: int) -> dict[str, float]:
    """Seconds to open, MiB it holds when all is asked, p99 of names and of neighbours in ms."""
    base = psutil.Process().memory_info().rss
    started = time.perf_counter()
    _, catalogue, index = open_songs(folder / BUNDLE)
    open_s = time.perf_counter() - started
    service = Service(catalogue, index, About(None, "", ""))
    rng = np.random.default_rng(1)
    chosen = [catalogue.names[row] for row in rng.integers(0, len(catalogue), count)]
    wrong = [misspelt(name, rng) for name in chosen]
    found = {
        "part_ms": _p99([part_of(name, rng) for name in chosen], service.library.meant),
        "misspelt_ms": _p99(wrong, catalogue.lookup.find),
        "recommend_ms": _p99(chosen, lambda name: _recommended(service, name)),
    }
    right = [_is_found(catalogue, *pair) for pair in zip(wrong, chosen, strict=True)]
    resident = psutil.Process().memory_info().rss - base
    return found | {
        "open_s": open_s,
        "resident_mib": resident / 2**20,
        "found": float(np.mean(right)),
    }


def _p99(asked: Sequence[str], answer: Callable[[str], object]) -> float:
    return float(np.percentile([seconds(lambda q=one: answer(q)) for one in asked], 99) * 1_000)


def _recommended(service: Service, name: str) -> None:
    answer = service.recommend(RecommendRequest(song=name, top_k=ANSWERED))
    assert len(answer["recommendations"]) == ANSWERED


def _is_found(catalogue: Catalogue, query: str, name: str) -> bool:
    return any(catalogue.names[row] == name for row in catalogue.lookup.find(query, 20))


if __name__ == "__main__":
    if sys.argv[1] == "write":
        print(json.dumps(write(Path(sys.argv[2]))))
    else:
        print(json.dumps(ask(Path(sys.argv[2]), int(sys.argv[3]))))
