"""transformers against ``tokenizers`` and ONNX, on texts: what fails is not shipped."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch.nn.functional import normalize

from embed.errors import ModelError
from embed.text import TextEncoder
from export.convert import Precision
from export.hub import one_line
from export.reference import Rows
from export.text.checkpoint import TextCheckpoint
from export.text.texts import texts
from export.verify import Verdict, agreement, difference

_EVERY: Final = 11  # texts for the second number of threads: of all kinds, the longest among them


@dataclass(frozen=True, slots=True)
class TextReference:
    """Texts, transformers' tokens of each, and PyTorch's embeddings of those ``(N, 512)``."""

    texts: Sequence[str]
    tokens: Sequence[list[int]]
    embeddings: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class TextVerification(Verdict):
    """Of a text tower. ``other_tokens`` counts texts that the shipped tokenizer splits other
    than transformers does; ``longest_tokens`` is the length of the longest text as cut."""

    texts: int
    longest_tokens: int
    other_tokens: int

    @property
    def seen(self) -> str:
        """What it was measured on."""
        return f"{self.texts} texts of up to {self.longest_tokens} tokens"

    def _errors(self) -> list[tuple[str, float, float]]:
        split = ("texts split into other tokens", float(self.other_tokens), 0.0)
        return [*Verdict._errors(self), split]


def text_reference(checkpoint: TextCheckpoint, of: Sequence[str] | None = None) -> TextReference:
    """transformers on the texts for verification, or on others.

    Raises ModelError when PyTorch cannot run the model, or its embeddings are not finite.
    """
    asked = texts() if of is None else of
    tokenizer, limit = checkpoint.tokenizer, checkpoint.max_tokens
    tokens = [tokenizer(text, truncation=True, max_length=limit)["input_ids"] for text in asked]
    try:
        with torch.inference_mode():
            rows = [_embedding(checkpoint, ids) for ids in tokens]
    except (RuntimeError, ValueError, IndexError) as error:
        raise ModelError(f"{checkpoint.id}: PyTorch cannot run it: {one_line(error)}") from error
    embeddings: Rows = torch.cat(rows).numpy()
    if not np.isfinite(embeddings).all():
        raise ModelError(f"{checkpoint.id}: PyTorch's embeddings of texts are not finite")
    return TextReference(asked, tokens, embeddings)


def _embedding(checkpoint: TextCheckpoint, ids: list[int]) -> torch.Tensor:
    """``ClapModel.get_text_features`` of one text: unit ``(1, 512)``."""
    batch = torch.tensor([ids])
    return normalize(checkpoint.model(batch, torch.ones_like(batch)).text_embeds, dim=-1)


def verify_text(
    model: Path, tokenizer: Path, precision: Precision, reference: TextReference
) -> TextVerification:
    """Run ``model`` as the API does, one text a call, and compare with transformers.

    Raises ModelError when it cannot be loaded, or answers what is no embedding.
    """
    asked, truth = reference.texts, reference.embeddings
    encoder = TextEncoder(model, tokenizer)
    with ThreadPoolExecutor(2) as pool:
        found = np.stack(list(pool.map(encoder.embed, asked)))
    two_threads = TextEncoder(model, tokenizer, threads=2)
    again = np.stack([two_threads.embed(text) for text in asked[::-_EVERY]])
    pairs = zip(asked, reference.tokens, strict=True)
    return TextVerification(
        precision=precision,
        texts=len(asked),
        longest_tokens=max(len(ids) for ids in reference.tokens),
        other_tokens=sum(encoder.tokens(text) != ids for text, ids in pairs),
        **agreement(found, truth),
        thread_error=difference(again, found[::-_EVERY]),
    )
