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
    about = _about(bundle.file(ABOUT_FILE))
    place = bundle.root / ABOUT_FILE
    vectors = bundle.manifest.files[VECTORS_FILE].sha256
    if about.vectors_sha256 != vectors:
        raise BundleError(
            f"{place}: the index is of vectors {about.vectors_sha256}, the bundle's are {vectors}"
        )
    rows = _rows(bundle.file(ROWS_FILE), about, bundle.manifest.songs)
    # Verified, since a byte that is wrong in a graph may lead anywhere in memory.
    return IndexFiles(bundle.file(GRAPH_FILE), rows, about)


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
