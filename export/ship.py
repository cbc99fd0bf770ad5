"""Checkpoint → bundle: load, convert, verify, and only then commit."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from embed.bundle import sha256_file
from embed.errors import BundleError
from embed.manifest import (
    MODEL_FILE,
    TEXT_FILE,
    TOKENIZER_FILE,
    Manifest,
    ModelInfo,
    TextInfo,
)
from embed.spec import Spec
from embed.writer import BundleWriter
from export.checkpoint import Checkpoint, find, load_audio
from export.convert import Precision
from export.gate import AudioTower, Say, convert_within_limits
from export.kin import check_kin, model_in
from export.reference import reference
from export.text.checkpoint import TextCheckpoint, load_text
from export.text.convert import TOKENIZER
from export.text.gate import TextCandidate
from export.text.verify import text_reference

Tower = Literal["audio", "text"]


@dataclass(frozen=True, slots=True)
class Order:
    """What to ship, and where to; the command's arguments."""

    source: str
    to: Path
    revision: str | None = None
    precision: Precision = "fp32"
    verify_with: Path | None = None
    accept_loss: bool = False
    towers: tuple[Tower, ...] = ("audio",)


@dataclass(frozen=True, slots=True)
class Made:
    """Files that belong into a bundle, by their names there, and what to say of them."""

    files: dict[str, Path]
    info: ModelInfo


def ship(order: Order, say: Say) -> Manifest:
    """Convert a checkpoint and put it into a bundle.

    The bundle changes in one step at the end; whatever fails before leaves it as it was.
    ``say`` is told, in a line each, what goes on. A text tower alone is for a bundle whose
    audio tower is of the same checkpoint. Raises VibeError, or OSError with the place that is
    full or cannot be written.
    """
    _check_destination(order.to)
    if "audio" not in order.towers:
        model_in(order.to)  # before minutes of work
    with_text = "text" in order.towers
    source = find(order.source, order.revision, text=with_text)
    checkpoint = load_audio(source)
    text = load_text(source) if with_text else None
    at = f" at {checkpoint.revision}" if checkpoint.revision else ""
    say(f"read {checkpoint.id}{at}")
    with tempfile.TemporaryDirectory(prefix="vibe-export-") as name:
        folder = Path(name)
        with _placed(folder):
            if "audio" in order.towers:
                made = _make_audio(order, checkpoint, folder, say)
            else:
                made = Made({}, check_kin(order.to, checkpoint))
            if text is not None:
                made = _with_text(made, order, text, folder, say)
        with _placed(order.to):
            return _commit(order.to, made)


def _make_audio(order: Order, checkpoint: Checkpoint, folder: Path, say: Say) -> Made:
    tower = AudioTower(checkpoint, reference(checkpoint, order.verify_with))
    model, found = convert_within_limits(
        tower, order.precision, folder, accept_loss=order.accept_loss, say=say
    )
    info = ModelInfo(
        id=checkpoint.id,
        sha256=sha256_file(model),
        kind=checkpoint.kind,
        revision=checkpoint.revision,
        precision=found.precision,
        front_end=checkpoint.front_end,
        verification=found.to_json(),
    )
    return Made({MODEL_FILE: model}, info)


def _with_text(
    made: Made, order: Order, checkpoint: TextCheckpoint, folder: Path, say: Say
) -> Made:
    place = folder / "text"
    place.mkdir()
    say(f"text tower, {checkpoint.max_tokens} tokens at most")
    tower = TextCandidate(checkpoint, text_reference(checkpoint))
    model, found = convert_within_limits(
        tower, order.precision, place, accept_loss=order.accept_loss, say=say
    )
    info = TextInfo(
        sha256=sha256_file(model),
        tokenizer_sha256=sha256_file(place / TOKENIZER),
        max_tokens=checkpoint.max_tokens,
        precision=found.precision,
        verification=found.to_json(),
    )
    files = made.files | {TEXT_FILE: model, TOKENIZER_FILE: place / TOKENIZER}
    return Made(files, replace(made.info, text=info))


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


def _commit(to: Path, made: Made) -> Manifest:
    with BundleWriter(to) as writer:
        spec, songs = _songs(to, writer.previous, made.info)
        info, files = made.info, dict(made.files)
        before = None if writer.previous is None else writer.previous.model
        if before is not None and before.sha256 == info.sha256:
            # The same model: it need not be written again, and its text tower stays.
            files.pop(MODEL_FILE, None)
            info = replace(info, text=info.text or before.text)
        elif MODEL_FILE not in files:
            raise BundleError(f"{to}: its model was replaced meanwhile")
        for name, path in files.items():
            shutil.copyfile(path, writer.stage(name))
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
