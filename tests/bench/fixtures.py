"""What the benchmarks run on, made once and kept in .cache/bench."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import soundfile

from embed.sample.songs import play, sample_songs
from tests.checkpoints import write_random_clap

SONGS = 24
PRECISIONS = ("fp32", "int8")


def checkpoint(cache: Path) -> Path:
    """A full-size CLAP with random weights."""
    folder = cache / "clap-random"
    if not (folder / "preprocessor_config.json").exists():
        write_random_clap(folder)
    return folder


def exported(cache: Path, weights: Path) -> dict[str, Path]:
    """A bundle with the converted model for each precision."""
    bundles = {}
    for precision in PRECISIONS:
        bundles[precision] = cache / f"clap-random-{precision}"
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
            soundfile.write(path, play(long), long.rate_hz, subtype=subtype, format=kind)
    return folder
