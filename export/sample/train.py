"""The tower: ClapAudioModelWithProjection, trained to answer as the teacher and to tell songs
apart."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate, normalize
from transformers import ClapAudioConfig, ClapAudioModelWithProjection

from export.sample.descriptors import describe_gain
from export.sample.teacher import Teacher

log = logging.getLogger(__name__)

CONFIG: Final[dict[str, Any]] = {
    # A patch is all 64 bands high, so that a token knows which band is which: the tower has no
    # absolute positions, and lower patches cannot tell bass from treble. It is 80 ms long:
    # what tells recordings apart is how they move, and 640 ms blurred it.
    "patch_size": [64, 8],
    "enable_patch_layer_norm": False,
    "patch_stride": [64, 8],
    "window_size": 4,
    "patch_embeds_hidden_size": 160,
    "hidden_size": 160,
    "depths": [2],
    "num_attention_heads": [4],
    "num_hidden_layers": 1,
    "projection_dim": 512,
    # Seven rounds, each through another equaliser, learn no song by heart.
    "hidden_dropout_prob": 0.0,
}

TEMPERATURE: Final = 0.1
"""NT-Xent's (Chen et al., SimCLR, 2020)."""

LOG_EVERY: Final = 50


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how fast."""

    steps: int = 1800
    songs_per_step: int = 32
    learning_rate: float = 2e-3
    warm_up_steps: int = 100
    contrast: float = 0.1
    seed: int = 1


def new_tower(mels: NDArray[np.float16], seed: int) -> ClapAudioModelWithProjection:
    """An untrained tower that starts from the statistics of ``mels``.

    Batch norm is fixed to the mean and spread of each band, and the patch embedding begins as
    the patches' whitened principal components: of 4096 correlated numbers a random
    projection sees little but loudness, and takes thousands of steps to look past it.
    """
    torch.manual_seed(seed)
    tower = ClapAudioModelWithProjection(ClapAudioConfig(**CONFIG))
    encoder = tower.audio_model.audio_encoder
    some = torch.from_numpy(mels[:: max(1, len(mels) // 500)].astype(np.float32)).flatten(0, 1)
    encoder.batch_norm.running_mean.copy_(some.mean(dim=(0, 1)))
    encoder.batch_norm.running_var.copy_(some.var(dim=(0, 1)))
    encoder.batch_norm.requires_grad_(False)
    encoder.batch_norm.eval()
    with torch.no_grad():
        scaled = encoder.batch_norm(some[:, None].transpose(1, 3)).transpose(1, 3)
        image = encoder.reshape_mel2img(scaled)
        high, wide = CONFIG["patch_size"]
        patches = image.unfold(2, high, high).unfold(3, wide, wide).flatten(4).flatten(0, 3)
        patches = patches[:: max(1, len(patches) // 20_000)]
        mean = patches.mean(dim=0)
        _, scale, basis = torch.svd_lowrank(patches - mean, q=CONFIG["hidden_size"] + 32, niter=3)
        scale = scale / len(patches) ** 0.5
        weight = (basis / scale)[:, : CONFIG["hidden_size"]].T
        encoder.patch_embed.proj.weight.copy_(weight.reshape(-1, 1, high, wide))
        encoder.patch_embed.proj.bias.copy_(-weight @ mean)
    return tower


def train(
    tower: ClapAudioModelWithProjection,
    mels: NDArray[np.float16],
    described: NDArray[np.float32],
    teacher: Teacher,
    recipe: Recipe,
) -> None:
    """Trains in place on songs ``(n, 2, 1024, bands)`` and their descriptors."""
    generator = torch.Generator().manual_seed(recipe.seed)
    optimiser = torch.optim.AdamW(
        tower.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.02
    )
    tower.train()
    tower.audio_model.audio_encoder.batch_norm.eval()
    started_s = time.monotonic()
    away_total = contrast_total = 0.0
    per_round = len(mels) // recipe.songs_per_step
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(step, recipe)
        if step % per_round == 0:
            order = torch.randperm(len(mels), generator=generator).numpy()
        first = step % per_round * recipe.songs_per_step
        chosen = np.sort(order[first : first + recipe.songs_per_step])
        mel, target = augment(
            torch.from_numpy(mels[chosen].astype(np.float32)),
            torch.from_numpy(described[chosen]),
            teacher,
            generator,
        )
        answers = normalize(tower(input_features=mel[:, None]).audio_embeds, dim=1)
        away = (1 - (answers * target).sum(dim=1)).mean()
        contrast = nt_xent(answers)
        optimiser.zero_grad()
        torch.autograd.backward(away + recipe.contrast * contrast)
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimiser.step()
        away_total += float(away.detach())
        contrast_total += float(contrast.detach())
        if step % LOG_EVERY == LOG_EVERY - 1:
            shown = (away_total / LOG_EVERY, contrast_total / LOG_EVERY)
            elapsed_s = time.monotonic() - started_s
            log.info("step %d: away %.3f, contrast %.3f, %.0f s", step + 1, *shown, elapsed_s)
            away_total = contrast_total = 0.0


def augment(
    mel: Tensor, described: Tensor, teacher: Teacher, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Songs ``(n, 2, frames, bands)`` → windows ``(2n, frames, bands)`` and their targets.

    Played from another moment, half of them backwards (no descriptor notices either), and
    through another equaliser, whose effect on the descriptors is known exactly.
    """
    songs, _, frames, bands = mel.shape
    mel = torch.roll(mel, int(torch.randint(frames, (1,), generator=generator)), dims=2)
    if torch.rand((), generator=generator) < 0.5:
        mel = mel.flip(2)
    knots = torch.randn(songs, 1, 7, generator=generator) * 4.0
    knots = knots + torch.randn(songs, 1, 1, generator=generator) * 4.0
    gain = interpolate(knots, size=bands, mode="linear", align_corners=True)
    mel = mel + gain[:, :, None, :]
    target = teacher.embed((described + describe_gain(gain[:, 0])[:, None]).flatten(0, 1))
    return mel.flatten(0, 1), target


def nt_xent(embeddings: Tensor) -> Tensor:
    """Cross-entropy of finding one's other window; rows 2i and 2i + 1 are one song's."""
    similar = embeddings @ embeddings.T / TEMPERATURE
    similar = similar.masked_fill(torch.eye(len(similar), dtype=torch.bool), -1e9)
    return cross_entropy(similar, torch.arange(len(similar)) ^ 1)


def embed(
    tower: ClapAudioModelWithProjection, mels: NDArray[np.floating[Any]]
) -> NDArray[np.float32]:
    """Unit embeddings ``(n, 2, 512)`` of songs' log-mels ``(n, 2, frames, bands)``."""
    tower.eval()
    out = []
    with torch.inference_mode():
        for pair in mels:
            batch = torch.from_numpy(pair.astype(np.float32))[:, None]
            out.append(normalize(tower(input_features=batch).audio_embeds, dim=1).numpy())
    return np.stack(out)


def _schedule(step: int, recipe: Recipe) -> float:
    if step < recipe.warm_up_steps:
        return (step + 1) / recipe.warm_up_steps
    done = (step - recipe.warm_up_steps) / max(recipe.steps - recipe.warm_up_steps, 1)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))
