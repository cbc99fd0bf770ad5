"""A chunk's embeddings as one Parquet object in the store, written at once or not at all.

``shards/<spec digest>/<chunk name>.parquet``: one row a song that could be embedded. The same
songs give the same bytes, so two machines that did the same chunk agree.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from embed.errors import StoreError
from embed.manifest import FileInfo
from embed.scan import SongFile
from embed.spec import EMBEDDING_SIZE
from embed.state import FileFacts
from embed.store.objects import Objects

FOLDER: Final = "shards"
_SUFFIX: Final = ".parquet"

_SCHEMA: Final = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("artist", pa.string()),
        pa.field("title", pa.string(), nullable=False),
        pa.field("duration_s", pa.float64(), nullable=False),
        pa.field("embedding", pa.list_(pa.float32(), EMBEDDING_SIZE), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A row of a shard: a song as it was listed, what it holds, its unit embedding ``(512,)``."""

    key: str
    bytes: int
    mtime_ns: int
    facts: FileFacts
    embedding: NDArray[np.float32]

    def is_of(self, song: SongFile) -> bool:
        """Whether it is this very file."""
        return (self.key, self.bytes, self.mtime_ns) == (song.key, song.bytes, song.mtime_ns)


class Shards:
    """The shards of one spec. Every method raises StoreError."""

    def __init__(self, objects: Objects, spec_digest: str) -> None:
        self._objects = objects
        self._folder = f"{FOLDER}/{spec_digest}/"

    def names(self) -> Iterator[str]:
        """The chunks that have a shard."""
        for found in self._objects.list(self._folder):
            if found.key.endswith(_SUFFIX):
                yield found.key.removeprefix(self._folder).removesuffix(_SUFFIX)

    def has(self, name: str) -> bool:
        """Whether the chunk ``name`` has a shard."""
        return self._objects.size(self._key(name)) is not None

    def write(self, name: str, rows: Iterable[Embedded]) -> None:
        """Write the chunk's shard, in order of the keys; over the one that is there, if any."""
        data = _to_parquet(sorted(rows, key=lambda row: row.key))
        info = FileInfo(len(data), hashlib.sha256(data).hexdigest())
        self._objects.put(self._key(name), io.BytesIO(data), info, lambda _: None)

    def read(self, name: str) -> list[Embedded]:
        """The rows of the chunk's shard; none when there is no shard."""
        found = self._objects.read(self._key(name))
        if found is None:
            return []
        try:
            return _from_parquet(found[0])
        except (pa.ArrowException, OSError, ValueError) as error:
            place = f"{self._objects.place}/{self._key(name)}"
            line = " ".join(str(error).split())
            raise StoreError(f"{place}: damaged, delete it to embed anew: {line}") from error

    def _key(self, name: str) -> str:
        return f"{self._folder}{name}{_SUFFIX}"


def _to_parquet(rows: Sequence[Embedded]) -> bytes:
    columns = {
        "key": [row.key for row in rows],
        "bytes": [row.bytes for row in rows],
        "mtime_ns": [row.mtime_ns for row in rows],
        "sha256": [row.facts.sha256 for row in rows],
        "artist": [row.facts.artist for row in rows],
        "title": [row.facts.title for row in rows],
        "duration_s": [row.facts.duration_s for row in rows],
        "embedding": [row.embedding for row in rows],
    }
    file = io.BytesIO()
    # Embeddings are noise to compressors and dictionaries; names are not.
    names = ["key", "artist", "title"]
    table = pa.Table.from_pydict(columns, schema=_SCHEMA)
    parquet.write_table(table, file, compression={"key": "zstd"}, use_dictionary=names)
    return file.getvalue()


def _from_parquet(data: bytes) -> list[Embedded]:
    table = parquet.read_table(io.BytesIO(data))
    if not table.schema.equals(_SCHEMA):
        raise ValueError(f"columns {table.schema.names}, expected {_SCHEMA.names}")
    vectors = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors = vectors.reshape(len(table), EMBEDDING_SIZE)
    facts = table.drop_columns(["embedding"]).to_pylist()
    return [
        Embedded(
            row["key"],
            row["bytes"],
            row["mtime_ns"],
            FileFacts(row["sha256"], row["artist"], row["title"], row["duration_s"]),
            vector,
        )
        for row, vector in zip(facts, vectors, strict=True)
    ]
