"""What runs on the machines of the cluster: an actor that turns chunks into shards.

Long-lived: its model is loaded, and its decoders' processes are started, once. All stages of a
song run on one machine, since its log-mels (1.3 MB for five windows) are six hundred times as
many bytes as the embedding they end as.
"""

from __future__ import annotations

import pickle
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from embed.batch import Batch, Outcome
from embed.cluster.chunks import Chunk
from embed.cluster.shards import Embedded, Shards
from embed.crew import Crew
from embed.encoder import Encoder
from embed.errors import VibeError
from embed.prepare import Prepared, Work, prepare
from embed.scan import SongFile
from embed.spec import FrontEnd, Spec
from embed.state import FileFacts
from embed.store.place import Place
from embed.store.versions import open_store


@dataclass(frozen=True, slots=True)
class Task:
    """What an actor has to know; it travels by pickle.

    ``shards`` is the store that they go to, ``model`` gives the bytes of the audio tower.
    ``prepare`` and ``encoder`` are what a song goes through.
    """

    shards: Place
    spec: Spec
    work: Work
    workers: int
    model: Callable[[], bytes]
    prepare: Callable[[SongFile, Work], Prepared] = prepare
    encoder: Callable[[Path, FrontEnd], Encoder] = Encoder


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a chunk: why songs of it failed, and seconds of work by stage.

    ``error`` says why there is no shard: the store, or the model, is at fault.
    """

    name: str
    failures: Mapping[str, str]
    seconds: Mapping[str, float]
    error: str | None = None


class Embedder:
    """Call it with the row of a chunk to get the row of what became of it (Ray Data's terms)."""

    def __init__(self, task: Task) -> None:
        # Or each decoder's process would load Ray's main program: 84 MB at rest, not 38.
        vars(sys.modules["__main__"]).pop("__file__", None)
        self._folder = tempfile.TemporaryDirectory(prefix="vibe-embed-")
        self._error: str | None = None
        try:
            self._begin(task)
        except Exception as error:  # noqa: BLE001 - what __init__ raises, Ray tries again and again
            self._error = _told(error)

    def _begin(self, task: Task) -> None:
        path = Path(self._folder.name) / "audio.onnx"
        path.write_bytes(task.model())
        # A shard stands for itself: whatever is known elsewhere may be gone tomorrow.
        work = replace(task.work, known=frozenset())
        encoder = task.encoder(path, work.front_end)
        self._crew = Crew(work, encoder, task.workers, task.prepare)
        self._shards = Shards(open_store(task.shards).objects, task.spec.digest)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """``chunk_row`` in, ``done_of``'s row out."""
        chunk: Chunk = pickle.loads(row["chunk"])  # noqa: S301 - by Ray, from our own process
        try:
            done = self._embed(chunk)
        except Exception as error:  # noqa: BLE001 - Ray drops the chunk then, and the reason too
            done = Done(chunk.name, {}, {}, _told(error))
        return {"done": pickle.dumps(done)}

    def _embed(self, chunk: Chunk) -> Done:
        if self._error is not None:
            raise VibeError(self._error)
        # Another machine may have written it just before it was lost.
        rows = {row.key: row for row in self._shards.read(chunk.name)}
        todo = [song for song in chunk.songs if song.key not in rows]
        failures: dict[str, str] = {}
        seconds: Counter[str] = Counter()
        by_content = {row.facts.sha256: row.embedding for row in rows.values()}
        here = Path(self._folder.name)
        for outcome in Batch([song.fetched_to(here) for song in todo], self._crew):
            if outcome.reason is not None:
                failures[outcome.song.key] = outcome.reason
                continue
            assert outcome.prepared is not None
            if outcome.embedding is not None:
                by_content[outcome.prepared.sha256] = outcome.embedding
            seconds.update({**outcome.prepared.seconds, "encode": outcome.encode_s})
            embedding = by_content[outcome.prepared.sha256]
            rows[outcome.song.key] = _row(outcome, embedding)
        if todo:
            self._shards.write(chunk.name, rows.values())
        return Done(chunk.name, failures, seconds)


def chunk_row(chunk: Chunk) -> dict[str, Any]:
    """A chunk as Ray Data carries it."""
    return {"chunk": pickle.dumps(chunk)}


def done_of(row: Mapping[str, Any]) -> Done:
    """What an Embedder answered."""
    done: Done = pickle.loads(row["done"])  # noqa: S301 - by Ray, from our own process
    return done


def _told(error: Exception) -> str:
    """The store's, the model's, a full disk's, or what nobody foresaw: then with its kind."""
    if isinstance(error, VibeError | OSError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _row(outcome: Outcome, embedding: Any) -> Embedded:  # noqa: ANN401
    song, prepared = outcome.song, outcome.prepared
    assert prepared is not None
    assert prepared.duration_s is not None
    credit = prepared.credit
    facts = FileFacts(prepared.sha256, credit.artist, credit.title, prepared.duration_s)
    return Embedded(song.key, song.bytes, song.mtime_ns, facts, embedding)
