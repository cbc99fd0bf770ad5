"""The last step: the projection refitted in closed form on what the trained tower hears."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import ClapAudioModelWithProjection

from export.sample.teacher import fisher, spread_over

RIDGE: Final = 0.1
"""As in teacher.py; chosen between 0.001 and 3 on the recordings that served to choose."""

BATCH_SONGS: Final = 16


def refit_projection(tower: ClapAudioModelWithProjection, mels: NDArray[np.float16]) -> None:
    """Replaces the projection by Fisher's discriminant of the pooled features, in place.

    ``mels`` are songs ``(n, 2, frames, bands)``. Regression shrinks what it is unsure of, the
    fine differences that tell recordings apart; the discriminant scales them back. CLAP's
    projection is linear, ReLU, linear: relu(x) − relu(−x) = x passes the features through.
    """
    pooled = pooled_features(tower, mels).double()
    mean = pooled.mean(dim=(0, 1))
    directions = fisher(pooled - mean, pooled.shape[2], RIDGE)
    first, second = tower.audio_projection.linear1, tower.audio_projection.linear2
    matrix = spread_over(directions, second.out_features).T
    matrix /= (pooled - mean).matmul(matrix.T).norm(dim=2).mean()
    width = len(mean)
    with torch.no_grad():
        for parameter in (*first.parameters(), *second.parameters()):
            parameter.zero_()
        first.weight[:width].copy_(torch.eye(width))
        first.weight[width : 2 * width].copy_(-torch.eye(width))
        second.weight[:, :width].copy_(matrix)
        second.weight[:, width : 2 * width].copy_(-matrix)
        second.bias.copy_(-matrix @ mean)


def pooled_features(tower: ClapAudioModelWithProjection, mels: NDArray[np.float16]) -> Tensor:
    """What the tower hands its projection: float32 ``(songs, 2, hidden)``."""
    tower.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(mels), BATCH_SONGS):
            batch = torch.from_numpy(mels[start : start + BATCH_SONGS].astype(np.float32))
            answer = tower.audio_model(input_features=batch.flatten(0, 1)[:, None])
            parts.append(answer.pooler_output.reshape(len(batch), 2, -1))
    return torch.cat(parts).clone()
