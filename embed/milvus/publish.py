"""Loads a catalogue into Milvus: killed at any moment, it goes on where it was.

The collection is named by the bundle's version, so whatever it holds came of the same bytes; a
row that is missing or there twice is put right, and only then is the collection sealed and the
alias moved (see ``embed.milvus.versions``).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from embed.bundle import Bundle
from embed.errors import BundleError, EngineError
from embed.index import Vectors
from embed.manifest import VECTORS_FILE
from embed.milvus.client import Milvus
from embed.milvus.versions import Versions
from embed.progress import Transfer, transfer
from embed.spec import EMBEDDING_SIZE

KEEP: Final = 3
"""Versions that stay: the current one, and two to go back to."""

BLOCK: Final = 2_000
"""Rows that are written at a time: 4 MB, of which it takes up to 64."""

_PASSES: Final = 3
_SETTLED_LOOKS: Final = 3

_SMALL: Final = 1_024
"""Rows of a part from which it gets an index (Milvus' minSegmentNumRowsToEnableIndex)."""

_SURE_LOOKS: Final = 150
"""Of so many rows and more, all may be small parts'. But the server says "Finished" before it has
begun, too: once a minute it looks for parts without their index (seen: 50 s after the flush)."""

_STUCK_S: Final = 3_600.0
"""The largest part, half a million rows, takes one core some ten minutes."""


class Done(NamedTuple):
    """What a publication did: rows written, the current version before, those dropped."""

    version: str
    before: str | None
    written: int
    dropped: list[str]


def publish(milvus: Milvus, bundle: Bundle, keep: int = KEEP, pause_s: float = 1.0) -> Done:
    """Load ``bundle``'s embeddings, make them current, and drop versions past ``keep``.

    Raises BundleError when it holds no songs, EngineError; then what was current still is.
    """
    if bundle.manifest.spec is None:
        raise BundleError(f"{bundle.root}: holds no songs, add some with python -m embed")
    vectors = _vectors(bundle.file(VECTORS_FILE), bundle.manifest.songs)
    version, versions = bundle.manifest.version, Versions(milvus)
    collection = versions.collection(version)
    _make_room(milvus, versions, version)
    if not versions.has_collection(version):
        milvus.create(collection)
    milvus.build(collection)
    written = 0
    if versions.one(version).number is None:
        written = _fill(milvus, collection, vectors)
        milvus.flush(collection)
        _wait_for_index(milvus, collection, pause_s)
    found = milvus.count(collection)
    if found != len(vectors):
        raise EngineError(
            f"{milvus}: {collection} holds {found} rows, expected {len(vectors)}; run it again"
        )
    versions.seal(version)
    before = versions.switch(version)
    return Done(version, before, written, _tidy(versions, keep))


def roll_back(milvus: Milvus, part: str) -> tuple[str | None, str]:
    """Make the version that begins with ``part`` current. Returns the one before, and it."""
    versions = Versions(milvus)
    version = versions.meant(part).version
    milvus.build(versions.collection(version))  # into memory, if it was not
    return versions.switch(version), version


def _vectors(path: Path, songs: int) -> Vectors:
    """The embeddings of a verified file, mapped."""
    vectors: Vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    if vectors.shape != (songs, EMBEDDING_SIZE) or vectors.dtype != np.float32:
        raise BundleError(
            f"{path}: {vectors.dtype} {vectors.shape}, expected float32 ({songs}, {EMBEDDING_SIZE})"
        )
    return vectors


def _fill(milvus: Milvus, collection: str, vectors: Vectors) -> int:
    """Write what is missing, and once that what is there twice. Returns how many rows it was."""
    written = 0
    for _ in range(_PASSES):
        is_new = milvus.count(collection) == 0
        with transfer(vectors.nbytes) as progress:
            more, is_sure = _pass(milvus, collection, vectors, is_new, progress)
        written += more
        if is_sure:
            break
    return written


def _pass(
    milvus: Milvus, collection: str, vectors: Vectors, is_new: bool, progress: Transfer
) -> tuple[int, bool]:
    """Go once over all rows. Returns how many were written, and whether each write went well."""
    written, is_sure = 0, True
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        # A killed publisher leaves rows out. One that was answered late, or not, and tried again
        # leaves some twice. Together they may be just as many as there should be.
        different, all_ = (0, 0) if is_new else milvus.held(collection, start, start + len(block))
        if not different == all_ == len(block):
            try:
                milvus.write(collection, start, block, all_ == 0)
            except EngineError:
                milvus.write(collection, start, block, is_new=False)
                is_sure = False
            written += len(block)
        progress.advance(block.nbytes)
    return written, is_sure


def _wait_for_index(
    milvus: Milvus, collection: str, pause_s: float, stuck_s: float = _STUCK_S
) -> None:
    """Until every part has its index that gets one. Raises EngineError when none comes."""
    looks, last, moved = 0, -1, time.monotonic()
    while looks < (_SETTLED_LOOKS if last < _SMALL else _SURE_LOOKS):
        pending, is_at_work = milvus.unindexed(collection)
        if pending == 0 and not is_at_work:
            return
        if pending != last:
            moved = time.monotonic()
        elif time.monotonic() - moved > stuck_s:
            raise EngineError(
                f"{milvus}: {collection}: {pending} rows without an index, and none more for "
                f"{stuck_s:.0f} s; look at the server, then run it again"
            )
        # Small parts stay without, so it need not become 0.
        looks = looks + 1 if pending == last and not is_at_work else 0
        last = pending
        time.sleep(pause_s)


def _make_room(milvus: Milvus, versions: Versions, version: str) -> None:
    """Take from memory what is neither current nor to be: two versions have to fit, not three."""
    for one in versions.all():
        if not one.is_current and one.version != version:
            milvus.release(versions.collection(one.version))


def _tidy(versions: Versions, keep: int) -> list[str]:
    """Drop what is past ``keep``; what is current stays. Returns the versions that went."""
    everyone = versions.all()
    newest = [one.version for one in everyone if one.number is not None][:keep]
    dropped = [one.version for one in everyone if not one.is_current and one.version not in newest]
    for version in dropped:
        versions.drop(version)
    return dropped
