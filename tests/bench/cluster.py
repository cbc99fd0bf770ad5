"""A list of a million songs through ``--engine ray``, with no work in them: what the driver needs.

    python -m tests.bench.cluster [--songs 1000000] [--workers 2] [--to bench/cluster.json]

Keys only, a stub for decoder and encoder, Ray on this machine. Everything else is what a run
does: chunks, actors, their processes, shards, the record of the run, catalogue and vectors. (The
map and the index, which are made of the vectors, are not.)
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import click

from embed.assemble import stage_songs
from embed.cluster.engine import RayEngine
from embed.engine import Engine, Job
from embed.known import KnownEmbeddings
from embed.listing import Listing
from embed.model import sample_model
from embed.outcomes import embed_todo
from embed.prepare import Work
from embed.report import Report
from embed.spec import Spec
from embed.state import STATE_FILE, State
from embed.writer import BundleWriter
from tests.bench import stub_songs

FIRST: Final = 10_000
"""Songs after which all that a run needs whatever its size is there: what comes on top, grows."""

EVERY: Final = 100_000
"""Songs between two looks at what it has become."""


class Marks:
    """Seconds and the peak memory of this process, by stage."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float | str]] = []
        self._since = time.perf_counter()
        self._saved = 0

    def saved(self) -> None:
        """One song is recorded."""
        self._saved += 1
        if self._saved == FIRST:
            self.mark("the first songs")
        elif self._saved % EVERY == 0:
            self.mark(f"{self._saved:,} songs")

    def mark(self, stage: str) -> None:
        now = time.perf_counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        row = {"stage": stage, "s": round(now - self._since, 1), "peak_mib": round(peak, 1)}
        print(json.dumps(row), file=sys.stderr, flush=True)
        self.rows.append(row)
        self._since = now


def through(count: int, workers: int, folder: Path, engine: Engine, marks: Marks) -> None:
    """``count`` stub songs through a run in ``folder``, to a catalogue and its vectors there."""
    model = sample_model()
    spec = Spec(model.info.sha256, model.info.front_end, 1)
    record = folder / STATE_FILE
    with (
        BundleWriter(folder) as writer,
        State(record) as state,
        closing(KnownEmbeddings(record, spec.digest)) as known,
    ):
        listing = Listing(stub_songs.songs(count), state, known)
        marks.mark("list of songs")
        report = Report()
        job = Job(model, spec, Work(model.info.front_end, 1, known), workers)
        embed_todo(listing, known, engine, job, report, marks.saved)
        assert (report.in_bundle, report.failures) == (count, [])
        marks.mark("through the engine")
        stage_songs(writer, listing.songs(), spec, lambda song: known.vector(song.sha256))
        marks.mark("catalogue and vectors")
        assert not listing.is_in_bundle()
        assert listing.removed() == 0
        writer.commit(model=None, spec=spec, songs=count)
        marks.mark("committed")


def figures(count: int, workers: int, folder: Path) -> dict[str, object]:
    """Peak memory and seconds, and bytes a song of what lies on disk."""
    marks = Marks()
    marks.mark("imports")
    engine = RayEngine(folder, prepare=stub_songs.prepare, encoder=stub_songs.Encoder)
    through(count, workers, folder, engine, marks)
    sizes = {path.name: path.stat().st_size / count for path in folder.rglob("*.*")}
    shards = [path.stat().st_size for path in (folder / "shards").rglob("*.parquet")]
    return {
        "songs": count,
        "first_songs": FIRST,
        "marks": marks.rows,
        "shards": len(shards),
        "shard_bytes_per_song": sum(shards) / count,
        "catalogue_bytes_per_song": sizes["catalogue.sqlite"],
        "state_bytes_per_song": sizes[STATE_FILE],
    }


@click.command()
@click.option("--songs", type=click.IntRange(min=1), default=1_000_000)
@click.option("--workers", type=click.IntRange(min=1), default=2)
@click.option("--to", type=click.Path(path_type=Path), default=Path("bench/cluster.json"))
def main(songs: int, workers: int, to: Path) -> None:
    """Write the figures as JSON."""
    with tempfile.TemporaryDirectory(prefix="vibe-bench-") as folder:
        found = json.dumps(figures(songs, workers, Path(folder)), indent=1)
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(found + "\n")
    print(found)


if __name__ == "__main__":
    main()
