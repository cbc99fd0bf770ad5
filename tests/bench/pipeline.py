"""Songs per second and memory: ``python -m embed`` against the obvious pipeline."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from statistics import median

import numpy as np

from embed.bundle import open_bundle
from embed.catalogue import Catalogue
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from tests.bench.measure import Row, Run, run

ROUNDS = 3


def bench(music: Path, checkpoint: Path, models: dict[str, Path], scratch: Path) -> list[Row]:
    """One row per model and window count; ``models`` maps a precision to its bundle.

    Each round runs the reference and every subject once, in turn. Fidelity: cosine of the
    embeddings to the reference's, where both take the same window.
    """
    subjects = [(precision, w) for precision in models for w in ("middle", "5")]
    reference: list[tuple[float, Run]] = []
    found: dict[tuple[str, str], list[tuple[float, Run]]] = {key: [] for key in subjects}
    songs = 0
    for _ in range(ROUNDS):
        obvious = run([sys.executable, "-m", "tests.bench.obvious", str(checkpoint), str(music),
                       str(scratch / "obvious.npz")])  # fmt: skip
        reference.append((_number(r"seconds ([\d.]+)", obvious), obvious))
        songs = len(np.load(scratch / "obvious.npz")["names"])
        for precision, windows in subjects:
            to = scratch / f"{precision}-{windows}"
            shutil.rmtree(to, ignore_errors=True)
            done = run([sys.executable, "-m", "embed", str(music), "--to", str(to),
                        "--model", str(models[precision]), "--windows", windows])  # fmt: skip
            found[precision, windows].append((_number(r"([\d.]+) s, [\d.]+ songs/s", done), done))
    base_s = median(seconds for seconds, _ in reference)
    base_mib = median(one.peak_mib for _, one in reference)
    rows = []
    for (precision, windows), runs in found.items():
        fidelity = _cosines(scratch / f"{precision}-{windows}", scratch / "obvious.npz")
        rows.append(
            Row(
                f"{precision}, windows {windows}",
                songs / median(seconds for seconds, _ in runs),
                "songs/s",
                songs / base_s,
                fidelity if windows == "middle" else "",
            )
        )
    for (precision, windows), runs in found.items():
        mib = median(one.peak_mib for _, one in runs)
        rows.append(
            Row(
                f"peak memory, {precision}, windows {windows} (less is better)",
                mib,
                "MiB",
                base_mib,
            )
        )
    return rows


def _number(pattern: str, finished: Run) -> float:
    match = re.search(pattern, finished.output)
    if finished.code != 0 or match is None:
        raise SystemExit(f"a benchmarked command failed ({finished.code}):\n{finished.output}")
    return float(match[1])


def _cosines(bundle_path: Path, reference: Path) -> str:
    bundle = open_bundle(bundle_path)
    vectors = np.load(bundle.file(VECTORS_FILE))
    catalogue = Catalogue(bundle.file(CATALOGUE_FILE))
    rows = {song.path: row for row, song in enumerate(catalogue.songs())}
    theirs = np.load(reference)
    cosines = [
        float(vectors[rows[name]] @ embedding)
        for name, embedding in zip(theirs["names"].tolist(), theirs["embeddings"], strict=True)
    ]
    return f"cosine mean {np.mean(cosines):.6f}, min {min(cosines):.6f}"
