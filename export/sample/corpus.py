"""The training corpus: songs mixed from the bank and their descriptors, cached on disk."""

from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from export.sample.descriptors import describe
from export.sample.mixing import Mixer

log = logging.getLogger(__name__)

CHUNK: Final = 64

TOWER_FRAMES: Final = 1024
"""What CLAP's tower stretches 1001 frames to. Done once here, it is saved at every step."""

Arrays = tuple[NDArray[np.float16], NDArray[np.float32]]


def corpus(folder: Path, bank: Path, seed: int, count: int, workers: int) -> Arrays:
    """Log-mels, float16 ``(count, 2, 1024, bands)``, and descriptors ``(count, 2, D)``.

    Memory-mapped from ``folder``; mixed there from the ``bank`` file when absent. Song i
    depends on ``seed`` and i's chunk only, not on ``workers``.
    """
    mel_path, described_path = folder / f"mel-{seed}.npy", folder / f"described-{seed}.npy"
    if not described_path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        starts = range(0, count, CHUNK)
        stops = [min(start + CHUNK, count) for start in starts]
        windows, _, bands = np.load(bank, mmap_mode="r").shape[1:]
        shape = (count, windows, TOWER_FRAMES, bands)
        mels = np.lib.format.open_memmap(mel_path, mode="w+", dtype=np.float16, shape=shape)
        parts = []
        with ProcessPoolExecutor(workers) as pool:
            chunks = pool.map(partial(_mix, bank, mel_path, seed), starts, stops)
            for stop, part in zip(stops, chunks, strict=True):
                parts.append(part)
                log.info("songs: %d of %d", stop, count)
        mels.flush()
        np.save(described_path, np.concatenate(parts))
    return np.load(mel_path, mmap_mode="r"), np.load(described_path)


def _mix(bank: Path, mel_path: Path, seed: int, start: int, stop: int) -> NDArray[np.float32]:
    """Writes songs ``start`` to ``stop`` into ``mel_path``; returns their descriptors."""
    torch.set_num_threads(1)
    stems = torch.from_numpy(np.load(bank, mmap_mode="c"))
    generator = torch.Generator().manual_seed(seed * 1_000_003 + start)
    mel = Mixer(stems, generator).songs(stop - start)
    stretched = interpolate(
        mel, size=(TOWER_FRAMES, mel.shape[3]), mode="bicubic", align_corners=True
    )
    shelf = np.lib.format.open_memmap(mel_path, mode="r+")
    shelf[start:stop] = stretched.numpy().astype(np.float16)
    described: NDArray[np.float32] = (
        describe(mel.flatten(0, 1)).reshape(stop - start, mel.shape[1], -1).numpy()
    )
    return described
