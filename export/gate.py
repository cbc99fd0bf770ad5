"""Convert and judge: a model comes out with figures that let it be shipped, or not at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Final

from embed.errors import ModelError
from export.checkpoint import Checkpoint
from export.convert import TRACED, Precision, convert, requantize
from export.reference import Reference
from export.sensitivity import by_harm
from export.smooth import smoothed_tower
from export.verify import Verification, verify

Say = Callable[[str], None]

KEPT: Final = (4, 8, 16, 32)
"""How many of the most harmful layers to try in fp32. A full-size CLAP has 75, so that even
with the last of these most of the arithmetic is int8's."""


def convert_within_limits(
    checkpoint: Checkpoint,
    precision: Precision,
    folder: Path,
    truth: Reference,
    *,
    accept_loss: bool,
    say: Say,
) -> tuple[Path, Verification]:
    """The model in ``folder`` and what was measured of it.

    An int8 model that misses its limits gets the layers that hurt most back in fp32. Raises
    ModelError that says by how much a model fails and which precision would pass, unless
    ``accept_loss``, which takes the first one and notes what it missed.
    """
    model = convert(checkpoint, precision, folder)
    say(f"converted to {precision}: {model.stat().st_size / 1e6:.0f} MB")
    found = verify(model, precision, truth)
    say(describe(found))
    missed = found.shortfalls()
    if not missed:
        return model, found
    if accept_loss:
        return model, dataclasses.replace(found, accepted_loss=tuple(missed))
    if precision == "int8":
        rescued = _rescue(checkpoint, folder, truth, say)
        if rescued is not None:
            return model, rescued
        exact = verify(folder / TRACED, "fp32", truth).shortfalls()
        missed.append("fp32 fails too" if exact else "fp32 would pass")
    raise ModelError(f"{checkpoint.id} as {precision} is not written: {'; '.join(missed)}")


def _rescue(
    checkpoint: Checkpoint, folder: Path, truth: Reference, say: Say
) -> Verification | None:
    """Figures of the int8 model once enough layers are fp32, None when not even that helps."""
    say("int8 misses its limits: looking for the layers that hurt")
    tower = smoothed_tower(checkpoint.model, checkpoint.front_end)
    harmful = by_harm(tower, truth.log_mels)
    for count in KEPT:
        found = verify(requantize(folder, harmful[:count]), "int8", truth)
        say(f"with {count} of {len(harmful)} layers in fp32, {describe(found)}")
        if not found.shortfalls():
            return dataclasses.replace(found, fp32_layers=tuple(harmful[:count]))
        if count >= len(harmful):
            break
    return None


def describe(found: Verification) -> str:
    """The figures in one line."""
    return (
        f"verified on {found.windows} windows: cosine mean {found.mean_cosine:.6f}, "
        f"min {found.min_cosine:.6f}, top-10 overlap {found.neighbour_overlap:.3f}"
    )
