"""A run's memory does not grow with its songs: only what lies on disk does."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from embed.batch import Outcome
from embed.bundle import open_bundle
from embed.carried import carried_over
from embed.catalogue import songs_of
from embed.engine import Job
from embed.known import KnownEmbeddings
from embed.listing import Listing
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from embed.scan import SongFile
from embed.state import STATE_FILE, State
from embed.writer import BundleWriter
from tests.bench import stub_songs
from tests.bench.cluster import Marks, through

FEW, MANY = 2_000, 8_000


def in_process(songs: Iterable[SongFile], job: Job) -> Iterator[Outcome]:
    """An engine without workers: one song at a time, as they are asked for."""
    encoder = stub_songs.Encoder(job.model.path, job.model.info.front_end)
    for song in songs:
        prepared = stub_songs.prepare(song, job.work)
        assert prepared.log_mels is not None
        is_known = prepared.sha256 in job.work.known
        yield Outcome(song, prepared, None if is_known else encoder.embed(prepared.log_mels))


def first(songs: int, folder: Path) -> None:
    """A run that knows of nothing."""
    through(songs, 1, folder, in_process, Marks())


def again(songs: int, folder: Path) -> None:
    """What a run over the same songs asks before it ends with nothing to do, or adds some."""
    bundle, record = open_bundle(folder), folder / STATE_FILE
    assert bundle.manifest.spec is not None
    spec = bundle.manifest.spec.digest
    with (
        BundleWriter(folder) as writer,
        State(record) as state,
        closing(KnownEmbeddings.of(bundle, record, spec)) as known,
    ):
        state.forget_embeddings()
        listing = Listing(stub_songs.songs(songs), state, known, known.catalogue)
        assert (listing.done, [*listing.todo()], listing.removed()) == (songs, [], 0)
        assert listing.is_in_bundle()
        carried = carried_over(writer, bundle.file(CATALOGUE_FILE))
        assert np.array_equal(carried.new, np.arange(songs))
        assert np.array_equal(carried.old, carried.new)
        listing.committed()


def peak_bytes(run: Callable[[int, Path], None], songs: int, folder: Path) -> int:
    """What Python and NumPy held at most during ``run``."""
    folder.mkdir(exist_ok=True)
    tracemalloc.start()
    try:
        run(songs, folder)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def bytes_a_song(run: Callable[[int, Path], None], folder: Path) -> float:
    """By how much the peak grows for each song more."""
    peak_bytes(run, FEW, folder / "before")  # imports, caches
    few = peak_bytes(run, FEW, folder / "few")
    many = peak_bytes(run, MANY, folder / "many")
    return (many - few) / (MANY - FEW)


def test_more_songs_take_no_more_memory(tmp_path: Path) -> None:
    assert bytes_a_song(first, tmp_path) < 8
    songs = list(songs_of(tmp_path / "many" / CATALOGUE_FILE))
    assert {song.path for song in songs} == {song.key for song in stub_songs.songs(MANY)}
    vectors = np.load(tmp_path / "many" / VECTORS_FILE, mmap_mode="r")
    assert vectors.shape == (MANY, 512)
    for row in (0, 777, MANY - 1):
        assert np.array_equal(vectors[row], stub_songs.embedding(songs[row].path))
    # Two rows of each song that stays, 16 bytes, while they are gathered.
    assert bytes_a_song(again, tmp_path) < 48
