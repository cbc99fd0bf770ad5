"""The engine that is a Ray cluster: chunks go out, shards come into the store, outcomes back.

A shard is what counts. A machine that is lost takes along chunks that it has not written; they
are given out again. A run that is stopped finds, the next time, what it wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from embed.batch import Outcome
from embed.cluster.actor import Done, Task
from embed.cluster.chunks import SONGS, Chunk, chunks
from embed.cluster.pool import connected, run_chunks
from embed.cluster.shards import Embedded, Shards
from embed.encoder import Encoder
from embed.engine import Job
from embed.errors import VibeError
from embed.prepare import Prepared, Work, prepare
from embed.scan import SongFile
from embed.spec import FrontEnd
from embed.store.place import Place
from embed.store.versions import open_store
from embed.tags import Credit

_CHUNKS_AT_A_TIME: Final = 2_048
"""What the driver holds of the list of songs: a quarter of a million, 10 MB packed, and what Ray
holds for each task. 400 cores have work for nine minutes; then all actors begin again."""

_IDLE_ROUNDS: Final = 3
"""Rounds in which not one chunk came through, before it is said that none will."""


@dataclass(frozen=True, slots=True)
class RayEngine:
    """An Engine: songs are embedded on the cluster at ``address``, or by a Ray of its own.

    ``shards`` is the store that the shards lie in, of ``chunk_songs`` songs each on average.
    ``prepare`` and ``encoder`` are what a song goes through, by pickle.
    Raises StoreError when it fails, and VibeError when the cluster does.
    """

    shards: Place
    address: str | None = None
    chunk_songs: int = SONGS
    prepare: Callable[[SongFile, Work], Prepared] = prepare
    encoder: Callable[[Path, FrontEnd], Encoder] = Encoder

    def __call__(self, songs: Iterable[SongFile], job: Job) -> Iterator[Outcome]:
        """Each song's Outcome. ``songs`` come by key."""
        shards = Shards(open_store(self.shards).objects, job.spec.digest)
        there = set(shards.names())
        todo = chunks(songs, self.chunk_songs)
        with connected(self.address, job.workers) as cpus:
            model = job.model.path.read_bytes
            task = Task(self.shards, job.spec, job.work, cpus, model, self.prepare, self.encoder)
            while some := list(islice(todo, _CHUNKS_AT_A_TIME)):
                yield from embed_chunks(some, shards, there, partial(run_chunks, task=task))


def embed_chunks(
    todo: Iterable[Chunk],
    shards: Shards,
    there: set[str],
    run: Callable[[Sequence[Chunk]], Iterable[Done]],
) -> Iterator[Outcome]:
    """The outcomes of chunks: of those ``there`` in shards, then of those ``run`` brings there.

    ``run`` is asked again for what it leaves out. Raises VibeError when it leaves out all.
    """
    missing: dict[str, Chunk] = {}
    for chunk in todo:
        rows = shards.read(chunk.name) if chunk.name in there else []
        if rows and len(rows) == len(chunk.songs):
            yield from _outcomes(chunk, rows, Done(chunk.name, {}, {}))
        else:
            missing[chunk.name] = chunk
    idle = 0
    while missing:
        before = len(missing)
        for done in run(list(missing.values())):
            if done.error is not None:
                raise VibeError(done.error)
            if done.name in missing:
                chunk = missing.pop(done.name)
                yield from _outcomes(chunk, shards.read(done.name), done)
        idle = idle + 1 if len(missing) == before else 0
        if idle == _IDLE_ROUNDS:
            raise VibeError(
                f"{len(missing)} chunks of songs (the first holds {_first(missing)}) came back "
                f"from no machine, {idle} times; what is embedded is kept"
            )


def _first(missing: dict[str, Chunk]) -> str:
    return next(iter(missing.values())).songs[0].key


def _outcomes(chunk: Chunk, rows: Iterable[Embedded], done: Done) -> Iterator[Outcome]:
    """A chunk's songs as its shard has them, or as they failed."""
    found = {row.key: row for row in rows}
    seconds = dict(done.seconds)  # of the whole chunk: the first of its songs has them all
    for song in chunk.songs:
        row = found.get(song.key)
        if row is None:
            reason = done.failures.get(song.key)
            if reason is None:
                raise VibeError(f"shard {chunk.name}: {song.key} is not in it; run again")
            yield Outcome(song, reason=reason)
            continue
        facts, encode_s = row.facts, seconds.pop("encode", 0.0)
        credit = Credit(facts.artist, facts.title)
        prepared = Prepared(facts.sha256, credit, facts.duration_s, None, seconds)
        yield Outcome(song, prepared, row.embedding, encode_s=encode_s)
        seconds = {}
