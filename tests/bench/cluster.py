"""A list of a million songs through ``--engine ray``, with no work in them: what the driver needs.

    python -m tests.bench.cluster [--songs 1000000] [--workers 2] [--to bench/cluster.json]

Keys only, a stub for decoder and encoder, Ray on this machine. Everything else is real: chunks,
actors, their processes, shards, the record of the run, catalogue and vectors.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import click

from embed.assemble import stage_songs
from embed.catalogue import Song, song_id
from embed.cluster.engine import RayEngine
from embed.engine import Job
from embed.known import KnownEmbeddings
from embed.model import sample_model
from embed.prepare import Work
from embed.scan import SongFile
from embed.spec import Spec
from embed.state import STATE_FILE, FileFacts, State
from embed.writer import BundleWriter
from tests.bench import stub_songs


class Marks:
    """Seconds and the peak memory of this process, by stage."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float | str]] = []
        self._since = time.perf_counter()

    def mark(self, stage: str) -> None:
        now = time.perf_counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        row = {"stage": stage, "s": round(now - self._since, 1), "peak_mib": round(peak)}
        print(json.dumps(row), file=sys.stderr, flush=True)
        self.rows.append(row)
        self._since = now


def through(count: int, workers: int, folder: Path) -> dict[str, object]:
    """Peak memory and seconds, and bytes a song of what lies on disk."""
    marks = Marks()
    marks.mark("imports")
    listed = stub_songs.songs(count)
    marks.mark("list of songs")
    model = sample_model()
    spec = Spec(model.info.sha256, model.info.front_end, 1)
    job = Job(model, spec, Work(model.info.front_end, 1), workers)
    engine = RayEngine(folder, prepare=stub_songs.prepare, encoder=stub_songs.Encoder)
    done: dict[SongFile, FileFacts] = {}
    with BundleWriter(folder) as writer, State(folder / STATE_FILE) as state:
        known = KnownEmbeddings(None, state, spec.digest)
        for outcome in engine(listed, job):
            prepared = outcome.prepared
            assert prepared is not None, outcome.reason
            credit = prepared.credit
            facts = FileFacts(
                prepared.sha256, credit.artist, credit.title, prepared.duration_s or 0.0
            )
            known.record(outcome.song, facts, outcome.embedding)
            done[outcome.song] = facts
        marks.mark("through the cluster")
        assert len(done) == count
        songs = [_song(file, facts) for file, facts in done.items()]
        stage_songs(writer, songs, spec, lambda song: known.vector(song.sha256))
        marks.mark("catalogue and vectors")
        sizes = {path.name: path.stat().st_size / count for path in folder.rglob("*.*")}
    shards = [path.stat().st_size for path in (folder / "shards").rglob("*.parquet")]
    return {
        "songs": count,
        "marks": marks.rows,
        "shards": len(shards),
        "shard_bytes_per_song": sum(shards) / count,
        "catalogue_bytes_per_song": sizes["catalogue.sqlite"],
        "state_bytes_per_song": sizes[STATE_FILE],
    }


def _song(file: SongFile, facts: FileFacts) -> Song:
    name = f"{facts.artist} - {facts.title}"
    identity = song_id(file.key)
    return Song(identity, name, facts.artist, facts.title, file.key, facts.duration_s, facts.sha256)


@click.command()
@click.option("--songs", type=click.IntRange(min=1), default=1_000_000)
@click.option("--workers", type=click.IntRange(min=1), default=2)
@click.option("--to", type=click.Path(path_type=Path), default=Path("bench/cluster.json"))
def main(songs: int, workers: int, to: Path) -> None:
    """Write the figures as JSON."""
    with tempfile.TemporaryDirectory(prefix="vibe-bench-") as folder:
        found = json.dumps(through(songs, workers, Path(folder)), indent=1)
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(found + "\n")
    print(found)


if __name__ == "__main__":
    main()
