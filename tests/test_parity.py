"""Embedding parity, the promise of the project: whole files, through ``embed_folder``, against

librosa.load(48 kHz) → middle 10 s → ClapFeatureExtractor → ClapModel.get_audio_features
with the same weights: full-size CLAP, random, since no test downloads a model.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from embed.bundle import open_bundle, sha256_file
from embed.catalogue import Catalogue
from embed.manifest import CATALOGUE_FILE, MODEL_FILE, VECTORS_FILE, ModelInfo
from embed.pipeline import Options, embed_folder
from embed.writer import BundleWriter
from tests.audio_files import tune, write
from tests.checkpoints import spread, write_random_clap

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

MINIMUM_COSINE = 0.99999  # promised: 0.9999

FILES = [
    ("wav", 8_000, 1, 600.0),
    ("wav", 22_050, 2, 0.1),
    ("wav", 192_000, 2, 12.3),
    ("flac", 44_100, 2, 30.01),
    ("flac", 11_025, 1, 0.1),
    ("ogg", 8_000, 1, 61.0),
    ("ogg", 44_100, 2, 30.01),
    ("opus", 48_000, 2, 30.01),
    ("mp3", 16_000, 1, 61.0),
    ("mp3", 44_100, 2, 30.01),
    ("mp3", 48_000, 1, 0.1),
]


def _name(file: tuple[str, int, int, float]) -> str:
    kind, rate_hz, channels, seconds = file
    return f"{rate_hz} Hz x{channels} {seconds} s.{kind}"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return write_random_clap(tmp_path_factory.mktemp("clap"))


@pytest.fixture(scope="module")
def music(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for seed, file in enumerate(FILES):
        _, rate_hz, channels, seconds = file
        write(folder / _name(file), tune(seconds, rate_hz, channels, seed), rate_hz)
    return folder


@pytest.fixture(scope="module")
def ours(checkpoint, music, tmp_path_factory) -> dict[str, np.ndarray]:
    """File name → embedding, as a user gets it: exported, embedded, read from the bundle."""
    from export.checkpoint import load_checkpoint
    from export.convert import convert
    from export.quiet import quiet

    root = tmp_path_factory.mktemp("bundle") / "bundle"
    with quiet(True), BundleWriter(root) as writer:
        loaded = load_checkpoint(str(checkpoint))
        model = convert(loaded, "fp32", tmp_path_factory.mktemp("onnx"))
        shutil.copyfile(model, writer.stage(MODEL_FILE))
        info = ModelInfo("random CLAP", sha256_file(model), front_end=loaded.front_end)
        writer.commit(model=info)
    report = embed_folder(music, root, Options(windows="middle", workers=2), tell=lambda _: None)
    assert report.failures == []
    bundle = open_bundle(root)
    songs = Catalogue(bundle.file(CATALOGUE_FILE)).songs()
    vectors = np.load(bundle.file(VECTORS_FILE))
    return {song.path: vectors[row] for row, song in enumerate(songs)}


@pytest.fixture(scope="module")
def theirs(checkpoint):
    """A file → its embedding, the way of the script that this project replaces."""
    import librosa
    import torch
    from transformers import ClapFeatureExtractor, ClapModel

    extractor = ClapFeatureExtractor.from_pretrained(checkpoint)
    model = ClapModel.from_pretrained(checkpoint).eval()

    def embed(path: Path) -> np.ndarray:
        audio, _ = librosa.load(path, sr=48_000)
        start = max((len(audio) - 480_000) // 2, 0)
        window = audio[start : start + 480_000]
        features = extractor(window, sampling_rate=48_000, return_tensors="pt")
        with torch.no_grad():
            row = model.get_audio_features(input_features=features["input_features"])
        return (row / row.norm()).numpy()[0]

    return embed


@pytest.mark.parametrize("file", FILES, ids=_name)
def test_a_whole_file_gives_the_embedding_of_transformers(ours, theirs, music, file):
    cosine = float(ours[_name(file)] @ theirs(music / _name(file)))
    assert cosine >= MINIMUM_COSINE


def test_and_other_files_do_not(ours):
    # Were all embeddings alike, the test above would show nothing.
    assert spread(np.stack(list(ours.values()))) < 0.9
