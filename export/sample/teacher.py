"""The teacher: a linear map of descriptors that tells synthesised songs apart best.

Fisher's discriminant over songs (C. R. Rao, 1948): directions in which songs differ much and
the two windows of one song differ little. On music it never saw it beats MFCC statistics by
far, and the tower learns to do from the log-mel what the teacher does from descriptors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

RIDGE: Final = 0.3
"""Share of the mean within-song variance added to all directions; 0.1 to 1 did the same."""

CLIP: Final = 4.0
"""Standard deviations past which a descriptor says no more."""


@dataclass(frozen=True)
class Teacher:
    """``embed`` is what the tower should answer."""

    mean: Tensor
    spread: Tensor
    directions: Tensor

    def embed(self, described: Tensor) -> Tensor:
        """Unit vectors ``(n, 512)`` for descriptors ``(n, D)``."""
        scaled = ((described - self.mean) / self.spread).clamp(-CLIP, CLIP)
        return torch.nn.functional.normalize(scaled @ self.directions, dim=1)


def fit(described: Tensor, rank: int, width: int) -> Teacher:
    """Fits on descriptors ``(songs, 2, D)``; keeps ``rank`` directions in ``width`` dimensions."""
    mean, spread = described.mean(dim=(0, 1)), described.std(dim=(0, 1)).clamp(min=1e-6)
    scaled = ((described - mean) / spread).clamp(-CLIP, CLIP).double()
    directions = fisher(scaled, rank, RIDGE)
    return Teacher(mean, spread, spread_over(directions, width).float())


def fisher(centred: Tensor, rank: int, ridge: float) -> Tensor:
    """Fisher's discriminant of centred float64 features ``(songs, 2, D)``: ``(D, rank)``.

    Along every direction the two windows of one song differ by one unit in the mean.
    """
    within = (centred[:, 0] - centred[:, 1]) / 2**0.5
    within = within.T @ within / len(centred)
    between = centred.mean(dim=1)
    between = between.T @ between / len(centred)
    share = ridge * within.diag().mean() * torch.eye(len(within), dtype=torch.float64)
    whiten = torch.linalg.inv(torch.linalg.cholesky(within + share))
    _, vectors = torch.linalg.eigh(whiten @ between @ whiten.T)
    directions: Tensor = whiten.T @ vectors[:, -rank:]
    return directions


def spread_over(directions: Tensor, width: int) -> Tensor:
    """``(D, rank)`` turned at random into ``(D, width)``.

    Cosines stay, and what is said is spread over the whole embedding.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(width, directions.shape[1], generator=generator, dtype=torch.float64)
    turned: Tensor = directions @ torch.linalg.qr(noise).Q.T
    return turned
