"""The pipeline to beat, as anyone would write it: librosa → ClapProcessor → ClapModel.

    python -m tests.bench.obvious CHECKPOINT MUSIC OUT.npz

Prints the seconds of work (imports and the loading of weights left out) and writes names
and embeddings.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import librosa
import numpy as np
import torch
from transformers import (
    ClapAudioModelWithProjection,
    ClapFeatureExtractor,
    ClapModel,
)

from embed.scan import scan

RATE_HZ = 48_000
WINDOW_SAMPLES = 480_000


def main() -> None:
    checkpoint, music, out = sys.argv[1:]
    config = json.loads((Path(checkpoint) / "config.json").read_text())
    if config["model_type"] == "clap":
        model = ClapModel.from_pretrained(checkpoint).eval()
        embed = model.get_audio_features
    else:  # the sample's checkpoint has no text half
        tower = ClapAudioModelWithProjection.from_pretrained(checkpoint).eval()
        embed = lambda **features: tower(**features).audio_embeds  # noqa: E731
    # The processor's audio half: random checkpoints carry no tokenizer.
    processor = ClapFeatureExtractor.from_pretrained(checkpoint)
    names, rows = [], []
    started = time.perf_counter()
    for song in scan(Path(music)):
        samples, _ = librosa.load(song.path, sr=RATE_HZ)
        start = max((len(samples) - WINDOW_SAMPLES) // 2, 0)
        middle = samples[start : start + WINDOW_SAMPLES]
        features = processor(middle, sampling_rate=RATE_HZ, return_tensors="pt")
        with torch.inference_mode():
            row = torch.nn.functional.normalize(embed(**features), dim=-1)[0]
            rows.append(row.numpy())
        names.append(song.key)
    print(f"seconds {time.perf_counter() - started:.3f}")
    np.savez(out, names=np.array(names), embeddings=np.stack(rows))


if __name__ == "__main__":
    main()
