"""The bank: log-mels of random single layers, two windows each, cached as one ``.npy``.

Training songs are mixed from it in the mel domain (mixing.py), which costs a hundredth of
mixing samples and gives as many songs as there are combinations.
"""

from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embed.mel import log_mel
from embed.sample.compose import render
from embed.sample.effects import reverb
from embed.spec import FrontEnd
from export.sample.variety import random_layer, random_plan

log = logging.getLogger(__name__)

WINDOWS: Final = 2
CHUNK: Final = 100
"""Stems a worker makes before it reports; half a minute's work."""


def stem(seed: int, index: int) -> NDArray[np.float16]:
    """Stem ``index`` of the bank: log-mels in dB, float16 ``(2, 1001, 64)``.

    The same layer plays on for two windows, over other chords and another motif in each,
    as a piece's second half differs from its first.
    """
    rng = np.random.default_rng([seed, index])
    front_end = FrontEnd()
    rate_hz = front_end.sample_rate_hz
    layer, plan = random_layer(rng), random_plan(rng)
    time_s = float(np.exp(rng.uniform(np.log(0.2), np.log(3.5))))
    mix = float(rng.uniform(0.05, 0.7)) if rng.random() < 0.6 else 0.0
    mels = []
    for _ in range(WINDOWS):
        # Started early, and cut, so that a window does not always open on the first beat.
        early_s = float(rng.uniform(0.3, 1.5))
        samples = render(layer, plan, front_end.window_s + early_s, rate_hz, rng)
        samples = reverb(samples, rate_hz, time_s, mix, np.random.default_rng([seed, index, 1]))
        mels.append(log_mel(samples[-front_end.window_samples :], front_end))
    return np.stack(mels).astype(np.float16)


def _chunk(seed: int, start: int, stop: int) -> NDArray[np.float16]:
    return np.stack([stem(seed, index) for index in range(start, stop)])


def stem_bank(path: Path, seed: int, count: int, workers: int) -> NDArray[np.float16]:
    """The bank, float16 ``(count, 2, 1001, 64)``: read from ``path``, made there when absent."""
    if path.exists():
        bank: NDArray[np.float16] = np.load(path, mmap_mode="r")
        if len(bank) == count:
            return bank
    starts = range(0, count, CHUNK)
    stops = [min(start + CHUNK, count) for start in starts]
    parts = []
    with ProcessPoolExecutor(workers) as pool:
        for part in pool.map(partial(_chunk, seed), starts, stops):
            parts.append(part)
            log.info("stems: %d of %d", sum(map(len, parts)), count)
    bank = np.concatenate(parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, bank)
    return bank
