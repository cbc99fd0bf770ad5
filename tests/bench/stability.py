"""How far an embedding moves when a song's start moves by 1.2 s.

    python -m tests.bench.stability --music FOLDER [--bundle BUNDLE]

For each way to place windows: the cosine between a song's embedding and that of the same
song with its first 1.2 s cut away, mean and worst over the folder. Beside it the cosine to
*other* songs: a stability above it means something only when that one is lower.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from tabulate import tabulate
from tqdm import tqdm

from embed.audio import read_windows
from embed.decoders import Range, open_reader
from embed.encoder import Encoder
from embed.errors import AudioError
from embed.mel import log_mel
from embed.model import model_of, sample_model
from embed.scan import scan
from embed.spec import Windows
from embed.windows import pool

SHIFT_S = 1.2
WINDOWS: tuple[Windows, ...] = ("middle", 2, 3, 5, 8, 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, help="whose model to use [default: the sample]")
    args = parser.parse_args()
    model = model_of(args.bundle) if args.bundle else sample_model()
    encoder = Encoder(model.path, model.info.front_end, threads=2)

    def embed(path: Path, windows: Windows) -> NDArray[np.float32]:
        samples = read_windows(path, model.info.front_end, windows).samples
        rows = [encoder.embed(log_mel(window, model.info.front_end)) for window in samples]
        return pool(np.stack(rows))

    pairs: dict[Windows, list[tuple[NDArray[np.float32], NDArray[np.float32]]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        shifted = Path(folder) / "shifted.wav"
        for song in tqdm(scan(args.music), unit="song"):
            try:
                cut_start(song.path, shifted)
            except AudioError as error:
                tqdm.write(f"{song.key}: {error}; left out")
                continue
            for windows in WINDOWS:
                pairs.setdefault(windows, []).append(
                    (embed(song.path, windows), embed(shifted, windows))
                )
    print(f"\nmodel {model.info.id} ({model.info.precision}), {len(pairs['middle'])} songs")
    print(tabulate([_row(windows, pairs[windows]) for windows in WINDOWS], _HEAD, "github"))


_HEAD = ("windows", "mean cosine", "worst cosine", "to other songs (mean)", "finds itself")


def _row(
    windows: Windows, pairs: list[tuple[NDArray[np.float32], NDArray[np.float32]]]
) -> tuple[str, ...]:
    whole = np.stack([pair[0] for pair in pairs])
    moved = np.stack([pair[1] for pair in pairs])
    cosines = moved @ whole.T
    same = np.diag(cosines)
    others = cosines[~np.eye(len(pairs), dtype=bool)]
    found = (cosines.argmax(axis=1) == np.arange(len(pairs))).mean()
    figures = (same.mean(), same.min(), others.mean() if others.size else float("nan"))
    return (str(windows), *(f"{figure:.4f}" for figure in figures), f"{found:.0%}")


def cut_start(path: Path, to: Path) -> None:
    """The song at ``path`` without its first 1.2 s, as a mono float WAV."""
    with open_reader(path) as reader:
        cut = int(SHIFT_S * reader.rate_hz)
        if reader.frames <= 2 * cut:
            raise AudioError(f"{reader.frames / reader.rate_hz:.1f} s are too short to cut")
        samples = reader.read([Range(cut, reader.frames - cut)])[0]
        soundfile.write(to, samples, reader.rate_hz, subtype="FLOAT")


if __name__ == "__main__":
    main()
