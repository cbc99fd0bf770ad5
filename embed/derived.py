"""What is made of a bundle's songs and goes with them: the map, and of many songs an index."""

from __future__ import annotations

from embed.approximate import APPROXIMATE_FROM
from embed.bundle import open_bundle
from embed.carried import carried_over
from embed.indexing import missing_index, stage_index
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from embed.songmap import missing_map, stage_map
from embed.writer import BundleWriter


def stage_derived(writer: BundleWriter, approximate_from: int = APPROXIMATE_FROM) -> None:
    """Stage what is made of the songs that are staged, from the bundle's own where it can be.

    Raises BundleError when the files are damaged.
    """
    catalogue, vectors = writer.stage(CATALOGUE_FILE), writer.stage(VECTORS_FILE)
    carried = carried_over(writer, catalogue)
    stage_map(writer, vectors, carried)
    stage_index(writer, vectors, carried, approximate_from)


def lacks_derived(writer: BundleWriter, approximate_from: int = APPROXIMATE_FROM) -> bool:
    """Whether the bundle holds songs, but not all that is made of them."""
    return missing_map(writer) or missing_index(writer, approximate_from)


def stage_missing(writer: BundleWriter, approximate_from: int = APPROXIMATE_FROM) -> None:
    """Stage what the bundle lacks of that, of the songs that are in it. Raises BundleError."""
    if not lacks_derived(writer, approximate_from):
        return
    bundle = open_bundle(writer.root)
    catalogue, vectors = bundle.file(CATALOGUE_FILE), bundle.file(VECTORS_FILE)
    carried = carried_over(writer, catalogue)
    if missing_map(writer):
        stage_map(writer, vectors, carried)
    if missing_index(writer, approximate_from):
        stage_index(writer, vectors, carried, approximate_from)
