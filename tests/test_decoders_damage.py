"""Songs cut short or damaged: what is left of them decodes rightly, or is refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from embed.audio import read_windows
from embed.errors import AudioError
from embed.spec import FrontEnd
from tests.audio_files import every_kind


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> dict[str, bytes]:
    """Half a minute of a tune in every format, as bytes."""
    return every_kind(tmp_path_factory.mktemp("songs"), seconds=30)


@pytest.mark.parametrize(
    ("kind", "kept", "slack_s"),
    [
        ("wav", 0.5, 0.01),
        ("aiff", 0.5, 0.01),
        ("flac", 0.5, 0.5),
        ("ogg", 0.5, 1.0),
        ("opus", 0.5, 1.5),
        ("mp3", 0.5, 1.0),
        ("mp3", 0.98, 0.5),
        ("aac", 0.5, 0.5),
        ("flac", 0.02, 0.2),
    ],
)
def test_a_truncated_song_is_what_is_left_of_it(tmp_path, songs, kind, kept, slack_s):
    path = tmp_path / f"song.{kind}"
    path.write_bytes(songs[kind][: int(len(songs[kind]) * kept)])
    found = read_windows(path, FrontEnd(), "middle")
    assert found.duration_s == pytest.approx(30 * kept, abs=slack_s)
    # None of it is missing: the tune is nowhere silent for a tenth of a second.
    tenths = found.samples[0][: int(min(found.duration_s, 10) * 10) * 4_800].reshape(-1, 4_800)
    assert np.abs(tenths).max(axis=1).min() > 0.05


@pytest.mark.parametrize("kind", ["m4a", "ogg", "opus"])
def test_a_song_cut_off_in_its_head_is_refused(tmp_path, songs, kind):
    path = tmp_path / f"song.{kind}"
    path.write_bytes(songs[kind][:300])
    with pytest.raises(AudioError, match=r"libsndfile: .*; FFmpeg: "):
        read_windows(path, FrontEnd(), "middle")


def test_a_song_of_which_nothing_decodes_is_not_taken_for_silence(tmp_path, songs):
    path = tmp_path / "song.flac"
    path.write_bytes(songs["flac"][:6000])
    with pytest.raises(AudioError, match=r"^only 0 of \d+ frames from 0 can be decoded$"):
        read_windows(path, FrontEnd(), "middle")


@pytest.mark.parametrize(
    ("kind", "words"),
    [("flac", "cannot decode from frame"), ("m4a", "frames from .* can be decoded")],
)
def test_damage_where_it_is_read_is_refused(tmp_path, songs, kind, words):
    path = tmp_path / f"song.{kind}"
    path.write_bytes(_damaged(songs[kind], 0.45, 0.48))
    with pytest.raises(AudioError, match=words):
        read_windows(path, FrontEnd(), "middle")


@pytest.mark.parametrize("kind", ["flac", "m4a", "mp3", "ogg", "aac"])
def test_damage_elsewhere_costs_nothing(tmp_path, songs, kind):
    path = tmp_path / f"song.{kind}"
    path.write_bytes(_damaged(songs[kind], 0.05, 0.051))
    found = read_windows(path, FrontEnd(), "middle")
    assert found.duration_s == pytest.approx(30, abs=0.5)


def test_a_few_damaged_packets_are_a_gap(tmp_path, songs):
    path = tmp_path / "song.m4a"
    path.write_bytes(_damaged(songs["m4a"], 0.45, 0.452))
    found = read_windows(path, FrontEnd(), "middle").samples[0]
    whole = tmp_path / "whole.m4a"
    whole.write_bytes(songs["m4a"])
    expected = read_windows(whole, FrontEnd(), "middle").samples[0]
    assert 0.9 < float(found @ expected / (np.linalg.norm(found) * np.linalg.norm(expected))) < 1


def _damaged(song: bytes, start: float, stop: float) -> bytes:
    low, high = int(len(song) * start), int(len(song) * stop)
    return song[:low] + np.random.default_rng(1).bytes(high - low) + song[high:]
