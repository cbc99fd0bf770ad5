"""Which layers suffer most from int8: measured one by one, in PyTorch."""

from __future__ import annotations

from typing import Final

import torch

from export.block import Linear
from export.quantize import LAYER_WEIGHTS
from export.reference import Rows
from export.tower import Tower

WINDOWS: Final = 4
"""As many as are embedded for each of some 75 layers, in about a minute."""


def by_harm(tower: Tower, log_mels: Rows) -> list[str]:
    """Names of the layers' weights, the most harmful first.

    Harm is what the mean cosine of the windows ``(N, frames, mel_bands)`` loses when this
    layer alone computes as int8 does.
    """
    step = max(1, len(log_mels) // WINDOWS)
    batch = torch.from_numpy(log_mels[::step][:WINDOWS])[:, None]
    harm: dict[str, float] = {}
    with torch.inference_mode():
        exact = tower(batch)
        for name, layer in tower.named_modules(prefix="tower"):
            if not isinstance(layer, Linear) or not name.startswith(LAYER_WEIGHTS):
                continue
            layer.rounded = True
            # One window at a time: a scale must be of this window's activations alone.
            rows = torch.cat([tower(window[None]) for window in batch])
            layer.rounded = False
            harm[f"{name}.weight"] = float(1 - (rows * exact).sum(dim=1).mean())
    return sorted(harm, key=lambda name: -harm[name])
