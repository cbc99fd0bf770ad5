"""What the benchmarks run on, made once and kept in .cache/bench."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from embed.sample.songs import play, sample_songs
from tests.checkpoints import write_random_clap

SONGS = 24
PRECISIONS = ("fp32", "int8")
SAMPLE_CHECKPOINT = Path("export/sample_checkpoint")
MIX_S = 10 * 3600


@dataclass(frozen=True, slots=True)
class Models:
    """A checkpoint and the bundles with its converted model, by precision."""

    name: str
    checkpoint: Path
    bundles: dict[str, Path]
    is_full_size: bool


def full_size(cache: Path) -> Models:
    """CLAP as released but for its weights, which are random."""
    folder = cache / "clap-random"
    if not (folder / "preprocessor_config.json").exists():
        write_random_clap(folder)
    return Models("CLAP (random weights)", folder, _exported(cache, folder), is_full_size=True)


def sample(cache: Path) -> Models:
    """The model that is shipped."""
    bundles = _exported(cache, SAMPLE_CHECKPOINT)
    return Models("the sample model", SAMPLE_CHECKPOINT, bundles, is_full_size=False)


def _exported(cache: Path, weights: Path) -> dict[str, Path]:
    bundles = {}
    for precision in PRECISIONS:
        bundles[precision] = cache / f"{weights.name}-{precision}"
        if not (bundles[precision] / "manifest.json").exists():
            subprocess.run(
                [sys.executable, "-m", "export", "--model", str(weights), "--to",
                 str(bundles[precision]), "--precision", precision],
                check=True,
            )  # fmt: skip
    return bundles


def long_songs(cache: Path) -> Path:
    """Songs of 2 to 3 minutes, Ogg Vorbis and MP3 by turns."""
    folder = cache / "songs"
    folder.mkdir(parents=True, exist_ok=True)
    for song in sample_songs(SONGS, seed=7):
        kind, subtype = (("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"))[song.index % 2]
        path = folder / f"{song.name}.{kind.lower()}"
        if not path.exists():
            long = dataclasses.replace(song, duration_s=song.duration_s * 5, rate_hz=44_100)
            _write(path, play(long), long.rate_hz, kind, subtype)
    return folder


def _write(path: Path, samples: NDArray[np.float32], rate_hz: int, kind: str, subtype: str) -> None:
    """As ``soundfile.write``, a second at a time: libvorbis keeps all of a call on its stack,
    which a song of minutes overflows."""
    partial = path.with_suffix(".partial")
    channels = samples.shape[1] if samples.ndim == 2 else 1
    with soundfile.SoundFile(partial, "w", rate_hz, channels, subtype, format=kind) as file:
        for start in range(0, len(samples), rate_hz):
            file.write(samples[start : start + rate_hz])
    partial.rename(path)


def tiny_songs(cache: Path, count: int) -> Path:
    """That many WAVs of half a second, no two alike: what a song costs beside its audio."""
    folder = cache / f"tiny-{count}"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(count)
    for number in range(len(list(folder.iterdir())), count):
        noise = (rng.standard_normal(4_000) * 3_000).astype(np.int16)
        soundfile.write(folder / f"Artist {number % 97} - Song {number}.wav", noise, 8_000)
    return folder


def ten_hour_mix(folder: Path) -> Path:
    """One MP3 of ten hours: the stream of a minute, six hundred times over."""
    minute = folder / "minute.mp3"
    seconds = np.arange(60 * 44_100) / 44_100
    swell = 0.3 * np.sin(2 * np.pi * (220 + 40 * np.sin(seconds)) * seconds)
    _write(minute, swell.astype(np.float32), 44_100, "MP3", "MPEG_LAYER_III")
    mix = folder / "mix" / "Nobody - Ten Hours.mp3"
    mix.parent.mkdir()
    with mix.open("wb") as file:
        for _ in range(MIX_S // 60):
            file.write(minute.read_bytes())
    return mix.parent
