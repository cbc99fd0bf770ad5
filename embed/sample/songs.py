"""Writes the sample songs: eight styles, six file formats, five sample rates, with tags."""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import mutagen
import mutagen.id3
import numpy as np
import soundfile
from numpy.typing import NDArray

from embed.sample.compose import SCALES, Layer, Plan, render
from embed.sample.effects import compress, drive, equalise, reverb
from embed.sample.styles import STYLES, Style

DEFAULT_COUNT: Final = 48
DEFAULT_SEED: Final = 2024
PEAK: Final = 0.7
"""Headroom: lossy encoders overshoot, and libsndfile clips integers."""

FORMATS: Final = (
    (".wav", 44_100, "PCM_16"),
    (".flac", 48_000, "PCM_16"),
    (".ogg", 32_000, "VORBIS"),
    (".mp3", 32_000, "MPEG_LAYER_III"),
    (".opus", 24_000, "OPUS"),
    (".wav", 22_050, "PCM_16"),
    (".flac", 32_000, "PCM_24"),
    (".aiff", 22_050, "PCM_16"),
    (".wav", 32_000, "FLOAT"),
)
"""(suffix, sample rate, libsndfile subtype). Nine formats and eight styles share no divisor, so
that each style meets each format. A third are lossy: encoding takes longer than playing."""

# fmt: off
ADJECTIVES: Final = (
    "Amber", "Crooked", "Distant", "Electric", "Folded", "Golden", "Hollow", "Icy", "Jade",
    "Lucky", "Midnight", "Narrow", "Orange", "Paper", "Quiet", "Restless", "Silver", "Tangled",
    "Velvet", "Wandering",
)
NOUNS: Final = (
    "Anchor", "Bicycle", "Comet", "Daybreak", "Elevator", "Ferry", "Garden", "Harvest", "Island",
    "Junction", "Kite", "Lantern", "Meadow", "Orbit", "Postcard", "River", "Signal", "Tram",
    "Umbrella", "Window",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Song:
    """One sample song before it is played: everything about it but the samples."""

    index: int
    style: Style
    title: str
    suffix: str
    rate_hz: int
    subtype: str
    channels: int
    duration_s: float

    @property
    def name(self) -> str:
        """``Artist - Title``; the title ends with the style, for people to judge answers by."""
        return f"{self.style.artist} - {self.title}"


def sample_songs(count: int = DEFAULT_COUNT, seed: int = DEFAULT_SEED) -> list[Song]:
    """What the songs are, in order; the styles take turns."""
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(len(ADJECTIVES) * len(NOUNS))
    songs = []
    for index in range(count):
        style = STYLES[index % len(STYLES)]
        adjective, noun = divmod(int(pairs[index % len(pairs)]), len(NOUNS))
        suffix, rate_hz, subtype = FORMATS[index % len(FORMATS)]
        # Past every pair of words, titles repeat; a number keeps the names apart.
        again = f" {index // len(pairs) + 1}" if index >= len(pairs) else ""
        songs.append(
            Song(
                index=index,
                style=style,
                title=f"{ADJECTIVES[adjective]} {NOUNS[noun]}{again} ({style.name})",
                suffix=suffix,
                rate_hz=rate_hz,
                subtype=subtype,
                channels=1 if index % 5 == 4 else 2,
                duration_s=float(rng.uniform(22, 30)),
            )
        )
    return songs


def play(song: Song, seed: int = DEFAULT_SEED) -> NDArray[np.float32]:
    """The song's samples: float32 ``(n, channels)``, peak 0.7. The same seed, the same samples."""
    rng = np.random.default_rng([seed, song.index])
    style, rate_hz = song.style, song.rate_hz
    plan = _draw_plan(style, rng)
    mix = np.zeros((2, int(song.duration_s * rate_hz)), dtype=np.float32)
    for layer in style.layers:
        samples = render(_varied(layer, rng), plan, song.duration_s, rate_hz, rng)
        mix[0] += samples * np.float32(np.sqrt(0.5 - 0.5 * layer.pan))
        mix[1] += samples * np.float32(np.sqrt(0.5 + 0.5 * layer.pan))
    if style.hiss:
        mix += np.float32(style.hiss) * rng.standard_normal(mix.shape, dtype=np.float32)
    if song.channels == 1:
        mix = mix.mean(axis=0, keepdims=True)
    mix = reverb(mix, rate_hz, style.reverb_s, style.reverb_mix * rng.uniform(0.7, 1.2), rng)
    mix = compress(drive(mix, style.drive), rate_hz, style.compression)
    tilt_db = style.tilt_db + float(rng.normal(0, 0.5))
    mix = equalise(mix, rate_hz, low_hz=25, high_hz=style.high_hz, tilt_db=tilt_db)
    fade = np.minimum(np.arange(mix.shape[1], dtype=np.float32) / (0.5 * rate_hz), 1)
    mix *= fade * fade[::-1]
    return np.ascontiguousarray((mix * np.float32(PEAK / np.abs(mix).max())).T)


def plan_of(song: Song, seed: int = DEFAULT_SEED) -> Plan:
    """What ``play`` plays: the song's key, tempo and chords."""
    return _draw_plan(song.style, np.random.default_rng([seed, song.index]))


def _draw_plan(style: Style, rng: np.random.Generator) -> Plan:
    progression = style.progressions[int(rng.integers(len(style.progressions)))]
    return Plan(
        tempo_bpm=float(rng.uniform(*style.tempo_bpm)),
        root_midi=int(rng.integers(55, 66)),
        scale=SCALES[style.scale],
        chords=progression,
        beats=style.beats,
        swing=style.swing,
    )


def _varied(layer: Layer, rng: np.random.Generator) -> Layer:
    """Each song plays its style's parts a little differently."""
    return dataclasses.replace(
        layer,
        level=layer.level * float(rng.uniform(0.7, 1.3)),
        density=min(layer.density * float(rng.uniform(0.85, 1.15)), 1.0),
        tune=layer.tune * float(rng.uniform(0.9, 1.1)),
        decay=layer.decay * float(rng.uniform(0.85, 1.2)),
    )


def write_song(folder: Path, seed: int, song: Song) -> Path:
    """Plays, encodes and tags one song; returns its path."""
    path = folder / f"{song.name}{song.suffix}"
    soundfile.write(path, play(song, seed), song.rate_hz, subtype=song.subtype, format=_kind(path))
    _tag(path, song)
    return path


def write_songs(
    folder: Path,
    count: int = DEFAULT_COUNT,
    seed: int = DEFAULT_SEED,
    workers: int | None = None,
) -> list[Path]:
    """Writes ``count`` songs into ``folder`` (made if absent); returns their paths in order.

    ``workers`` processes, one a core by default. Samples depend on ``seed`` only; a file's
    bytes may differ, since Ogg streams carry a random serial number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write = partial(write_song, folder, seed)
    songs = sample_songs(count, seed)
    workers = workers or os.cpu_count() or 1
    if workers == 1:
        return [write(song) for song in songs]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(write, songs))


def _kind(path: Path) -> str:
    return "OGG" if path.suffix == ".opus" else path.suffix[1:].upper()


def _tag(path: Path, song: Song) -> None:
    tags = mutagen.File(path)
    values = {"artist": song.style.artist, "title": song.title, "genre": song.style.name}
    if path.suffix in (".mp3", ".wav", ".aiff"):
        if tags.tags is None:
            tags.add_tags()
        frames = {"artist": "TPE1", "title": "TIT2", "genre": "TCON"}
        for key, value in values.items():
            frame = getattr(mutagen.id3, frames[key])
            tags.tags.add(frame(encoding=3, text=[value]))
    else:
        for key, value in values.items():
            tags[key] = [value]
    tags.save()
