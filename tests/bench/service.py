"""The API under load: wrk against this service and the one it replaces, in turn."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from embed.importer import import_catalogue
from tests.bench.load import CONNECTIONS, RECOMMEND_LUA, Load, at_rate, post, served, wrk
from tests.bench.measure import Part, Row, tree_mib

ROUNDS = 3
SMALL = 75
SIZES = (75, 1_000, 10_000, 100_000)
OLD_MOST = 10_000
"""Songs: the old service's matrix takes 0.8 GB here and 80 GB at ten times as many."""

QUERIES = 50
NEIGHBOURS = 10


def bench(scratch: Path) -> Part:
    """75 songs, 16 connections: both services in turn; then ours at half its rate."""
    part = Part("service", f"Service, {SMALL} songs, {CONNECTIONS} connections")
    if _lacks(part, "wrk", "hey"):
        return part
    catalogue = Catalogue(scratch, SMALL)
    script = scratch / "recommend.lua"
    script.write_text(RECOMMEND_LUA % SMALL)
    with served(catalogue.ours) as (ours, our_pid), served(catalogue.old) as (theirs, their_pid):
        for path, lua in (("/recommend", script), ("/songs", None)):
            found: dict[str, list[Load]] = {ours: [], theirs: []}
            for _ in range(ROUNDS):
                for base, loads in found.items():
                    loads.append(wrk(base + path, lua))
            mine, other = (_median(found[base]) for base in (ours, theirs))
            overlap = f"top-5 overlap {catalogue.overlap(ours, theirs):.0%}"
            part.rows.append(Row(path, mine.rate, "requests/s", other.rate, overlap))
            for what in ("p50", "p99"):
                values = (getattr(load, f"{what}_ms") for load in (mine, other))
                part.rows.append(
                    Row(f"{path} {what} (less is better)", next(values), "ms", next(values))
                )
            half = _median([at_rate(ours + path, mine.rate / 2, lua) for _ in range(ROUNDS)])
            part.rows.append(Row(f"{path} p99 at {half.rate:,.0f} requests/s", half.p99_ms, "ms"))
        part.rows.append(
            Row("memory (less is better)", tree_mib(our_pid), "MiB", tree_mib(their_pid))
        )
    return part


def growth(scratch: Path) -> Part:
    """One client, another song each time, catalogues of 75 to 100,000 songs."""
    part = Part("search", "Service by size of catalogue, one client", axes=("songs", "ms"))
    if _lacks(part, "wrk"):
        return part
    script = scratch / "recommend.lua"
    for songs in SIZES:
        catalogue = Catalogue(scratch, songs)
        script.write_text(RECOMMEND_LUA % songs)
        starts = [_start_s(catalogue.ours) for _ in range(ROUNDS)]
        with served(catalogue.ours) as (ours, pid):
            mine = _median([wrk(f"{ours}/recommend", script, connections=1) for _ in range(ROUNDS)])
            recall, mib = catalogue.recall(ours), tree_mib(pid)
        other = None
        if songs <= OLD_MOST:
            with served(catalogue.old) as (theirs, _):
                loads = [wrk(f"{theirs}/recommend", script, connections=1) for _ in range(ROUNDS)]
                other = _median(loads)
                part.growth.setdefault("the old service, p50", []).append((songs, other.p50_ms))
        for what in ("p50", "p99"):
            reference = None if other is None else getattr(other, f"{what}_ms")
            value = getattr(mine, f"{what}_ms")
            fidelity = f"recall@{NEIGHBOURS} {recall:.3f}"
            part.rows.append(Row(f"{songs:,} songs, {what}", value, "ms", reference, fidelity))
            part.growth.setdefault(f"this, {what}", []).append((songs, value))
        part.rows.append(Row(f"{songs:,} songs, start to first answer", median(starts), "s"))
        vectors_mib = catalogue.vectors.nbytes / 2**20
        beside = f"{mib / vectors_mib:.2f}× the vectors' {vectors_mib:.1f} MiB"
        part.rows.append(Row(f"{songs:,} songs, memory", mib, "MiB", fidelity=beside))
    return part


class Catalogue:
    """Random unit embeddings under plain names, for both services."""

    def __init__(self, scratch: Path, songs: int) -> None:
        rng = np.random.default_rng(0)
        vectors = rng.standard_normal((songs, 512)).astype(np.float32)
        self.vectors: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        self.names = [f"Artist {number % 20} - Song {number}" for number in range(songs)]
        archive, self.bundle = scratch / f"catalogue-{songs}.npz", scratch / f"bundle-{songs}"
        if not archive.exists():
            np.savez(archive, names=np.array(self.names), embeddings=self.vectors)
            import_catalogue(archive, self.bundle)
        self.ours = [sys.executable, "-m", "handler", "--bundle", str(self.bundle), "--port"]
        self.old = [sys.executable, "-m", "tests.bench.old_service", str(archive)]

    def recall(self, base: str) -> float:
        """Share of the true nearest songs that the API answers, by brute force in float64."""
        chosen = np.linspace(0, len(self.names) - 1, QUERIES).astype(int)
        truth = self.vectors[chosen].astype(np.float64) @ self.vectors.T.astype(np.float64)
        truth[np.arange(len(chosen)), chosen] = -np.inf
        shares = []
        for row, scores in zip(chosen, truth, strict=True):
            nearest = {self.names[other] for other in np.argsort(-scores)[:NEIGHBOURS]}
            answered = set(_answer(base, self.names[row], NEIGHBOURS))
            shares.append(len(nearest & answered) / NEIGHBOURS)
        return float(np.mean(shares))

    def overlap(self, ours: str, theirs: str) -> float:
        """Share of songs that both services answer, over every seed."""
        shared = [
            len(set(_answer(ours, name, 5)) & set(_answer(theirs, name, 5))) for name in self.names
        ]
        return float(np.mean(shared)) / 5


def _answer(base: str, song: str, top_k: int) -> list[str]:
    found = json.loads(post(base + "/recommend", {"song": song, "top_k": top_k}))
    return [one["song"] for one in found["recommendations"]]


def _median(loads: Sequence[Load]) -> Load:
    return Load(*(median(getattr(load, what) for load in loads) for what in Load._fields))


def _start_s(command: Sequence[str]) -> float:
    """Seconds from the process' start to its first recommendation."""

    def ask(base: str) -> None:
        post(base + "/recommend", {"song": "Artist 1 - Song 1", "top_k": 5})

    started = time.perf_counter()
    with served(command, wait=ask):
        return time.perf_counter() - started


def _lacks(part: Part, *commands: str) -> bool:
    missing = [command for command in commands if shutil.which(command) is None]
    if missing:
        part.notes.append(f"left out: {', '.join(missing)} not installed (apt-get install)")
    return bool(missing)
