"""``python -m export.sample``: makes the sample model from nothing but a seed, and measures it."""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import torch
from transformers import ClapAudioModelWithProjection

from embed.spec import FrontEnd
from export.checkpoint import KIND
from export.sample.corpus import corpus
from export.sample.evaluate import baseline_recall, features, recall_at_1
from export.sample.projection import refit_projection
from export.sample.stems import stem_bank
from export.sample.teacher import fit
from export.sample.train import Recipe, embed, new_tower, train

log = logging.getLogger(__name__)

STEMS_SEED: Final = 7
STEMS: Final = 2400
SONGS_SEED: Final = 1
SONGS: Final = 8192
TEACHER_RANK: Final = 128
REFIT_SONGS: Final = 4096

HELD_OUT_SEED: Final = 1007
HELD_OUT_STEMS: Final = 300
HELD_OUT_SONGS: Final = 200

CHOOSING_EVERY: Final = 3
"""Every third recording served to choose between recipes; figures are for the others."""

PREPROCESSOR: Final = {
    # Field for field what laion/clap-htsat-unfused says.
    "chunk_length_s": 10,
    "feature_extractor_type": "ClapFeatureExtractor",
    "feature_size": 64,
    "fft_window_size": 1024,
    "frequency_max": 14000,
    "frequency_min": 50,
    "hop_length": 480,
    "max_length_s": 10,
    "n_fft": 1024,
    "nb_frequency_bins": 513,
    "nb_max_frames": 1000,
    "nb_max_samples": 480000,
    "padding": "repeatpad",
    "padding_side": "right",
    "padding_value": 0.0,
    "processor_class": "ClapProcessor",
    "return_attention_mask": False,
    "sampling_rate": 48000,
    "top_db": None,
    "truncation": "rand_trunc",
}


def make(checkpoint: Path, cache: Path, workers: int, recipe: Recipe) -> None:
    """Stems, songs, teacher, tower; then the checkpoint, in half precision."""
    bank = cache / f"stems-{STEMS_SEED}.npy"
    stem_bank(bank, STEMS_SEED, STEMS, workers)
    mels, described = corpus(cache, bank, SONGS_SEED, SONGS, workers)
    teacher = fit(torch.from_numpy(described), TEACHER_RANK, width=512)
    tower = new_tower(mels, recipe.seed)
    train(tower, mels, described, teacher, recipe)
    refit_projection(tower, mels[:: len(mels) // REFIT_SONGS])
    setattr(tower.config, KIND, "sample")  # it must never pass for CLAP
    tower.eval().half().save_pretrained(checkpoint)
    text = json.dumps(PREPROCESSOR, indent=2, sort_keys=True)
    (checkpoint / "preprocessor_config.json").write_text(text + "\n")


def measure(checkpoint: Path, cache: Path, workers: int, music: Path | None) -> None:
    """Prints R@1 on held-out synthesised songs and, given ``music``, on recordings."""
    tower = ClapAudioModelWithProjection.from_pretrained(checkpoint, dtype=torch.float32)
    bank = cache / f"stems-{HELD_OUT_SEED}.npy"
    stem_bank(bank, HELD_OUT_SEED, HELD_OUT_STEMS, workers)
    mels, _ = corpus(cache, bank, HELD_OUT_SEED, HELD_OUT_SONGS, workers)
    print(f"synthesised, {len(mels)} held-out songs: R@1 {recall_at_1(embed(tower, mels)):.3f}")
    if music is None:
        return
    paths, real, statistics = features(music, FrontEnd())
    if len(paths) < CHOOSING_EVERY:
        raise SystemExit(f"{music}: {len(paths)} recordings of two windows, expected at least 3")
    embeddings = embed(tower, real)
    looked_at = np.arange(len(paths)) % CHOOSING_EVERY == 0
    for what, part in (("used to choose", looked_at), ("held back", ~looked_at)):
        cosine, euclid = baseline_recall(statistics[part])
        found = recall_at_1(embeddings[part])
        print(f"recordings, {part.sum()} {what}: R@1 {found:.3f}")
        print(f"  20 MFCCs, mean and std: {cosine:.3f} by cosine, {euclid:.3f} by Euclid")


def main() -> int:
    """Parses arguments; long work is logged."""
    parser = argparse.ArgumentParser(prog="python -m export.sample", description=__doc__)
    parser.add_argument("--to", type=Path, required=True, help="the checkpoint's directory")
    parser.add_argument("--cache", type=Path, help="3 GB of stems and songs, kept when named")
    parser.add_argument("--music", type=Path, help="recordings to measure on, never trained on")
    parser.add_argument("--evaluate-only", action="store_true", help="measure what --to holds")
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    with tempfile.TemporaryDirectory() as scratch:
        cache = args.cache or Path(scratch)
        if not args.evaluate_only:
            make(args.to, cache, args.workers, Recipe(steps=args.steps))
        measure(args.to, cache, args.workers, args.music)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
