"""Checkpoint → bundle: load, convert, verify, and only then commit."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from embed.bundle import sha256_file
from embed.errors import BundleError, ModelError
from embed.manifest import MODEL_FILE, Manifest, ModelInfo
from embed.spec import Spec
from embed.writer import BundleWriter
from export.checkpoint import Checkpoint, load_checkpoint
from export.convert import Precision, convert
from export.reference import reference
from export.verify import Verification, verify

Say = Callable[[str], None]


def ship(
    source: str,
    revision: str | None,
    to: Path,
    precision: Precision,
    verify_with: Path | None,
    say: Say,
) -> Manifest:
    """Convert the checkpoint ``source`` and put it into the bundle ``to``.

    The bundle changes in one step at the end; whatever fails before leaves it as it was.
    ``say`` is told in a line each what goes on. Raises VibeError, OSError on a full disk.
    """
    _check_destination(to)
    checkpoint = load_checkpoint(source, revision)
    say(f"read {checkpoint.id}" + (f" at {checkpoint.revision}" if checkpoint.revision else ""))
    truth = reference(checkpoint, verify_with)
    with tempfile.TemporaryDirectory(prefix="vibe-export-") as folder:
        model = convert(checkpoint, precision, Path(folder))
        say(f"converted to {precision}: {model.stat().st_size / 1e6:.0f} MB")
        found = verify(model, precision, truth)
        say(describe(found))
        if missed := found.shortfalls():
            raise ModelError(f"{checkpoint.id} as {precision} is not written: {'; '.join(missed)}")
        return _commit(to, checkpoint, model, found)


def describe(found: Verification) -> str:
    """The figures in one line."""
    return (
        f"verified on {found.windows} windows: cosine mean {found.mean_cosine:.6f}, "
        f"min {found.min_cosine:.6f}, top-10 overlap {found.neighbour_overlap:.3f}"
    )


def _check_destination(to: Path) -> None:
    """What can be known before minutes of work, without leaving a trace."""
    place = to
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise BundleError(f"{place}: not a directory")
    if not os.access(place, os.W_OK | os.X_OK):
        raise BundleError(f"{place}: not writable")


def _commit(to: Path, checkpoint: Checkpoint, model: Path, found: Verification) -> Manifest:
    info = ModelInfo(
        id=checkpoint.id,
        sha256=sha256_file(model),
        kind="clap",
        revision=checkpoint.revision,
        precision=found.precision,
        front_end=checkpoint.front_end,
        verification=found.to_json(),
    )
    with BundleWriter(to) as writer:
        spec, songs = _songs(to, writer.previous, info)
        shutil.copyfile(model, writer.stage(MODEL_FILE))
        return writer.commit(model=info, spec=spec, songs=songs)


def _songs(to: Path, previous: Manifest | None, info: ModelInfo) -> tuple[Spec | None, int]:
    """The songs already in the bundle, which must be this model's."""
    if previous is None or previous.spec is None:
        return None, 0
    if previous.spec.model_sha256 != info.sha256:
        raise BundleError(
            f"{to}: holds {previous.songs} songs of another model, which cannot be compared with "
            "this one's; export to a new place and embed there"
        )
    return previous.spec, previous.songs
