"""Whether a bundle's audio tower is of the checkpoint whose text tower is to join it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from embed.bundle import Bundle, open_bundle
from embed.encoder import Encoder
from embed.errors import BundleError
from embed.manifest import MODEL_FILE, ModelInfo
from embed.mel import log_mel
from export.checkpoint import Checkpoint
from export.reference import embeddings
from export.signals import synthetic_windows
from export.verify import LIMITS, embed_each

_EVERY: Final = 6  # of the synthetic windows: 7, of every kind
_TOLERANCE: Final = 1e-3
"""Below what the bundle's tower reached when it was judged, on these windows and others."""


def model_in(root: Path) -> tuple[Bundle, ModelInfo]:
    """The bundle at ``root`` and its model. Raises BundleError when it has none."""
    wish = "export it with --towers audio,text"
    if not root.exists():
        raise BundleError(f"{root}: no bundle to add a text tower to; {wish}")
    bundle = open_bundle(root)
    if bundle.manifest.model is None:
        raise BundleError(f"{root}: holds no audio model for a text tower to go with; {wish}")
    return bundle, bundle.manifest.model


def check_kin(root: Path, checkpoint: Checkpoint) -> ModelInfo:
    """The model of the bundle at ``root``, which must be that of ``checkpoint``.

    Asked of the towers themselves: a directory's name says nothing, and a commit may change a
    README alone. Raises BundleError that names both when they hear differently.
    """
    bundle, info = model_in(root)
    ours, theirs = _called(info.id, info.revision), _called(checkpoint.id, checkpoint.revision)
    wrong = f"{root}: its audio model is {ours}, the text tower is of {theirs}"
    if info.front_end != checkpoint.front_end:
        raise BundleError(f"{wrong}: their front ends differ, so they are not of one checkpoint")
    windows = list(synthetic_windows(info.front_end).values())[::_EVERY]
    mels = np.stack([log_mel(window, info.front_end) for window in windows])
    heard = embed_each(Encoder(bundle.file(MODEL_FILE), info.front_end), mels)
    cosine = float(np.sum(heard * embeddings(checkpoint, mels), axis=1).min())
    limit = LIMITS["int8" if info.precision == "int8" else "fp32"].min_cosine
    least = min(limit, float(info.verification.get("min_cosine", limit))) - _TOLERANCE
    if not cosine >= least:
        raise BundleError(
            f"{wrong}, which hears differently (cosine {cosine:.4f}, expected {least:.4f}): "
            "not of one checkpoint"
        )
    return info


def _called(name: str, revision: str | None) -> str:
    return f"{name} at {revision}" if revision else name
