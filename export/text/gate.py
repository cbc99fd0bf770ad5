"""A checkpoint's text tower as the gate judges it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from export.convert import Precision
from export.sensitivity import most_harmful
from export.text.checkpoint import TextCheckpoint
from export.text.convert import TOKENIZER, convert_text, requantize_text
from export.text.tower import TextTower
from export.text.verify import TextReference, TextVerification, verify_text

_EVERY: Final = 16  # of the texts: enough kinds to tell which layers int8 hurts


@dataclass(frozen=True, slots=True)
class TextCandidate:
    """See ``export.gate.Candidate``."""

    checkpoint: TextCheckpoint
    truth: TextReference

    @property
    def id(self) -> str:
        """What errors call it."""
        return f"{self.checkpoint.id}'s text tower"

    def convert(self, precision: Precision, folder: Path) -> Path:
        """See ``export.text.convert``."""
        return convert_text(self.checkpoint, precision, folder)

    def requantize(self, folder: Path, keep: Collection[str]) -> Path:
        """See ``export.text.convert``."""
        return requantize_text(folder, keep)

    def verify(self, model: Path, precision: Precision) -> TextVerification:
        """See ``export.text.verify``."""
        return verify_text(model, model.with_name(TOKENIZER), precision, self.truth)

    def harmful(self) -> list[str]:
        """See ``export.sensitivity``."""
        tower = TextTower(self.checkpoint.model).eval()
        some = [torch.tensor([ids]) for ids in self.truth.tokens[::_EVERY]]
        return most_harmful(tower, some)
