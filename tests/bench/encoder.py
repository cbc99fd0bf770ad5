"""The encoder alone: windows per second, ONNX Runtime against PyTorch eager."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from transformers import ClapAudioModelWithProjection

from embed.encoder import Encoder
from embed.mel import log_mel
from embed.model import model_of
from embed.spec import FrontEnd
from export.signals import synthetic_windows
from tests.bench.measure import Row, interleaved, seconds

ROUNDS = 7
WINDOWS = 16


def bench(checkpoint: Path, models: dict[str, Path], cores: int) -> list[Row]:
    """Rows for one core and for all; ``models`` maps a precision to its bundle.

    All cores: PyTorch with as many threads on one window, ONNX Runtime with as many
    windows at once, one thread each, as the pipeline runs it.
    """
    front_end = FrontEnd()
    windows = list(synthetic_windows(front_end).values())[:WINDOWS]
    mels = [log_mel(window, front_end) for window in windows]
    tower = ClapAudioModelWithProjection.from_pretrained(checkpoint).eval()

    def eager(mel: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            row = tower(torch.from_numpy(mel[None, None])).audio_embeds[0].numpy()
        return row / np.linalg.norm(row)

    expected = np.stack([eager(mel) for mel in mels])
    rows = []
    for threads in sorted({1, cores}):
        torch.set_num_threads(threads)
        encoders = {name: Encoder(model_of(to).path, front_end) for name, to in models.items()}
        subjects: dict[str, Callable[[], float]] = {
            "eager": lambda: seconds(lambda: [eager(mel) for mel in mels])
        }
        for name, encoder in encoders.items():
            subjects[name] = lambda e=encoder, t=threads: seconds(lambda: _embed(e, mels, t))
        medians = interleaved(subjects, ROUNDS)
        for name, encoder in encoders.items():
            cosines = (_embed(encoder, mels, threads) * expected).sum(axis=1)
            rows.append(
                Row(
                    f"{name}, {threads} core{'s' * (threads > 1)}",
                    len(mels) / medians[name],
                    "windows/s",
                    len(mels) / medians["eager"],
                    f"cosine mean {cosines.mean():.6f}, min {cosines.min():.6f}",
                )
            )
    return rows


def _embed(encoder: Encoder, mels: list[np.ndarray], threads: int) -> np.ndarray:
    if threads == 1:
        return np.stack([encoder.embed(mel) for mel in mels])
    with ThreadPoolExecutor(threads) as pool:
        return np.stack(list(pool.map(encoder.embed, mels)))
