"""The spec: its numbers against transformers' own, its digest, its errors."""

from __future__ import annotations

import hashlib
import json

import pytest

from embed.errors import BundleError, ModelError
from embed.spec import FrontEnd, Spec, parse_windows
from tests.checkpoints import PREPROCESSOR


def test_defaults_are_what_the_released_checkpoint_asks_for():
    assert FrontEnd.from_preprocessor(PREPROCESSOR, "preprocessor_config.json") == FrontEnd()


def test_defaults_are_what_transformers_computes_with():
    from transformers import ClapFeatureExtractor

    theirs = ClapFeatureExtractor(truncation="rand_trunc", frequency_min=50, frequency_max=14000)
    ours = FrontEnd()
    assert (ours.sample_rate_hz, ours.fft_samples, ours.hop_samples, ours.mel_bands) == (
        theirs.sampling_rate,
        theirs.fft_window_size,
        theirs.hop_length,
        theirs.feature_size,
    )
    assert (ours.window_samples, ours.padding) == (theirs.nb_max_samples, theirs.padding)
    assert (ours.frames, ours.window_s) == (1001, 10.0)


def test_an_older_preprocessor_tells_its_length_in_seconds():
    older = {k: v for k, v in PREPROCESSOR.items() if k != "nb_max_samples"} | {"max_length_s": 7}
    assert FrontEnd.from_preprocessor(older, "x").window_samples == 336_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"truncation": "fusion"}, ["'fusion'", "unfused"]),
        ({"hop_length": None}, ["hop_samples is None"]),
        ({"hop_length": 0}, ["hop_samples is 0"]),
        ({"hop_length": 480.5}, ["hop_samples is 480.5"]),
        ({"feature_size": True}, ["mel_bands is True"]),
        ({"frequency_min": "50"}, ["frequency_min is '50'"]),
        ({"frequency_min": 14000}, ["14000.0–14000", "24000"]),
        ({"frequency_max": 24001}, ["24001", "24000"]),
        ({"frequency_max": float("nan")}, ["nan"]),
        ({"padding": "reflect"}, ["'reflect'", "repeatpad"]),
        ({"nb_max_samples": 1023}, ["1023", "1024"]),
        ({"nb_max_samples": None, "max_length_s": None}, ["max_length_s"]),
    ],
)
def test_a_preprocessor_that_makes_no_sense_is_refused_by_name(change, words):
    with pytest.raises(ModelError) as caught:
        FrontEnd.from_preprocessor(PREPROCESSOR | change, "dir/preprocessor_config.json")
    for word in ["dir/preprocessor_config.json", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize("field", ["sampling_rate", "hop_length", "padding", "frequency_max"])
def test_a_preprocessor_without_a_field_is_refused_by_name(field):
    config = {k: v for k, v in PREPROCESSOR.items() if k != field}
    with pytest.raises(ModelError, match=f"^here: missing {field}$"):
        FrontEnd.from_preprocessor(config, "here")


def test_the_digest_is_that_of_the_canonical_json():
    canonical = (
        '{"front_end":{"fft_samples":1024,"frequency_max_hz":14000.0,"frequency_min_hz":50.0,'
        '"hop_samples":480,"mel_bands":64,"padding":"repeatpad","sample_rate_hz":48000,'
        '"window_samples":480000},"model_sha256":"ab","pooling":"mean of unit embeddings",'
        '"resampler":"soxr HQ","windows":"middle"}'
    )
    assert Spec("ab", windows="middle").digest == hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        Spec("cd"),
        Spec("ab", windows=3),
        Spec("ab", windows="middle"),
        Spec("ab", front_end=FrontEnd(hop_samples=240)),
        Spec("ab", front_end=None),
        Spec("ab", pooling="max"),
        Spec("ab", resampler="soxr VHQ"),
    ],
)
def test_each_field_decides_the_digest(other):
    assert other.digest != Spec("ab").digest


@pytest.mark.parametrize("spec", [Spec("ab"), Spec("ab", front_end=None, windows="middle")])
def test_json_there_and_back(spec):
    assert Spec.from_json(json.loads(json.dumps(spec.to_json())), "here") == spec


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"model_sha256": "ab", "loudness": 3},
        {"model_sha256": "ab", "front_end": {"hop": 1}},
        {"model_sha256": "ab", "front_end": {"hop_samples": -1}},
        {"model_sha256": "ab", "front_end": 7},
        {"model_sha256": "ab", "front_end": {"frequency_min_hz": "low"}},
    ],
)
def test_a_spec_that_cannot_be_read_is_refused_by_place(value):
    with pytest.raises(BundleError, match=r"^somewhere: the spec cannot be read: "):
        Spec.from_json(value, "somewhere")


@pytest.mark.parametrize(
    ("text", "windows"), [("middle", "middle"), ("1", "middle"), ("2", 2), ("064", 64)]
)
def test_windows_as_typed(text, windows):
    assert parse_windows(text) == windows


@pytest.mark.parametrize("text", ["0", "65", "-1", "1.5", "all", "", "²", "1e1", " 5"])
def test_windows_that_make_no_sense(text):
    with pytest.raises(ValueError, match="expected 'middle' or a number from 1 to 64"):
        parse_windows(text)
