"""Songs and their embeddings → the catalogue files of a bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from embed.catalogue import Song, write_catalogue
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from embed.spec import EMBEDDING_SIZE, Spec
from embed.writer import BundleWriter


def stage_songs(
    writer: BundleWriter,
    songs: Sequence[Song],
    spec: Spec,
    vector: Callable[[Song], NDArray[np.float32]],
) -> None:
    """Stage ``catalogue.sqlite`` and ``vectors.npy``; row i of one is row i of the other.

    ``vector`` gives a song's unit embedding, float32 ``(512,)``. Rows are written through a
    memory map, so that the whole matrix need not fit into memory.
    """
    rows = write_catalogue(writer.stage(CATALOGUE_FILE), songs, spec.digest)
    vectors = np.lib.format.open_memmap(
        writer.stage(VECTORS_FILE), "w+", np.dtype("<f4"), (len(songs), EMBEDDING_SIZE)
    )
    for song, row in zip(songs, rows, strict=True):
        vectors[row] = vector(song)
    vectors.flush()
