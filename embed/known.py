"""Embeddings already made for a spec: those in the bundle, and those of a run cut short."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from embed.bundle import Bundle
from embed.database import read_only
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from embed.state import record_errors
from embed.vectorfile import VectorFile

_RECORDED: Final = "SELECT duration_s FROM main.embeddings WHERE sha256 = ? AND spec = ?"
_EMBEDDING: Final = "SELECT embedding FROM main.embeddings WHERE sha256 = ? AND spec = ?"
# Copies of a song have one embedding; SQLite takes the other column from the same row.
_IN_BUNDLE: Final = "SELECT duration_s, MAX(row) FROM bundle.songs WHERE sha256 = ?"


class KnownEmbeddings:
    """Embeddings by content digest (SHA-256 of the song's file).

    Those in the ``record`` of a run, from the moment that it has them, and those of the
    ``catalogue`` and its ``vectors``, which are of the same spec, or None. It reads both where
    they lie, and travels by pickle to processes that ask for themselves. Every method raises
    BundleError when the files are damaged.
    """

    def __init__(
        self,
        record: Path,
        spec_digest: str,
        catalogue: Path | None = None,
        vectors: Path | None = None,
    ) -> None:
        self.spec_digest = spec_digest
        self.catalogue = catalogue
        self._record = record
        self._vectors = vectors
        self._open = ExitStack()

    @classmethod
    def of(cls, bundle: Bundle | None, record: Path, spec_digest: str) -> Self:
        """``bundle`` may be None, or of another spec: then only what is recorded counts."""
        spec = None if bundle is None else bundle.manifest.spec
        if bundle is None or spec is None or spec.digest != spec_digest:
            return cls(record, spec_digest)
        return cls(record, spec_digest, bundle.file(CATALOGUE_FILE), bundle.file(VECTORS_FILE))

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        return type(self), (self._record, self.spec_digest, self.catalogue, self._vectors)

    def __contains__(self, sha256: object) -> bool:
        return self._duration_s(sha256) is not None

    def duration_s(self, sha256: str) -> float:
        """The song's length, as measured when it was embedded. Raises KeyError."""
        found = self._duration_s(sha256)
        if found is None:
            raise KeyError(sha256)
        return found

    def vector(self, sha256: str) -> NDArray[np.float32]:
        """The embedding, float32 ``(512,)``. Raises KeyError when there is none."""
        if self.catalogue is not None:
            _, row = self._one(_IN_BUNDLE, sha256)
            if row is not None:
                [vector] = self._vector_file.between(row, row + 1)
                return np.asarray(vector, np.float32)
        found = self._one(_EMBEDDING, sha256, self.spec_digest)
        if found is None:
            raise KeyError(sha256)
        return np.frombuffer(found[0], dtype="<f4").astype(np.float32)

    def close(self) -> None:
        """Close the files, if any was opened."""
        self._open.close()

    def _duration_s(self, sha256: object) -> float | None:
        found = self._one(_RECORDED, sha256, self.spec_digest)
        if found is None and self.catalogue is not None:
            found = self._one(_IN_BUNDLE, sha256)
        return None if found is None else found[0]

    def _one(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - a row, or None
        with record_errors(self._record):
            return self._database.execute(sql, values).fetchone()

    @cached_property
    def _database(self) -> sqlite3.Connection:
        uri = f"{self._record.resolve().as_uri()}?mode=ro"
        database = sqlite3.connect(uri, uri=True, isolation_level=None)
        self._open.callback(database.close)
        if self.catalogue is not None:
            database.execute("ATTACH ? AS bundle", (read_only(self.catalogue),))
        return database

    @cached_property
    def _vector_file(self) -> VectorFile:
        assert self._vectors is not None
        file = VectorFile(self._vectors)
        self._open.callback(file.close)
        return file
