"""Log-mels against ClapFeatureExtractor, the filter bank against librosa."""

from __future__ import annotations

import numpy as np
import pytest

from embed.mel import log_mel, mel_filters
from embed.spec import FrontEnd
from tests.checkpoints import PREPROCESSOR

FRONT_END = FrontEnd()
RATE_HZ, COUNT = FRONT_END.sample_rate_hz, FRONT_END.window_samples


def _sound(name: str) -> np.ndarray:
    time_s = np.arange(COUNT) / RATE_HZ
    noise = np.random.default_rng(0).standard_normal(COUNT)
    sounds = {
        "noise": 0.1 * noise,
        "noise at -100 dB": 1e-5 * noise,
        "silence": np.zeros(COUNT),
        "half silence": np.where(time_s < 5, 0.3 * noise, 0),
        "click": (np.arange(COUNT) == 1000) * 1.0,
        "constant": np.full(COUNT, 0.5),
        "full-scale square": np.sign(np.sin(2 * np.pi * 100 * time_s)),
        "sine": 0.5 * np.sin(2 * np.pi * 440 * time_s),
        "fading sine": 0.5 * np.sin(2 * np.pi * 440 * time_s) * np.exp(-2 * time_s),
        "sweep": 0.5 * np.sin(2 * np.pi * (20 * time_s + 1000 * time_s**2)),
        "sound only at the edges": 0.5 * noise * ((time_s < 0.01) | (time_s > 9.99)),
    }
    return sounds[name].astype(np.float32)


@pytest.fixture(scope="module")
def extractor():
    from transformers import ClapFeatureExtractor

    return ClapFeatureExtractor(**PREPROCESSOR)


# Bands that hold nothing but the leakage of a pure tone lie near the float32 noise of the
# transform: there dB differ most, where no sound is.
@pytest.mark.parametrize(
    ("name", "worst_db", "mean_db"),
    [
        ("noise", 1e-4, 1e-5),
        ("noise at -100 dB", 1e-4, 1e-5),
        ("silence", 1e-4, 1e-4),
        ("half silence", 1e-4, 1e-4),
        ("click", 1e-4, 1e-4),
        ("constant", 1e-3, 1e-4),
        ("full-scale square", 1e-4, 1e-5),
        ("sine", 0.01, 1e-3),
        ("fading sine", 0.01, 1e-3),
        ("sweep", 0.05, 1e-3),
        ("sound only at the edges", 1e-4, 1e-4),
    ],
)
def test_log_mel_is_that_of_clap_feature_extractor(extractor, name, worst_db, mean_db):
    window = _sound(name)
    theirs = extractor(window, sampling_rate=RATE_HZ, return_tensors="np")["input_features"]
    ours = log_mel(window, FRONT_END)
    assert theirs.shape == (1, 1, 1001, 64)
    assert ours.shape == (1001, 64)
    assert ours.dtype == np.float32
    error_db = np.abs(ours - theirs[0, 0])
    assert error_db.max() <= worst_db
    assert error_db.mean() <= mean_db


@pytest.mark.parametrize(
    "front_end",
    [
        FrontEnd(),
        FrontEnd(mel_bands=128, frequency_min_hz=0, frequency_max_hz=24_000),
        FrontEnd(sample_rate_hz=16_000, fft_samples=400, mel_bands=16, frequency_max_hz=900),
    ],
    ids=["clap", "whole range", "linear part only"],
)
def test_filters_are_librosas(front_end):
    import librosa

    theirs = librosa.filters.mel(
        sr=front_end.sample_rate_hz,
        n_fft=front_end.fft_samples,
        n_mels=front_end.mel_bands,
        fmin=front_end.frequency_min_hz,
        fmax=front_end.frequency_max_hz,
    )
    ours = mel_filters(front_end)
    assert ours.shape == theirs.T.shape
    assert np.abs(ours - theirs.T).max() <= 2e-7 * theirs.max()


def test_silence_is_the_floor():
    silence = log_mel(np.zeros(COUNT, np.float32), FRONT_END)
    assert silence == pytest.approx(np.full((1001, 64), -100), abs=1e-4)


def test_the_same_window_gives_the_same_bits():
    window = _sound("noise")
    first = log_mel(window, FRONT_END)
    assert np.array_equal(first, log_mel(window.copy(), FRONT_END))
    assert np.array_equal(window, _sound("noise")), "the window itself must stay as it was"


def test_another_hop_gives_other_frames():
    assert log_mel(_sound("noise"), FrontEnd(hop_samples=333)).shape == (480_000 // 333 + 1, 64)


@pytest.mark.parametrize("shape", [(COUNT - 1,), (COUNT + 1,), (1, COUNT), (0,)])
def test_a_window_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"shape .* expected \(480000,\)"):
        log_mel(np.zeros(shape, np.float32), FRONT_END)
