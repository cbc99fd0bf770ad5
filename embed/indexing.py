"""Making the approximate index of a bundle's songs, or bringing it up to date.

Songs that are new get the next slots, songs that have left leave theirs empty, and only when
these are more than a fifth is the graph built anew. One thread adds them, in an order of its
own, so that equal bundles that were changed alike have equal indexes.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np

from embed.approximate import APPROXIMATE_FROM
from embed.bundle import open_bundle, sha256_file
from embed.carried import Carried
from embed.errors import BundleError
from embed.hnsw import CONNECTIVITY, EXPANSION_ADD, Graph, shuffled
from embed.indexfile import (
    ABOUT_FILE,
    GONE,
    GRAPH_FILE,
    ROWS_FILE,
    SlotRows,
    has_index,
    read_index_files,
    write_about,
)
from embed.vectorfile import VectorFile
from embed.writer import BundleWriter

GONE_SHARE: Final = 0.2
"""Of all slots, how many may be of songs that have left before the graph is built anew."""


def stage_index(
    writer: BundleWriter,
    vectors: Path,
    carried: Carried,
    approximate_from: int = APPROXIMATE_FROM,
) -> None:
    """Stage the index of the embeddings in ``vectors``, from so many songs on; below, none.

    Of the songs ``carried`` over the bundle's own index is kept, if it has one that can be
    read. Raises BundleError when ``vectors`` is damaged.
    """
    if carried.songs < approximate_from:
        return
    graph, slot_rows = _previous(writer, carried) or (Graph.empty(), np.zeros(0, np.int32))
    slot_rows = grow(graph, slot_rows, vectors)
    graph.save(writer.stage(GRAPH_FILE))
    write_about(writer.stage(ROWS_FILE), writer.stage(ABOUT_FILE), slot_rows, sha256_file(vectors))


def grow(graph: Graph, slot_rows: SlotRows, path: Path, *, on_all_cores: bool = False) -> SlotRows:
    """Add those embeddings of ``path`` to ``graph`` that are in none of its slots; returns the
    row of every slot. Raises BundleError when the file is damaged."""
    with closing(VectorFile(path)) as file:
        new = np.setdiff1d(np.arange(len(file)), slot_rows)
        added = [slot_rows]
        for places in shuffled(len(new)):
            rows = new[places]
            found = file.at(rows)
            file.check_lengths(found, rows)
            graph.add(found, on_all_cores=on_all_cores)
            added.append(rows.astype(np.int32))
    return np.concatenate(added)


def missing_index(writer: BundleWriter, approximate_from: int = APPROXIMATE_FROM) -> bool:
    """Whether the bundle holds so many songs, but no index of them, or a damaged one."""
    previous = writer.previous
    if previous is None or previous.spec is None or previous.songs < approximate_from:
        return False
    try:
        read_index_files(open_bundle(writer.root))
    except BundleError:
        return True
    return False


def _previous(writer: BundleWriter, carried: Carried) -> tuple[Graph, SlotRows] | None:
    """The bundle's graph, to be added to, and the new row of each of its slots.

    None when there is none, or none that can be read, or too many of its songs have left.
    """
    if writer.previous is None or not len(carried.new):
        return None
    bundle = open_bundle(writer.root)
    if not has_index(bundle):
        return None
    try:
        files = read_index_files(bundle)
        if (files.about.connectivity, files.about.expansion_add) != (CONNECTIVITY, EXPANSION_ADD):
            return None
        new_rows = np.full(bundle.manifest.songs + 1, GONE, np.int32)  # the last for GONE itself
        new_rows[carried.old] = carried.new
        slot_rows: SlotRows = new_rows[files.rows]
        # Of what there will be: so many slots are left, and so many songs come.
        slots = len(slot_rows) + carried.songs - len(carried.new)
        if (slot_rows == GONE).sum() > GONE_SHARE * slots:
            return None
        return Graph.open(files.graph, files.about.slots, to_change=True), slot_rows
    except BundleError:
        return None  # it is made of what is at hand: nothing is lost but the time
