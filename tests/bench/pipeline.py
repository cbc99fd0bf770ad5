"""Songs per second and memory: ``python -m embed`` against the obvious pipeline."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from embed.bundle import open_bundle
from embed.catalogue import Catalogue
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from tests.bench.fixtures import Models, ten_hour_mix, tiny_songs
from tests.bench.measure import Part, Row, Run, run

ROUNDS = 3
WINDOWS = ("middle", "5")
GROWTH_WINDOWS = ("middle", "2", "5", "10")
GROWTH_SONGS = (100, 1_000, 10_000)


def bench(music: Path, models: Models, scratch: Path) -> Part:
    """One row per precision and window count.

    Each round runs the reference and every subject once, in turn. Fidelity: cosine of the
    embeddings to the reference's, where both take the same window.
    """
    part = Part("pipeline", f"Pipeline, {models.name}, {music.name}: songs per second")
    subjects = [(precision, w) for precision in models.bundles for w in WINDOWS]
    reference: list[tuple[float, Run]] = []
    found: dict[tuple[str, str], list[tuple[float, Run]]] = {key: [] for key in subjects}
    out = scratch / f"obvious-{models.checkpoint.name}.npz"
    for _ in range(ROUNDS):
        arguments = ["tests.bench.obvious", str(models.checkpoint), str(music), str(out)]
        obvious = run([sys.executable, "-m", *arguments])
        reference.append((_number(r"seconds ([\d.]+)", obvious), obvious))
        for precision, windows in subjects:
            to = scratch / f"{models.checkpoint.name}-{precision}-{windows}"
            found[precision, windows].append(embed(music, to, models.bundles[precision], windows))
    songs = len(np.load(out)["names"])
    base_s = median(seconds for seconds, _ in reference)
    base_mib = median(one.peak_mib for _, one in reference)
    for (precision, windows), runs in found.items():
        to = scratch / f"{models.checkpoint.name}-{precision}-{windows}"
        part.rows.append(
            Row(
                f"{precision}, windows {windows}",
                median(rate for rate, _ in runs),
                "songs/s",
                songs / base_s,
                _cosines(to, out) if windows == "middle" else "",
            )
        )
        part.notes.append(f"{precision}, windows {windows}: {_work(runs[-1][1])}")
    for (precision, windows), runs in found.items():
        mib = median(one.peak_mib for _, one in runs)
        what = f"peak memory, {precision}, windows {windows} (less is better)"
        part.rows.append(Row(what, mib, "MiB", base_mib))
    return part


def growth(music: Path, models: Models, small: Models, scratch: Path, cores: int) -> Part:
    """How cost grows: with windows, cores and songs, and with the length of one song."""
    part = Part("growth", "Growth of the pipeline's cost", axes=("songs", "seconds"))
    int8 = models.bundles["int8"]
    for windows in GROWTH_WINDOWS:
        rate, _ = embed(music, scratch / "windows", int8, windows)
        part.rows.append(Row(f"int8, windows {windows}", rate, "songs/s"))
    for number in sorted({1, cores}):
        rate, _ = embed(music, scratch / "cores", int8, "middle", cores=number)
        what = f"int8, windows middle, {number} core{'s' * (number > 1)}"
        part.rows.append(Row(what, rate, "songs/s"))
    fp32 = small.bundles["fp32"]
    for songs in GROWTH_SONGS:
        folder = tiny_songs(scratch, songs)
        to = scratch / f"tiny-{songs}-bundle"
        for what in ("new", "unchanged"):
            if what == "new":
                shutil.rmtree(to, ignore_errors=True)
            done = run(_command(folder, to, fp32, "middle"))
            _check(done)
            part.rows.append(Row(f"{songs:,} {what} songs of 0.5 s", done.wall_s, "s"))
            part.growth.setdefault(f"{what} songs", []).append((songs, done.wall_s))
    _, done = embed(ten_hour_mix(scratch), scratch / "mix-bundle", int8, "5")
    part.rows.append(Row("one song of 10 h, int8, windows 5", done.wall_s, "s"))
    part.rows.append(Row("one song of 10 h, peak memory", done.peak_mib, "MiB"))
    return part


def embed(
    music: Path, to: Path, model: Path, windows: str, cores: int | None = None
) -> tuple[float, Run]:
    """Embed a folder into a new bundle: the songs per second that it reports, and the run."""
    shutil.rmtree(to, ignore_errors=True)
    done = run(_command(music, to, model, windows), cores=cores)
    return _number(r" s, ([\d.]+) songs/s", done), done


def _command(music: Path, to: Path, model: Path, windows: str) -> Sequence[str]:
    arguments = [music, "--to", to, "--model", model, "--windows", windows]
    return [sys.executable, "-m", "embed", *map(str, arguments)]


def _work(finished: Run) -> str:
    match = re.search(r"work: (.*)", finished.output)
    return match[1] if match else ""


def _check(finished: Run) -> None:
    if finished.code != 0:
        raise SystemExit(f"a benchmarked command failed ({finished.code}):\n{finished.output}")


def _number(pattern: str, finished: Run) -> float:
    match = re.search(pattern, finished.output)
    _check(finished)
    if match is None:
        raise SystemExit(f"a benchmarked command says no seconds:\n{finished.output}")
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
