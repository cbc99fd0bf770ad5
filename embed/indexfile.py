"""The approximate index of a bundle, on disk: a graph, whose song each node is, and of what.

    index.usearch    the graph, in USearch's format; its nodes are called slots
    index.rows.npy   int32 (slots,): the row of the song in each slot, -1 for one that has left
    index.json       the parameters, and the SHA-256 of the vectors.npy that it belongs to

A song keeps its slot while rows, which are in name order, are numbered anew.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed.bundle import Bundle
from embed.errors import BundleError
from embed.hnsw import CONNECTIVITY, EXPANSION_ADD
from embed.manifest import VECTORS_FILE

GRAPH_FILE: Final = "index.usearch"
ROWS_FILE: Final = "index.rows.npy"
ABOUT_FILE: Final = "index.json"

FORMAT: Final = 1

GONE: Final = -1

SlotRows = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class About:
    """What ``index.json`` says. ``gone`` of the ``slots`` hold songs that have left."""

    vectors_sha256: str
    slots: int
    gone: int
    connectivity: int
    expansion_add: int
    format: int = FORMAT

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return json.dumps(asdict(self), indent=2, sort_keys=True).encode() + b"\n"


class IndexFiles(NamedTuple):
    """The files of one bundle's index, checked but for what only the graph's reader sees."""

    graph: Path
    rows: SlotRows
    about: About


def has_index(bundle: Bundle) -> bool:
    """Whether the bundle holds an approximate index."""
    return GRAPH_FILE in bundle.manifest.files


def read_index_files(bundle: Bundle) -> IndexFiles:
    """The bundle's index, every byte as the manifest says. Raises BundleError when it is torn,
    or belongs to other vectors."""
    # Verified, since a byte that is wrong in a graph may lead anywhere in memory.
    graph, rows, about = (bundle.file(name) for name in (GRAPH_FILE, ROWS_FILE, ABOUT_FILE))
    files = open_index_files(graph, rows, about, bundle.manifest.songs)
    vectors = bundle.manifest.files[VECTORS_FILE].sha256
    if files.about.vectors_sha256 != vectors:
        raise BundleError(
            f"{about}: the index is of vectors {files.about.vectors_sha256}, "
            f"the bundle's are {vectors}"
        )
    return files


def open_index_files(graph: Path, rows: Path, about: Path, songs: int) -> IndexFiles:
    """The index of so many songs in these files. Raises BundleError when it is none."""
    facts = _about(about)
    return IndexFiles(graph, _rows(rows, facts, songs), facts)


def write_about(rows: Path, about: Path, slot_rows: SlotRows, vectors_sha256: str) -> None:
    """Write what belongs to a graph beside it."""
    with rows.open("wb") as file:
        np.save(file, slot_rows, allow_pickle=False)
    gone = int((slot_rows == GONE).sum())
    facts = About(vectors_sha256, len(slot_rows), gone, CONNECTIVITY, EXPANSION_ADD)
    about.write_bytes(facts.to_bytes())


def _about(path: Path) -> About:
    try:
        value = json.loads(path.read_bytes())
        if value["format"] != FORMAT:
            raise BundleError(f"{path}: format {value['format']!r}, this program reads {FORMAT}")
        return About(**value)
    except (ValueError, TypeError, KeyError) as error:
        raise BundleError(f"{path}: not an index's description: {error!r}") from error


def _rows(path: Path, about: About, songs: int) -> SlotRows:
    """Raises BundleError unless every song has one slot."""
    try:
        rows: SlotRows = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BundleError(f"{path}: not an array: {error}") from error
    if rows.dtype != np.int32 or rows.shape != (about.slots,):
        raise BundleError(f"{path}: {rows.dtype} {rows.shape}, expected int32 ({about.slots},)")
    present = rows[rows != GONE]
    is_whole = len(present) == songs == about.slots - about.gone
    if not is_whole or not np.array_equal(np.sort(present), np.arange(songs)):
        raise BundleError(
            f"{path}: {len(present)} slots of songs, expected one for each of {songs}"
        )
    return rows
