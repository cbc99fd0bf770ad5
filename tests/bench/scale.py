"""``make bench-scale``: search in 100,000 to a million songs, three indexes in the same run.

    python -m tests.bench.scale [--songs 100000,300000,1000000] [--built FOLDER] [--without faiss]

Embeddings are made up (``clusters.py``). Queries are songs of the same artists that are not in
the catalogue; recall is against plain matrix products. What 3 and 10 million would take is reckoned
from the sizes measured, by formulas that the notes state. With ``--built`` graphs are kept, and
what is there is not built again, so that all can be searched within a few quiet minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from embed.bundle import sha256_file
from embed.hnsw import Graph
from embed.indexfile import GONE, GRAPH_FILE, ROWS_FILE
from embed.indexing import grow
from tests.bench.building import NEIGHBOURS, QUERIES, made
from tests.bench.measure import Part, Row, machine, seconds
from tests.bench.results import save, table
from tests.bench.searching import Searched

SMALL = (10_000, 30_000, 100_000)
SIZES = (100_000, 300_000, 1_000_000)
"""Two cores take half an hour. 3 million (``--songs 3000000``) take them an hour and a half by
themselves, nearly all of it building."""

FAR = (3_000_000, 10_000_000)
EXACT_READS = 100_000_000
"""Songs that exact searches may compare with in all: a million takes 0.15 s."""

ALBUM = 12
WITH_NAMES = 1_000_000
"""Songs up to which a whole bundle is made; the names alone are 2 GB in the process that does."""

NAMES = {"approximate": "USearch, re-ranked", "faiss": "faiss HNSW, re-ranked", "exact": "exact"}


def bench(
    sizes: Sequence[int], scratch: Path, built: Path | None = None, kinds: Sequence[str] = (*NAMES,)
) -> Part:
    """Every index of ``kinds`` at every size, in folders of ``built``, else below ``scratch``."""
    part = Part("scale", "Search by size of the catalogue, in process", axes=("songs", "p50, ms"))
    measured: list[tuple[int, float, Searched]] = []
    for songs in sizes:
        with tempfile.TemporaryDirectory(dir=scratch) as name:
            folder = Path(name) if built is None else built / str(songs)
            measured.append((songs, *_at(songs, folder, kinds, part)))
        print(f"{songs:,} songs done", file=sys.stderr, flush=True)
    if len(sizes) > 1:
        part.notes.extend(_far(measured))
    return part


def _at(songs: int, folder: Path, kinds: Sequence[str], part: Part) -> tuple[float, Searched]:
    """Rows of one size; returns how long our graph took to build, and what it did."""
    took = made(folder, songs, kinds)
    for name in ("vectors.npy", GRAPH_FILE):  # in the page cache, as what was just built is
        sha256_file(folder / name)
    truth = np.load(folder / "truth.npy")
    searched = {}
    for kind in kinds:
        name = NAMES[kind]
        count = QUERIES if kind != "exact" else min(QUERIES, max(30, EXACT_READS // songs))
        searched[kind] = found = _searched(kind, folder, count)
        part.rows.extend(_rows(f"{songs:,}, {name}", found, recall(found.rows, truth)))
        if kind in took:
            part.rows.append(Row(f"{songs:,}, {name}: build", took[kind], "s of one core"))
        part.growth.setdefault(name, []).append((songs, found.p50_ms))
    album_s = seconds(lambda: _album(folder))
    part.rows.append(
        Row(f"{songs:,}, {NAMES['approximate']}: an album of {ALBUM} added", album_s, "s")
    )
    if songs <= WITH_NAMES:
        part.rows.extend(_bundled(songs, folder))
    return took["approximate"], searched["approximate"]


def _album(folder: Path) -> None:
    """So many songs leave, and come back as others: read, added to, written."""
    rows = np.load(folder / ROWS_FILE)
    graph = Graph.open(folder / GRAPH_FILE, len(rows), to_change=True)
    rows[:ALBUM] = GONE
    grow(graph, rows, folder / "vectors.npy")
    graph.save(folder / "with-album.usearch")


def _bundled(songs: int, folder: Path) -> Iterator[Row]:
    """What the API is like with a bundle of so many songs, names and all."""
    written = _asked("tests.bench.bundled", "write", str(folder))
    found = _asked("tests.bench.bundled", "ask", str(folder), str(QUERIES))
    what = f"{songs:,}, whole bundle"
    yield Row(f"{what}: catalogue written", written["catalogue_s"], "s")
    yield Row(f"{what}: open (less is better)", found["open_s"], "s")
    yield Row(f"{what}: resident (less is better)", found["resident_mib"], "MiB")
    yield Row(f"{what}: part of a name, p99 (less is better)", found["part_ms"], "ms")
    fidelity = f"{found['found']:.1%} found"
    yield Row(f"{what}: misspelt, p99 (less is better)", found["misspelt_ms"], "ms", None, fidelity)
    yield Row(f"{what}: recommend, p99 (less is better)", found["recommend_ms"], "ms")


def _searched(kind: str, folder: Path, count: int) -> Searched:
    return Searched(**_asked("tests.bench.searching", kind, str(folder), str(count)))


def _asked(module: str, *arguments: str) -> dict[str, Any]:
    """What a process of its own printed last."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def recall(rows: Sequence[Sequence[int]], truth: np.ndarray) -> float:
    """Share of the truly nearest that were answered."""
    pairs = zip(rows, truth.tolist(), strict=False)  # the exact index is asked fewer
    return float(np.mean([len({*found} & {*true}) / NEIGHBOURS for found, true in pairs]))


def _rows(what: str, found: Searched, share: float) -> Iterator[Row]:
    fidelity = f"recall@{NEIGHBOURS} {share:.4f}"
    yield Row(f"{what}: p50 (less is better)", found.p50_ms, "ms", fidelity=fidelity)
    yield Row(f"{what}: p99 (less is better)", found.p99_ms, "ms", fidelity=fidelity)
    yield Row(f"{what}: two threads", found.rate, "queries/s")
    yield Row(f"{what}: resident (less is better)", found.resident_mib, "MiB")
    yield Row(f"{what}: open (less is better)", found.open_s, "s")


def _far(measured: Sequence[tuple[int, float, Searched]]) -> Iterator[str]:
    """What more songs would take than were measured."""
    songs = np.array([float(count) for count, _, _ in measured])
    build_s = np.array([build for _, build, _ in measured])
    p50_ms = np.array([found.p50_ms for _, _, found in measured])
    slope, level = np.polyfit(np.log(songs), p50_ms, 1)
    per = float((build_s / (songs * np.log(songs)))[-1])
    mib = measured[-1][2].resident_mib / measured[-1][0]
    yield f"p50 = {level:.3g} + {slope:.3g} · ln(songs) ms (least squares)"
    yield f"build = {per:.3g} · songs · ln(songs) s of one core (from the largest size)"
    yield f"resident = {mib * 2**20:,.0f} B a song (from the largest size)"
    for far in FAR:
        yield (
            f"so {far:,} songs: p50 {level + slope * math.log(far):.2g} ms, build "
            f"{per * far * math.log(far) / 3600:.2g} h of one core, {mib * far / 1024:.2g} GiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", default=",".join(map(str, SIZES)), help="sizes, with commas")
    parser.add_argument("--to", type=Path, default=Path("bench/scale"), help="figures and plot")
    parser.add_argument("--scratch", type=Path, help="a folder with room for 5 GB a million songs")
    parser.add_argument("--built", type=Path, help="a folder where what is built is kept")
    parser.add_argument("--without", choices=["faiss"], help="an index to leave out")
    args = parser.parse_args()
    head = f"{date.today()}, {machine()}"
    print(head, flush=True)
    if args.scratch is not None:
        args.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        kinds = [kind for kind in NAMES if kind != args.without]
        part = bench([int(n) for n in args.songs.split(",")], Path(scratch), args.built, kinds)
    print(table(part), flush=True)
    save(head, [part], args.to)


if __name__ == "__main__":
    main()
