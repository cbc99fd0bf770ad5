"""Embeddings already made for a spec: those in the bundle, and those of a run cut short."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from embed.bundle import Bundle
from embed.catalogue import Catalogue, Song
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from embed.scan import SongFile
from embed.state import FileFacts, State


class KnownEmbeddings:
    """Embeddings by content digest (SHA-256 of the song's file).

    ``bundle`` may be None, or of another spec: then only what ``state`` recorded counts.
    Raises BundleError when the bundle's files are damaged.
    """

    def __init__(self, bundle: Bundle | None, state: State, spec_digest: str) -> None:
        self._state = state
        self._spec_digest = spec_digest
        self._songs: list[Song] = []
        self._rows: dict[str, int] = {}
        self._vectors = np.zeros((0, 0), dtype=np.float32)
        if bundle is not None and bundle.manifest.spec is not None:
            catalogue = Catalogue(bundle.file(CATALOGUE_FILE))
            self._songs = list(catalogue.songs())
            catalogue.close()
        self._is_same_spec = (
            bundle is not None
            and bundle.manifest.spec is not None
            and bundle.manifest.spec.digest == spec_digest
        )
        if bundle is not None and self._is_same_spec:
            self._vectors = np.load(bundle.file(VECTORS_FILE), mmap_mode="r")
            self._rows = {song.sha256: row for row, song in enumerate(self._songs)}
        self._recorded = state.embedded(spec_digest)

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._rows or sha256 in self._recorded

    def digests(self) -> Iterable[str]:
        """Every content digest with an embedding."""
        return self._rows.keys() | self._recorded.keys()

    def duration_s(self, sha256: str) -> float:
        """The song's length, as measured when it was embedded."""
        if sha256 in self._recorded:
            return self._recorded[sha256]
        return self._songs[self._rows[sha256]].duration_s

    def vector(self, sha256: str) -> NDArray[np.float32]:
        """The embedding, float32 ``(512,)``. Raises KeyError when there is none."""
        if sha256 in self._rows:
            row: NDArray[np.float32] = self._vectors[self._rows[sha256]]
            return row
        return self._state.embedding(sha256, self._spec_digest)

    def record(
        self, song: SongFile, facts: FileFacts, embedding: NDArray[np.float32] | None
    ) -> None:
        """Keep what a song was found to hold and, when it is new, its embedding."""
        if embedding is None:
            self._state.record(song, facts)
            return
        self._state.record(song, facts, (self._spec_digest, embedding))
        self._recorded[facts.sha256] = facts.duration_s

    def paths(self) -> set[str]:
        """Paths of the songs in the bundle, whatever its spec."""
        return {song.path for song in self._songs}

    def holds_exactly(self, songs: Iterable[Song]) -> bool:
        """Whether the bundle already holds just these songs, at this spec."""
        return self._is_same_spec and {song.id: song for song in songs} == {
            song.id: song for song in self._songs
        }
