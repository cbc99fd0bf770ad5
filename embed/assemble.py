"""Songs and their embeddings → the catalogue files of a bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from embed.catalogue import Song, songs_of, write_catalogue
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from embed.spec import EMBEDDING_SIZE, Spec
from embed.writer import BundleWriter


def stage_songs(
    writer: BundleWriter,
    songs: Iterable[Song],
    spec: Spec,
    vector: Callable[[Song], NDArray[np.float32]],
) -> None:
    """Stage ``catalogue.sqlite`` and ``vectors.npy``; row i of one is row i of the other.

    ``vector`` gives a song's unit embedding, float32 ``(512,)``. Rows are written one by one,
    so that neither songs nor embeddings need fit into memory; not through a memory map, where
    a full disk is no error but the end of the process.
    """
    catalogue = writer.stage(CATALOGUE_FILE)
    shape = (write_catalogue(catalogue, songs, spec.digest), EMBEDDING_SIZE)
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with writer.stage(VECTORS_FILE).open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for song in songs_of(catalogue):
            file.write(vector(song).astype("<f4").reshape(EMBEDDING_SIZE).tobytes())
