"""Which layers suffer most from int8: measured one by one, in PyTorch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import torch
from torch import Tensor, nn

from export.block import Linear
from export.quantize import LAYER_WEIGHTS
from export.reference import Rows
from export.tower import Tower

WINDOWS: Final = 4


class Steps(Protocol):
    """A tower in steps, each from streams of tokens to streams of tokens."""

    steps: nn.ModuleList

    @property
    def front(self) -> nn.Module: ...


def by_harm(tower: Tower, log_mels: Rows) -> list[str]:
    """``most_harmful`` on a few of the windows ``(N, frames, mel_bands)``."""
    step = max(1, len(log_mels) // WINDOWS)
    return most_harmful(tower, torch.from_numpy(log_mels[::step][:WINDOWS])[:, None, None])


def most_harmful(tower: Steps, inputs: Iterable[Tensor]) -> list[str]:
    """Names of the layers' weights, the most harmful first.

    Harm is by how much the stream of tokens that leaves a block changes, relative to its
    power, when this layer alone computes as int8 does. What a block adds to the stream goes
    through to the end, so looking no farther than the block tells as much, at a fraction of
    the time.
    """
    harm: dict[str, float] = {}
    with torch.inference_mode():
        # One input at a time: a scale must be of its activations alone.
        for one in inputs:
            streams = tower.front(one)
            for number, part in enumerate(tower.steps):
                exact = part(streams)
                for name, layer in part.named_modules():
                    if isinstance(layer, Linear):
                        weight = f"{LAYER_WEIGHTS}{number}.{name}.weight"
                        found = _change(part, layer, streams, exact)
                        harm[weight] = harm.get(weight, 0.0) + found
                streams = exact
    return sorted(harm, key=lambda name: -harm[name])


def _change(part: nn.Module, layer: Linear, streams: list[Tensor], exact: list[Tensor]) -> float:
    layer.rounded = True
    rounded = part(streams)
    layer.rounded = False
    error = sum(
        float((one - other).square().sum()) for one, other in zip(rounded, exact, strict=True)
    )
    return error / sum(float(stream.square().sum()) for stream in exact)
