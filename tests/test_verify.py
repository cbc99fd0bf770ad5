"""The judge: it knows the same from the nearly same, and says which limit was missed."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.errors import AudioError, ModelError
from embed.spec import FrontEnd
from export.checkpoint import Checkpoint, load_checkpoint
from export.convert import convert
from export.reference import (
    MIN_WINDOWS,
    Reference,
    compute_reference,
    embeddings,
    reference,
    song_windows,
)
from export.signals import synthetic_windows
from export.verify import LIMITS, Verification, neighbour_overlap, verify
from tests.checkpoints import SMALL_AUDIO, spread, write_random_clap

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own while tracing

GOOD = Verification(
    precision="int8",
    windows=41,
    songs=0,
    mean_cosine=0.9995,
    min_cosine=0.996,
    neighbour_overlap=0.96,
    max_error=0.01,
    thread_error=0.0,
    batch_error=None,
    front_end_error_db=0.04,
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("small") / "clap"
    return load_checkpoint(str(write_random_clap(folder, audio=SMALL_AUDIO, audio_only=True)))


@pytest.fixture(scope="module")
def truth(small: Checkpoint) -> Reference:
    return reference(small)


@pytest.fixture(scope="module")
def converted(small: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert(small, "fp32", tmp_path_factory.mktemp("converted"))


def test_windows_are_many_and_varied() -> None:
    front_end = FrontEnd()
    windows = synthetic_windows(front_end)
    assert len(windows) >= MIN_WINDOWS
    for name, window in windows.items():
        assert window.shape == (front_end.window_samples,), name
        assert window.dtype == np.float32
        assert np.abs(window).max() <= 1
    assert not windows["silence"].any()
    pairs = itertools.combinations(windows.values(), 2)
    assert not any(np.array_equal(one, other) for one, other in pairs)


def test_random_weights_tell_windows_apart(truth: Reference) -> None:
    """Else neighbours were noise, and their overlap would say nothing."""
    assert spread(truth.embeddings) < 0.8


def test_reference_is_what_clap_model_answers(small: Checkpoint, tmp_path: Path) -> None:
    import torch
    from transformers import ClapFeatureExtractor, ClapModel

    whole = ClapModel.from_pretrained(write_random_clap(tmp_path / "whole", audio=SMALL_AUDIO))
    windows = list(synthetic_windows(small.front_end).values())[20:24]
    extractor = ClapFeatureExtractor(**small.preprocessor)
    features = extractor(windows, sampling_rate=48_000, return_tensors="pt")
    with torch.inference_mode():
        theirs = whole.eval().get_audio_features(**features).numpy()
    ours = embeddings(small, features["input_features"][:, 0].numpy())
    assert np.abs(ours - theirs).max() < 1e-6


def test_right_model_passes(converted: Path, truth: Reference) -> None:
    found = verify(converted, "fp32", truth)
    assert found.shortfalls() == []
    assert found.min_cosine > 0.999999
    assert found.neighbour_overlap == 1
    assert found.thread_error == 0
    assert found.front_end_error_db < 0.1
    assert (found.windows, found.songs) == (len(truth.log_mels), 0)


def test_another_model_fails(converted: Path, truth: Reference, tmp_path: Path) -> None:
    other = write_random_clap(tmp_path / "other", seed=1, audio=SMALL_AUDIO, audio_only=True)
    rows = embeddings(load_checkpoint(str(other)), truth.log_mels)
    found = verify(converted, "fp32", dataclasses.replace(truth, embeddings=rows))
    assert found.mean_cosine < 0.5
    assert found.neighbour_overlap < 0.9
    assert len(found.shortfalls()) == 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, None),
        ({"mean_cosine": 0.9989}, "mean cosine 0.99890 < 0.999"),
        ({"min_cosine": 0.9949}, "minimum cosine 0.99490 < 0.995"),
        ({"neighbour_overlap": 0.94}, "top-10 overlap 0.94000 < 0.95"),
        ({"mean_cosine": float("nan")}, "mean cosine nan < 0.999"),
        ({"thread_error": 1e-7}, "difference between 1 and 2 threads 1e-07 > 0.0"),
        ({"front_end_error_db": 0.5}, "front end's error in dB 0.5 > 0.1"),
        ({"batch_error": 1e-3}, "difference by batching 0.001 > 1e-05"),
        ({"precision": "fp32"}, "mean cosine 0.99950 < 0.9999"),
    ],
)
def test_shortfalls_name_what_was_missed(change: dict[str, object], expected: str | None) -> None:
    missed = dataclasses.replace(GOOD, **change).shortfalls()
    assert missed[:1] == ([] if expected is None else [expected])


def test_limits_are_those_that_were_asked_for() -> None:
    assert dataclasses.astuple(LIMITS["fp32"]) == (0.9999, 0.9999, 0.99)
    assert dataclasses.astuple(LIMITS["int8"]) == (0.999, 0.995, 0.95)


def test_neighbour_overlap_by_hand() -> None:
    # On a circle: 0° sees 10° and 25°; moved to 50°, the third sees others than before.
    left, right = (
        np.array([[np.cos(a), np.sin(a)] for a in np.radians(degrees)], dtype=np.float32)
        for degrees in ([0, 10, 25, 90], [0, 10, 80, 90])
    )
    assert neighbour_overlap(left, left, count=1) == 1
    # Nearest: left 0→1, 1→0, 2→1, 3→2; right 0→1, 1→0, 2→3, 3→2.
    assert neighbour_overlap(left, right, count=1) == 0.75
    assert neighbour_overlap(left, right, count=3) == 1


def test_songs_join_the_windows(small: Checkpoint, tmp_path: Path) -> None:
    window = synthetic_windows(small.front_end)["music 3"]
    soundfile.write(tmp_path / "long.wav", np.tile(window, 3), 48_000)
    (tmp_path / "broken.mp3").write_bytes(b"not a song")
    songs, windows = song_windows(tmp_path, small.front_end)
    assert (songs, len(windows)) == (1, 2)
    assert all(window.shape == (480_000,) for window in windows)


def test_folder_of_broken_songs_is_refused(small: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "broken.mp3").write_bytes(b"not a song")
    with pytest.raises(AudioError, match="none of 1 songs can be decoded"):
        song_windows(tmp_path, small.front_end)


def test_too_few_windows_prove_nothing(small: Checkpoint) -> None:
    windows = list(synthetic_windows(small.front_end).values())[: MIN_WINDOWS - 1]
    with pytest.raises(ModelError, match="31 windows to verify with, expected 32"):
        compute_reference(small, windows)
