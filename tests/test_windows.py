"""Where windows lie, against the rule in words; padding against ClapFeatureExtractor; pooling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.errors import ModelError
from embed.mel import log_mel
from embed.spec import FrontEnd
from embed.windows import pad_window, pool, window_starts
from tests.checkpoints import PREPROCESSOR


@pytest.mark.parametrize(
    ("song_samples", "windows", "starts"),
    [
        (1, "middle", [0]),
        (480_000, "middle", [0]),
        (480_000, 5, [0]),
        (480_001, "middle", [0]),
        (480_002, "middle", [1]),
        (960_000, "middle", [240_000]),
        # Quarters' centres at 6, 18, 30 and 42 s of 48; windows reach 5 s to either side.
        (48 * 48_000, 4, [1 * 48_000, 13 * 48_000, 25 * 48_000, 37 * 48_000]),
        # 12 s in three parts: centres 2, 6, 10; the outer two are pushed inside.
        (12 * 48_000, 3, [0, 48_000, 2 * 48_000]),
        # One sample more than a window has two places.
        (480_001, 64, [0, 1]),
    ],
)
def test_window_starts(song_samples, windows, starts):
    assert window_starts(song_samples, 480_000, windows) == starts


@given(st.integers(1, 10**10), st.integers(1, 10**6), st.integers(1, 64))
def test_windows_lie_inside_the_song_and_are_symmetric(song, window, count):
    starts = window_starts(song, window, count)
    assert starts == sorted(set(starts))
    assert len(starts) <= count
    assert starts[0] >= 0
    assert starts[-1] + window <= max(song, window)
    if song > window:
        mirrored = [song - window - start for start in starts]
        assert all(min(abs(there - start) for start in starts) <= 1 for there in mirrored)


@given(st.integers(1, 10**9))
def test_one_window_of_parts_is_the_middle_one(song):
    assert window_starts(song, 480_000, 1) == window_starts(song, 480_000, "middle")


@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
@pytest.mark.parametrize("count", [1, 4_800, 159_999, 240_000, 240_001, 479_999, 480_000])
def test_padding_is_that_of_clap_feature_extractor(padding, count):
    from transformers import ClapFeatureExtractor

    extractor = ClapFeatureExtractor(**PREPROCESSOR | {"padding": padding})
    # Noise: a sample more or less between two repetitions changes every later frame.
    samples = np.random.default_rng(count).uniform(-1, 1, count).astype(np.float32)
    theirs = extractor(samples, sampling_rate=48_000, return_tensors="np")["input_features"]
    front_end = FrontEnd(padding=padding)
    ours = log_mel(pad_window(samples, front_end), front_end)
    assert np.abs(ours - theirs[0, 0]).max() <= 1e-3


@pytest.mark.parametrize("count", [0, 480_001])
def test_padding_refuses_what_is_no_short_window(count):
    with pytest.raises(ValueError, match=f"^{count} samples, expected 1 to 480000$"):
        pad_window(np.zeros(count, np.float32), FrontEnd())


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_pooling_is_the_mean_direction():
    east, north = np.eye(512, dtype=np.float32)[:2]
    pooled = pool(np.stack([east, north]))
    assert pooled.dtype == np.float32
    assert pooled[:2] == pytest.approx([0.5**0.5, 0.5**0.5], abs=1e-7)
    assert not pooled[2:].any()


def test_pooling_does_not_know_the_order_of_windows():
    rng = np.random.default_rng(0)
    rows = _unit(rng.standard_normal((64, 512)))
    pooled = pool(rows)
    assert float(np.linalg.norm(pooled)) == pytest.approx(1, abs=1e-6)
    for _ in range(20):
        assert np.array_equal(pool(rng.permutation(rows)), pooled)


def test_windows_that_cancel_out_have_no_mean_direction():
    east = np.eye(1, 512, dtype=np.float32)
    with pytest.raises(ModelError, match="pool to length 0, expected above 1e-6"):
        pool(np.concatenate([east, -east]))


def test_a_window_that_is_not_finite_has_no_mean_direction():
    rows = np.eye(3, 512, dtype=np.float32)
    rows[1, 7] = np.nan
    with pytest.raises(ModelError, match="pool to length nan"):
        pool(rows)
