"""The pipeline to beat, as anyone would write it: librosa → ClapProcessor → ClapModel.

    python -m tests.bench.obvious CHECKPOINT MUSIC OUT.npz

Prints the seconds of work (imports and the loading of weights left out) and writes names
and embeddings.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import librosa
import numpy as np
import torch
from transformers import ClapFeatureExtractor, ClapModel

from embed.scan import scan

RATE_HZ = 48_000
WINDOW_SAMPLES = 480_000


def main() -> None:
    checkpoint, music, out = sys.argv[1:]
    model = ClapModel.from_pretrained(checkpoint).eval()
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
            rows.append(model.get_audio_features(**features)[0].numpy())
        names.append(song.key)
    print(f"seconds {time.perf_counter() - started:.3f}")
    np.savez(out, names=np.array(names), embeddings=np.stack(rows))


if __name__ == "__main__":
    main()
