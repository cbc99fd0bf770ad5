"""The API under load: wrk against this service and the one it replaces, in turn."""

from __future__ import annotations

import dataclasses
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
from tests.bench.load import CONNECTIONS, Load, at_half_load, post, served, wrk
from tests.bench.measure import Part, Row, tree_mib

ROUNDS = 5
SMALL = 75
SIZES = (75, 1_000, 10_000, 100_000)
OLD_MOST = 10_000
"""Songs: the old service's matrix takes 0.8 GB here and 80 GB at ten times as many."""

QUERIES = 50
NEIGHBOURS = 10


def bench(scratch: Path) -> Part:
    """75 songs, 16 connections: both services in turn; then ours at half its rate."""
    part = Part("service", f"Service, {SMALL} songs, {CONNECTIONS} connections")
    if _lacks(part, "wrk"):
        return part
    catalogue = Catalogue(scratch, SMALL)
    with served(catalogue.ours) as (ours, our_pid), served(catalogue.old) as (theirs, their_pid):
        for path, songs in (("/recommend", SMALL), ("/songs", 0)):
            found: dict[str, list[Load]] = {ours: [], theirs: []}
            for _ in range(ROUNDS):
                for base, loads in found.items():
                    loads.append(wrk(base + path, songs))
            rate, base_rate = (median(load.rate for load in found[base]) for base in (ours, theirs))
            overlap = f"top-5 overlap {catalogue.overlap(ours, theirs):.0%}"
            part.rows.append(Row(path, rate, "requests/s", base_rate, overlap))
            mine, other = (quietest(found[base]) for base in (ours, theirs))
            part.rows.append(_row(f"{path} p50", mine, "p50_ms", other))
            part.rows.append(_row(f"{path} p99", mine, "p99_ms", other))
            half = quietest([at_half_load(ours + path, mine, songs) for _ in range(ROUNDS)])
            part.rows.append(_row(f"{path} p99 at {half.rate:,.0f} requests/s", half, "p99_ms"))
        part.rows.append(
            Row("memory (less is better)", tree_mib(our_pid), "MiB", tree_mib(their_pid))
        )
    return part


def growth(scratch: Path) -> Part:
    """One client, another song each time, catalogues of 75 to 100,000 songs."""
    part = Part("search", "Service by size of catalogue, one client", axes=("songs", "ms"))
    if _lacks(part, "wrk"):
        return part
    for songs in SIZES:
        catalogue = Catalogue(scratch, songs)
        starts = [_start_s(catalogue.ours) for _ in range(ROUNDS)]
        with served(catalogue.ours) as (ours, pid):
            mine = quietest([wrk(f"{ours}/recommend", songs, connections=1) for _ in range(ROUNDS)])
            recall, mib = catalogue.recall(ours), tree_mib(pid)
        other = None
        if songs <= OLD_MOST:
            with served(catalogue.old) as (theirs, _):
                loads = [wrk(f"{theirs}/recommend", songs, connections=1) for _ in range(ROUNDS)]
                other = quietest(loads)
                part.growth.setdefault("the old service, p50", []).append((songs, other.p50_ms))
        for what in ("p50", "p99"):
            row = _row(f"{songs:,} songs, {what}", mine, f"{what}_ms", other)
            note = f"recall@{NEIGHBOURS} {recall:.3f}, {row.fidelity}"
            part.rows.append(dataclasses.replace(row, fidelity=note))
            part.growth.setdefault(f"this, {what}", []).append((songs, row.value))
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


def quietest(loads: Sequence[Load]) -> Load:
    """The round in which the host took least: a tail of milliseconds drowns in what it takes."""
    return min(loads, key=lambda load: load.stolen)


def _row(what: str, load: Load, field: str, other: Load | None = None) -> Row:
    reference = None if other is None else getattr(other, field)
    value, stolen = getattr(load, field), f"{load.stolen:.1%} stolen"
    return Row(f"{what} (less is better)", value, "ms", reference, stolen)


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
