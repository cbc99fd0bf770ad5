"""Checkpoint → bundle: load, convert, verify, and only then commit."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embed.bundle import sha256_file
from embed.errors import BundleError
from embed.manifest import MODEL_FILE, Manifest, ModelInfo
from embed.spec import Spec
from embed.writer import BundleWriter
from export.checkpoint import Checkpoint, load_checkpoint
from export.convert import Precision
from export.gate import Say, convert_within_limits
from export.reference import reference
from export.verify import Verification


@dataclass(frozen=True, slots=True)
class Order:
    """What to ship, and where to; the command's arguments."""

    source: str
    to: Path
    revision: str | None = None
    precision: Precision = "fp32"
    verify_with: Path | None = None
    accept_loss: bool = False


def ship(order: Order, say: Say) -> Manifest:
    """Convert a checkpoint and put it into a bundle.

    The bundle changes in one step at the end; whatever fails before leaves it as it was.
    ``say`` is told, in a line each, what goes on. Raises VibeError, or OSError with the place
    that is full or cannot be written.
    """
    _check_destination(order.to)
    checkpoint = load_checkpoint(order.source, order.revision)
    at = f" at {checkpoint.revision}" if checkpoint.revision else ""
    say(f"read {checkpoint.id}{at}")
    truth = reference(checkpoint, order.verify_with)
    with tempfile.TemporaryDirectory(prefix="vibe-export-") as name:
        folder = Path(name)
        with _placed(folder):
            model, found = convert_within_limits(
                checkpoint, order.precision, folder, truth, accept_loss=order.accept_loss, say=say
            )
        with _placed(order.to):
            return _commit(order.to, checkpoint, model, found)


@contextmanager
def _placed(place: Path) -> Iterator[None]:
    """Says where, when the system does not: a failed write knows no name."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, os.strerror(error.errno), str(place)) from error
        raise


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
        kind=checkpoint.kind,
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
