"""Convert and judge: a tower comes out with figures that let it be shipped, or not at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

from embed.errors import ModelError
from export.checkpoint import Checkpoint
from export.convert import TRACED, Precision, convert, requantize
from export.reference import Reference
from export.sensitivity import by_harm
from export.smooth import smoothed_tower
from export.verify import Verdict, Verification, verify

Say = Callable[[str], None]

KEPT: Final = (4, 8, 16, 32)
"""How many of the most harmful layers to try in fp32. A full-size CLAP has 75 in its audio
tower and 72 in its text tower, so that even with the last of these most of the arithmetic is
int8's."""

Found = TypeVar("Found", bound=Verdict)
Judged_co = TypeVar("Judged_co", bound=Verdict, covariant=True)


class Candidate(Protocol[Judged_co]):
    """A tower of a checkpoint that may become a file, and the truth it is judged by."""

    @property
    def id(self) -> str: ...
    def convert(self, precision: Precision, folder: Path) -> Path: ...
    def requantize(self, folder: Path, keep: Collection[str]) -> Path: ...
    def verify(self, model: Path, precision: Precision) -> Judged_co: ...
    def harmful(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class AudioTower:
    """The Candidate that a checkpoint's audio tower is."""

    checkpoint: Checkpoint
    truth: Reference

    @property
    def id(self) -> str:
        """What errors call it."""
        return self.checkpoint.id

    def convert(self, precision: Precision, folder: Path) -> Path:
        """See ``export.convert``."""
        return convert(self.checkpoint, precision, folder)

    def requantize(self, folder: Path, keep: Collection[str]) -> Path:
        """See ``export.convert``."""
        return requantize(folder, keep)

    def verify(self, model: Path, precision: Precision) -> Verification:
        """See ``export.verify``."""
        return verify(model, precision, self.truth)

    def harmful(self) -> list[str]:
        """See ``export.sensitivity``."""
        tower = smoothed_tower(self.checkpoint.model, self.checkpoint.front_end)
        return by_harm(tower, self.truth.log_mels)


def convert_within_limits(
    tower: Candidate[Found],
    precision: Precision,
    folder: Path,
    *,
    accept_loss: bool,
    say: Say,
) -> tuple[Path, Found]:
    """The model in ``folder`` and what was measured of it.

    An int8 model that misses its limits gets the layers that hurt most back in fp32. Raises
    ModelError that says by how much a model fails and which precision would pass, unless
    ``accept_loss``, which takes the first one and notes what it missed.
    """
    model = tower.convert(precision, folder)
    say(f"converted to {precision}: {model.stat().st_size / 1e6:.0f} MB")
    found = tower.verify(model, precision)
    say(describe(found))
    missed = found.shortfalls()
    if not missed:
        return model, found
    if accept_loss:
        return model, dataclasses.replace(found, accepted_loss=tuple(missed))
    if precision == "int8":
        rescued = _rescue(tower, folder, say)
        if rescued is not None:
            return model, rescued
        exact = tower.verify(folder / TRACED, "fp32").shortfalls()
        missed.append("fp32 fails too" if exact else "fp32 would pass")
    raise ModelError(f"{tower.id} as {precision} is not written: {'; '.join(missed)}")


def _rescue(tower: Candidate[Found], folder: Path, say: Say) -> Found | None:
    """Figures of the int8 model once enough layers are fp32, None when not even that helps."""
    say("int8 misses its limits: looking for the layers that hurt")
    harmful = tower.harmful()
    for count in KEPT:
        found = tower.verify(tower.requantize(folder, harmful[:count]), "int8")
        say(f"with {count} of {len(harmful)} layers in fp32, {describe(found)}")
        if not found.shortfalls():
            return dataclasses.replace(found, fp32_layers=tuple(harmful[:count]))
        if count >= len(harmful):
            break
    return None


def describe(found: Verdict) -> str:
    """The figures in one line."""
    return (
        f"verified on {found.seen}: cosine mean {found.mean_cosine:.6f}, "
        f"min {found.min_cosine:.6f}, top-10 overlap {found.neighbour_overlap:.3f}"
    )
