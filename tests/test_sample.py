"""The sample songs: what they are, that they are read back, and that a seed decides them."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile

from embed.encoder import Encoder
from embed.mel import log_mel
from embed.sample import (
    MODEL_PATH,
    PREPROCESSOR_PATH,
    TEXT_INFO_PATH,
    TEXT_PATH,
    TOKENIZER_PATH,
)
from embed.sample.effects import compress, echo, equalise, fast_size
from embed.sample.songs import (
    FORMATS,
    PEAK,
    Song,
    plan_of,
    play,
    sample_songs,
    write_song,
    write_songs,
)
from embed.sample.styles import STYLES
from embed.sample.synth import DRUMS, Timbre, drum, harmonic, note
from embed.spec import FrontEnd
from embed.text import TextEncoder
from embed.windows import pool, window_starts
from export.sample.recall import Catalogue, recall
from export.sample.terms import HELD_OUT, TRAINING, Truth, described, sentence
from export.sample.text import ship
from tests.processes import REPOSITORY
from tests.same_model import assert_same_model

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own while tracing

HELD_OUT_SEED = 99
SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff"}


def short(index: int, seed: int = 1) -> Song:
    """Song ``index``, cut to two seconds: playing costs by the second."""
    return dataclasses.replace(sample_songs(index + 1, seed)[index], duration_s=2.0)


def test_forty_eight_songs_of_eight_styles_with_names_apart() -> None:
    songs = sample_songs()
    assert Counter(song.style.name for song in songs) == {style.name: 6 for style in STYLES}
    assert len(STYLES) == 8
    assert len({song.name.casefold() for song in songs}) == 48
    assert {song.suffix for song in songs} == SUFFIXES
    assert {song.rate_hz for song in songs} == {22_050, 24_000, 32_000, 44_100, 48_000}
    assert {song.channels for song in songs} == {1, 2}
    for song in songs:
        assert song.name == f"{song.style.artist} - {song.title}"
        assert song.title.endswith(f"({song.style.name})")


def test_names_stay_apart_past_every_pair_of_words() -> None:
    assert len({song.name for song in sample_songs(900)}) == 900


@pytest.mark.parametrize("index", range(len(FORMATS)), ids=[f[0] + str(f[1]) for f in FORMATS])
def test_a_written_song_reads_back_with_its_tags(tmp_path: Path, index: int) -> None:
    song = short(index)
    path = write_song(tmp_path, 1, song)
    info = soundfile.info(path)
    assert (info.samplerate, info.channels) == (song.rate_hz, song.channels)
    assert info.duration == pytest.approx(2.0, abs=0.1)
    samples, _ = soundfile.read(path)
    assert 0.3 * PEAK < np.abs(samples).max() <= 1.0
    tags = mutagen.File(path)
    keys = ("TPE1", "TIT2") if "TIT2" in tags else ("artist", "title")
    assert [str(tags[key][0]) for key in keys] == [song.style.artist, song.title]


def test_a_seed_decides_the_samples() -> None:
    song = short(4)
    np.testing.assert_array_equal(play(song, seed=5), play(song, seed=5))
    assert np.abs(play(song, seed=5) - play(song, seed=6)).max() > 0.1


def test_workers_do_not_change_what_is_written(tmp_path: Path) -> None:
    one = write_songs(tmp_path / "one", count=2, seed=3, workers=1)
    two = write_songs(tmp_path / "two", count=2, seed=3, workers=2)
    assert [path.name for path in one] == [path.name for path in two]
    for left, right in zip(one, two, strict=True):
        np.testing.assert_array_equal(soundfile.read(left)[0], soundfile.read(right)[0])


def test_a_note_has_the_pitch_it_is_given() -> None:
    timbre = Timbre(harmonic(8, 1.0), attack_s=0.01, sustain=1.0)
    samples = note(timbre, 69, 1.0, 48_000, np.random.default_rng(0))[:48_000]
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(48_000)))
    assert int(spectrum.argmax()) == 440
    # The octave is a second partial of half the amplitude: −6 dB.
    assert spectrum[880] / spectrum[440] == pytest.approx(0.5, abs=0.02)


def test_partials_above_half_the_rate_are_left_out() -> None:
    timbre = Timbre(harmonic(40, 0.5), sustain=1.0, release_s=0.01)
    samples = note(timbre, 96, 1.0, 22_050, np.random.default_rng(0))[:22_050]
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(22_050)))
    between = np.ones(len(spectrum), dtype=bool)
    for partial in range(1, 6):
        between[int(2093 * partial) - 8 : int(2093 * partial) + 9] = False
    assert spectrum[between].max() < 0.02 * spectrum.max()


@pytest.mark.parametrize("kind", DRUMS)
def test_drums_die_away(kind: str) -> None:
    hit = drum(kind, 1.0, 1.0, 44_100, np.random.default_rng(0))  # type: ignore[arg-type]
    half = len(hit) // 2
    assert np.isfinite(hit).all()
    assert np.square(hit[half:]).sum() < 0.2 * np.square(hit[:half]).sum()


@pytest.mark.parametrize(("hz", "gain_db"), [(100, 0.0), (2_000, -3.01), (8_000, -96.3)])
def test_the_low_pass_is_eighth_order(hz: int, gain_db: float) -> None:
    tone = np.sin(2 * np.pi * hz * np.arange(65_536) / 32_768).astype(np.float32)
    out = equalise(tone, 32_768, high_hz=2_000)
    middle = slice(16_384, 49_152)
    found_db = 10 * np.log10(np.square(out[middle]).mean() / np.square(tone[middle]).mean())
    # 1 / (1 + (f / fc)^8) in amplitude is −6.02 dB at the corner.
    expected_db = 2 * gain_db if hz == 2_000 else gain_db
    assert found_db == pytest.approx(expected_db, abs=0.1)


def test_an_echo_repeats_and_fades() -> None:
    click = np.zeros(1_000, dtype=np.float32)
    click[0] = 1
    out = echo(click, rate_hz=1_000, delay_s=0.1, feedback=0.5)
    np.testing.assert_allclose(out[[0, 100, 200, 300]], [1, 0.5, 0.25, 0.125])


def test_compression_evens_out() -> None:
    rng = np.random.default_rng(0)
    loud = np.repeat([1.0, 0.1], 8_000).astype(np.float32) * rng.standard_normal(16_000)
    out = compress(loud.astype(np.float32), 8_000, 0.5)
    ratio = np.sqrt(np.square(out[:8_000]).mean() / np.square(out[8_000:]).mean())
    assert ratio == pytest.approx(10**0.5, rel=0.1)


@pytest.mark.parametrize(
    ("count", "size"), [(1, 1), (1_000, 1_024), (1_100, 1_280), (1_281, 1_536)]
)
def test_fast_sizes(count: int, size: int) -> None:
    assert fast_size(count) == size


def test_the_command_writes_songs_and_refuses_none(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "embed.sample"]
    done = subprocess.run(
        [*command, tmp_path, "--count", "1"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"1 sample songs in {tmp_path}\n")
    assert len(list(tmp_path.iterdir())) == 1
    wrong = subprocess.run(
        [*command, tmp_path, "--count", "0"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert "--count is 0, expected 1 or more" in wrong.stderr


@pytest.fixture(scope="module")
def embedded() -> tuple[list[str], np.ndarray]:
    """Styles of 24 songs of another seed, and their two windows' embeddings ``(24, 2, 512)``."""
    front_end = FrontEnd.from_preprocessor(json.loads(PREPROCESSOR_PATH.read_text()), "sample")
    encoder = Encoder(MODEL_PATH, front_end)
    songs = [
        dataclasses.replace(song, rate_hz=48_000, channels=1, duration_s=24.0)
        for song in sample_songs(24, seed=HELD_OUT_SEED)
    ]
    rows = []
    for song in songs:
        samples = play(song, seed=HELD_OUT_SEED)[:, 0]
        for start in window_starts(len(samples), front_end.window_samples, 2):
            window = samples[start : start + front_end.window_samples]
            rows.append(encoder.embed(log_mel(window, front_end)))
    return [song.style.name for song in songs], np.stack(rows).reshape(24, 2, 512)


@pytest.mark.parametrize("least", [0.9])
def test_a_window_finds_the_other_of_its_song(
    embedded: tuple[list[str], np.ndarray], least: float
) -> None:
    flat = embedded[1].reshape(48, 512)
    similar = flat @ flat.T
    np.fill_diagonal(similar, -1)
    assert (similar.argmax(axis=1) == np.arange(48) ^ 1).mean() >= least


@pytest.mark.parametrize("least", [0.85])
def test_the_nearest_other_song_is_of_the_same_style(
    embedded: tuple[list[str], np.ndarray], least: float
) -> None:
    styles, rows = np.array(embedded[0]), embedded[1].mean(axis=1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    similar = rows @ rows.T
    np.fill_diagonal(similar, -1)
    assert (styles[similar.argmax(axis=1)] == styles).mean() >= least


def test_the_model_is_small() -> None:
    assert MODEL_PATH.stat().st_size <= 8_000_000
    assert TEXT_PATH.stat().st_size <= 2_000_000


@pytest.mark.parametrize(("templates", "least"), [(TRAINING, 0.9), (HELD_OUT, 0.9)])
def test_words_find_the_songs_that_they_are_true_of(
    embedded: tuple[list[str], np.ndarray], templates: tuple[str, ...], least: float
) -> None:
    songs = described(sample_songs(24, seed=HELD_OUT_SEED), HELD_OUT_SEED)
    assert [song.style for song in songs] == embedded[0]
    among = Catalogue(songs, np.stack([pool(windows) for windows in embedded[1]]))
    encoder = TextEncoder(TEXT_PATH, TOKENIZER_PATH)
    found = recall(lambda texts: np.stack([*map(encoder.embed, texts)]), [among], templates)
    assert found.fitting >= least
    assert found.style >= 0.8


def test_a_sentence_is_true_of_its_song() -> None:
    songs = described(sample_songs(16, seed=3), 3)
    rng, truth = np.random.default_rng(0), Truth(songs)
    kinds = set()
    for place in [*range(16)] * 20:
        text, terms = sentence(songs[place], [*TRAINING, *HELD_OUT], rng)
        assert truth.of(terms)[place], text
        assert "{" not in text
        kinds |= {term.kind for term in terms}
    assert kinds == {"style", "instrument", "without", "mood", "use", "tempo"}


def test_the_plan_told_is_the_plan_played() -> None:
    # Nothing else of the generator knows the tempo: sentences would lie.
    song = sample_songs(3, seed=5)[2]
    assert song.style.name == "House"
    low, high = song.style.tempo_bpm
    assert low <= plan_of(song, 5).tempo_bpm <= high
    assert plan_of(song, 5) == plan_of(song, 5) != plan_of(song, 6)


def test_the_shipped_text_tower_is_the_checkpoints(tmp_path: Path) -> None:
    ship(REPOSITORY / "export/sample_text_checkpoint", tmp_path)
    assert_same_model(tmp_path / TEXT_PATH.name, TEXT_PATH)
    assert (tmp_path / TOKENIZER_PATH.name).read_bytes() == TOKENIZER_PATH.read_bytes()
    assert json.loads((tmp_path / TEXT_INFO_PATH.name).read_text())["max_tokens"] == 64
