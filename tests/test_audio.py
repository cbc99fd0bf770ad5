"""Windows as read from parts of a file against the same windows cut from the whole of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embed.audio import read_windows
from embed.errors import AudioError
from embed.spec import FrontEnd
from embed.windows import pad_window, window_starts
from tests.audio_files import decode_whole, encode, tune, without_xing, write, write_tune

# What librosa imports when it loads.
pytestmark = pytest.mark.filterwarnings("ignore:.*slated for removal:DeprecationWarning")

FRONT_END = FrontEnd()
RATE_HZ, COUNT = FRONT_END.sample_rate_hz, FRONT_END.window_samples


def _librosa(path: Path) -> np.ndarray:
    import librosa

    return librosa.load(path, sr=RATE_HZ)[0]


def _windows_of_whole(whole: np.ndarray, windows: str | int) -> np.ndarray:
    starts = window_starts(len(whole), COUNT, windows)
    return np.stack([pad_window(whole[at : at + COUNT], FRONT_END) for at in starts])


def _middle(whole: np.ndarray) -> np.ndarray:
    """The middle 10 s as the script that this replaces cut them."""
    start = max((len(whole) - COUNT) // 2, 0)
    return pad_window(whole[start : start + COUNT], FRONT_END)


@pytest.mark.parametrize(
    ("extension", "rate_hz", "channels", "seconds", "worst"),
    [
        ("wav", 8_000, 1, 37.123, 1e-6),
        ("wav", 11_025, 2, 11.0, 1e-6),
        ("wav", 22_050, 1, 0.1, 1e-6),
        ("wav", 44_100, 2, 37.123, 1e-6),
        ("wav", 44_100, 1, 10.0, 1e-6),
        ("wav", 44_101, 1, 21.7, 1e-4),
        ("wav", 48_000, 2, 10.1, 1e-6),
        ("wav", 88_200, 6, 11.3, 1e-6),
        ("wav", 96_000, 1, 12.0, 1e-6),
        ("wav", 192_000, 2, 15.55, 1e-6),
        ("wav", 192_000, 1, 0.1, 1e-6),
        ("wav", 48_000, 1, 1 / 48_000, 1e-6),
        ("wav", 192_000, 1, 1 / 192_000, 1e-6),
        ("wav", 8_000, 1, 600.0, 1e-6),
        ("aiff", 44_100, 2, 13.37, 1e-6),
        ("flac", 8_000, 2, 0.1, 1e-6),
        ("flac", 44_100, 2, 30.01, 1e-6),
        ("flac", 192_000, 1, 11.11, 1e-6),
        ("flac", 16_000, 1, 61.0, 1e-6),
        ("ogg", 8_000, 1, 600.0, 1e-6),
        ("ogg", 44_100, 2, 30.01, 1e-6),
        ("ogg", 48_000, 1, 0.1, 1e-6),
        ("ogg", 192_000, 2, 10.5, 1e-6),
        ("opus", 48_000, 2, 30.01, 1e-6),
        ("opus", 16_000, 1, 0.1, 1e-6),
        ("mp3", 8_000, 1, 300.0, 1e-6),
        ("mp3", 8_000, 2, 0.1, 1e-6),
        ("mp3", 22_050, 1, 23.0, 1e-6),
        ("mp3", 44_100, 2, 30.01, 1e-6),
        ("mp3", 44_100, 1, 0.1, 1e-6),
        ("mp3", 48_000, 2, 3.3, 1e-6),
    ],
)
def test_the_middle_window_is_that_of_librosa(
    tmp_path, extension, rate_hz, channels, seconds, worst
):
    path = write_tune(tmp_path / f"song.{extension}", seconds, rate_hz, channels)
    whole = _librosa(path)
    ours = read_windows(path, FRONT_END, "middle")
    assert ours.samples.shape == (1, COUNT)
    assert ours.samples.dtype == np.float32
    assert np.abs(ours.samples[0] - _middle(whole)).max() <= worst
    assert ours.duration_s == pytest.approx(seconds, abs=2 / rate_hz)


@pytest.mark.parametrize(
    ("extension", "rate_hz", "seconds", "windows"),
    [
        ("wav", 44_100, 53.9, 5),
        ("flac", 96_000, 23.0, 3),
        ("mp3", 44_100, 53.9, 5),
        # 61 s × 48 kHz / 22.05 kHz is a whole number that floating point takes for more.
        ("ogg", 22_050, 61.0, 16),
        ("wav", 8_000, 10.001, 64),
    ],
)
def test_many_windows_are_those_of_librosa(tmp_path, extension, rate_hz, seconds, windows):
    path = write_tune(tmp_path / f"song.{extension}", seconds, rate_hz)
    expected = _windows_of_whole(_librosa(path), windows)
    ours = read_windows(path, FRONT_END, windows).samples
    assert ours.shape == expected.shape
    assert np.abs(ours - expected).max() <= 1e-5


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz", "channels", "seconds", "windows"),
    [
        ("song.m4a", "aac", 44_100, 2, 31.7, "middle"),
        # Windows 10.78 s apart: what is skipped between two of them is one or two packets.
        ("song.m4a", "aac", 44_100, 1, 53.9, 5),
        ("song.m4a", "aac", 48_000, 2, 23.0, 4),
        ("song.m4a", "alac", 96_000, 2, 23.0, 3),
        ("song.aac", "aac", 22_050, 1, 35.0, 2),
    ],
)
def test_windows_of_m4a_are_those_of_a_whole_decode(
    tmp_path, name, codec, rate_hz, channels, seconds, windows
):
    import librosa

    path = encode(tmp_path / name, tune(seconds, rate_hz, channels), rate_hz, codec)
    whole = decode_whole(path)
    ours = read_windows(path, FRONT_END, windows)
    # An m4a tells its length; FFmpeg decodes the padding of the last packet after it.
    length = round(ours.duration_s * rate_hz)
    assert 0 <= len(whole) - length < 1024
    assert length == round(seconds * rate_hz) or name.endswith(".aac")
    resampled = librosa.resample(whole[:length], orig_sr=rate_hz, target_sr=RATE_HZ)
    expected = _windows_of_whole(resampled, windows)
    assert ours.samples.shape == expected.shape
    assert np.abs(ours.samples - expected).max() <= 1e-5


@pytest.mark.parametrize("lead", [b"", bytes(3000)], ids=["clean", "after zeros"])
def test_a_vbr_mp3_that_does_not_tell_its_length(tmp_path, lead):
    import librosa
    import soundfile

    quiet_then_loud = np.concatenate([tune(15, 44_100) * 1e-4, tune(45, 44_100, seed=1)])
    told = write(
        *(tmp_path / "told.mp3", quiet_then_loud, 44_100),
        bitrate_mode="VARIABLE",
        compression_level=0.3,
    )
    path = tmp_path / "untold.mp3"
    path.write_bytes(lead + without_xing(told.read_bytes()))
    assert soundfile.info(path).duration < 30, "libsndfile must be wrong here, or nothing is shown"

    ours = read_windows(path, FRONT_END, "middle")
    # No header: nothing tells the encoder's delay and padding apart from the song either.
    assert ours.duration_s == pytest.approx(60, abs=0.1)
    whole = librosa.resample(decode_whole(path), orig_sr=44_100, target_sr=RATE_HZ)
    assert np.abs(ours.samples[0] - _middle(whole)).max() <= 1e-5


def test_the_same_file_gives_the_same_bits(tmp_path):
    path = write_tune(tmp_path / "song.mp3", 25, 44_100, channels=2)
    first, second = (read_windows(path, FRONT_END, 5).samples for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("channels", [2, 64])
def test_channels_are_averaged(tmp_path, channels):
    samples = tune(1, 48_000, channels)
    path = write(tmp_path / "song.wav", samples, 48_000, subtype="FLOAT")
    ours = read_windows(path, FRONT_END, "middle").samples[0]
    assert ours[:48_000] == pytest.approx(samples.mean(axis=1), abs=1e-6)


@pytest.mark.parametrize(
    ("value", "name"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")], ids=str
)
def test_a_sample_that_is_no_number_is_named_by_its_place(tmp_path, value, name):
    samples = tune(30, 8_000)
    samples[15 * 8_000] = value
    path = write(tmp_path / "song.wav", samples, 8_000, subtype="FLOAT")
    with pytest.raises(AudioError, match=rf"^sample at 15\.000 s is {name}$"):
        read_windows(path, FRONT_END, "middle")


def test_a_bad_sample_that_no_window_touches_costs_nothing(tmp_path):
    samples = tune(30, 8_000)
    samples[0] = np.nan
    path = write(tmp_path / "song.wav", samples, 8_000, subtype="FLOAT")
    assert np.isfinite(read_windows(path, FRONT_END, "middle").samples).all()


def test_a_file_without_samples_is_refused(tmp_path):
    path = write(tmp_path / "song.wav", np.zeros((0, 1), np.float32), 48_000)
    with pytest.raises(AudioError, match=r"^no audio frames \(0 samples\)$"):
        read_windows(path, FRONT_END, "middle")
