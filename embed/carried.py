"""Which songs a new catalogue shares with that of the bundle it will replace."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed.bundle import open_bundle
from embed.catalogue import Catalogue
from embed.manifest import CATALOGUE_FILE
from embed.writer import BundleWriter

Rows = NDArray[np.int64]


class Carried(NamedTuple):
    """Songs that stay: rows in the new catalogue, ascending, and in the old one, int64 each.

    ``songs`` is how many the new one holds.
    """

    new: Rows
    old: Rows
    songs: int


def carried_over(writer: BundleWriter, catalogue: Path) -> Carried:
    """The songs of ``catalogue`` whose embeddings the writer's bundle holds already.

    None where the spec is another. Raises BundleError when a catalogue is damaged.
    """
    keys, spec = _keys(catalogue)
    nothing = Carried(np.zeros(0, np.int64), np.zeros(0, np.int64), len(keys))
    if writer.previous is None or writer.previous.spec is None:
        return nothing
    old_keys, old_spec = _keys(open_bundle(writer.root).file(CATALOGUE_FILE))
    if old_spec != spec:
        return nothing
    places = {key: row for row, key in enumerate(old_keys)}
    pairs = [(row, places[key]) for row, key in enumerate(keys) if key in places]
    new, old = np.array(pairs, np.int64).reshape(-1, 2).T
    return Carried(new, old, len(keys))


def _keys(catalogue: Path) -> tuple[list[str], str | None]:
    """What tells each song, by row, and their spec: its content, where that is known.

    Copies are numbered, so that no two rows share a key.
    """
    with closing(Catalogue(catalogue)) as songs:
        contents = [song.sha256 or song.id for song in songs.songs()]
        spec = songs.spec_digest
    seen: dict[str, int] = {}
    keys = []
    for content in contents:
        number = seen[content] = seen.get(content, 0) + 1
        keys.append(content if number == 1 else f"{content}/{number}")
    return keys, spec
