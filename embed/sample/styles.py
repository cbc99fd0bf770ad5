"""Eight styles, each recognisable by ear and by name, as data for compose.render."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from embed.sample.compose import Layer
from embed.sample.synth import Timbre, formants, harmonic

SQUARE: Final = Timbre(harmonic(40, 1.0, odd_only=True), attack_s=0.002, decay_s=0.1, sustain=0.5)
PULSE: Final = Timbre(formants(30, (1, 3, 6)), attack_s=0.002, decay_s=0.08, sustain=0.3)
PAD: Final = Timbre(
    harmonic(12, 2.0), attack_s=0.6, sustain=0.9, release_s=0.8, voices=3, detune_cents=12
)
CHOIR: Final = Timbre(
    formants(20, (2, 5)),
    attack_s=0.3,
    sustain=0.9,
    release_s=0.6,
    vibrato_hz=5,
    vibrato_semitones=0.2,
    breath=0.02,
)
SAW_BASS: Final = Timbre(harmonic(30, 1.0), attack_s=0.003, sustain=0.6, dulling_s=0.12)
STAB: Final = Timbre(
    harmonic(40, 0.9), sustain=0.0, decay_s=0.2, dulling_s=0.15, voices=3, detune_cents=15
)
PIANO: Final = Timbre(
    harmonic(16, 1.4), attack_s=0.003, sustain=0.0, decay_s=0.9, dulling_s=0.4, release_s=0.2
)
STRINGS: Final = Timbre(
    harmonic(24, 1.2),
    attack_s=0.12,
    sustain=0.9,
    release_s=0.3,
    vibrato_hz=5.5,
    vibrato_semitones=0.25,
)
REESE: Final = Timbre(harmonic(40, 0.8), attack_s=0.01, sustain=1.0, voices=3, detune_cents=22)
GONG: Final = Timbre(
    (1.0, 0.7, 0.6, 0.4, 0.3),
    ratios=(1.0, 1.52, 2.41, 3.46, 5.12),
    sustain=0.0,
    decay_s=1.5,
    dulling_s=0.9,
    release_s=0.8,
)
BELL: Final = Timbre(
    (1.0, 0.5, 0.4),
    ratios=(1.0, 2.76, 5.4),
    sustain=0.0,
    decay_s=0.5,
    dulling_s=0.4,
    release_s=0.4,
)
GUITAR: Final = Timbre(harmonic(30, 0.9), attack_s=0.004, sustain=0.5, decay_s=0.5)
RHODES: Final = Timbre(
    (1.0, 0.1, 0.05, 0.02, 0.0, 0.0, 0.1),
    attack_s=0.004,
    sustain=0.2,
    decay_s=0.7,
    release_s=0.25,
    dulling_s=0.3,
    vibrato_hz=4.5,
    vibrato_semitones=0.06,
)
FLUTE: Final = Timbre(
    (1.0, 0.35, 0.15, 0.05), attack_s=0.05, vibrato_hz=5, vibrato_semitones=0.2, breath=0.04
)


@dataclass(frozen=True, slots=True)
class Style:
    """A way of playing: whose it is, the ranges a song draws from, and its production."""

    name: str
    artist: str
    tempo_bpm: tuple[float, float]
    scale: str
    progressions: tuple[tuple[int, ...], ...]
    layers: tuple[Layer, ...]
    beats: int = 4
    swing: float = 0.0
    reverb_s: float = 0.5
    reverb_mix: float = 0.1
    high_hz: float = 1e9
    tilt_db: float = 0.0
    drive: float = 0.0
    compression: float = 0.0
    hiss: float = 0.0


STYLES: Final[tuple[Style, ...]] = (
    Style(
        "Chiptune",
        "Pixel Arcade",
        (140, 170),
        "major",
        ((0, 4, 5, 3), (0, 5, 3, 4)),
        (
            Layer("arpeggio", SQUARE, 0.7, 5, steps=4, density=0.95, hold=0.7),
            Layer("melody", PULSE, 0.9, 5, steps=2, density=0.7, pan=0.2),
            Layer("bass", SQUARE, 0.7, 3, steps=2, density=0.9, hold=0.6, high_hz=3000),
            Layer("drums", level=0.5, steps=4, pattern=(("hat", "x.o."), ("snare", "....x..."))),
        ),
        reverb_mix=0.0,
    ),
    Style(
        "Ambient",
        "Slow Harbour",
        (58, 72),
        "pentatonic",
        ((0, 2), (0, 3), (0, 1)),
        (
            Layer("drone", PAD, 1.0, 2, steps=1, density=0.3, hold=8, high_hz=900),
            Layer("chords", CHOIR, 0.8, 4, steps=1, density=0.4, hold=6, pan=-0.3),
            Layer("melody", FLUTE, 0.35, 5, steps=1, density=0.25, hold=2, pan=0.4),
            Layer("noise", level=0.12, density=0.2, high_hz=1200),
        ),
        reverb_s=5.0,
        reverb_mix=0.65,
        tilt_db=-1.5,
    ),
    Style(
        "House",
        "Neon Warehouse",
        (120, 128),
        "minor",
        ((0, 0, 5, 6), (0, 3, 0, 4)),
        (
            Layer("drums", level=1.3, steps=4, pattern=(("kick", "x..."), ("clap", "....x..."))),
            Layer("drums", level=0.4, steps=4, pattern=(("open", "..x."), ("shaker", "oxox"))),
            Layer("bass", SAW_BASS, 0.9, 2, steps=4, density=0.6, hold=0.8, high_hz=1500),
            Layer("chords", STAB, 0.7, 4, steps=2, density=0.6, echo=0.4, pan=0.2),
        ),
        compression=0.4,
        reverb_s=0.8,
    ),
    Style(
        "Waltz",
        "The Parlour Trio",
        (150, 185),
        "major",
        ((0, 0, 4, 4), (0, 3, 4, 0), (0, 5, 1, 4)),
        (
            Layer("bass", PIANO, 0.8, 3, steps=1, density=0.4, hold=1.2, pan=-0.2),
            Layer("chords", PIANO, 0.7, 4, steps=1, density=0.85, hold=0.8, pan=-0.2),
            Layer("melody", STRINGS, 0.9, 5, steps=1, density=0.75, hold=1.1, pan=0.3),
        ),
        beats=3,
        reverb_s=1.6,
        reverb_mix=0.3,
        tilt_db=-0.5,
    ),
    Style(
        "Drum and Bass",
        "Breakneck Foundry",
        (170, 178),
        "minor",
        ((0, 0, 5, 5), (0, 6, 5, 0)),
        (
            Layer("bass", REESE, 1.0, 2, steps=1, density=0.6, hold=2, high_hz=700, drive=4),
            Layer(
                "drums",
                level=1.3,
                steps=4,
                tune=1.3,
                decay=0.8,
                pattern=(
                    ("kick", "x.........x....."),
                    ("snare", "....x..o.o..x..o"),
                    ("hat", "xoxoxoxo"),
                ),
            ),
            Layer("chords", PAD, 0.35, 5, steps=1, density=0.4, hold=4),
        ),
        compression=0.5,
        tilt_db=0.8,
    ),
    Style(
        "Gamelan",
        "Copper Gongs",
        (85, 105),
        "pelog",
        ((0,), (0, 2)),
        (
            Layer("arpeggio", BELL, 0.9, 5, steps=4, density=0.8, pan=0.3),
            Layer("melody", GONG, 0.9, 4, steps=1, density=0.8, pan=-0.3),
            Layer("bass", GONG, 0.8, 2, steps=1, density=0.25, hold=3),
        ),
        reverb_s=2.2,
        reverb_mix=0.35,
    ),
    Style(
        "Garage Rock",
        "The Rusty Amps",
        (128, 150),
        "blues",
        ((0, 0, 2, 3), (0, 3, 0, 4)),
        (
            Layer(
                "chords", GUITAR, 1.0, 3, steps=2, density=0.95, hold=1.8, drive=20, high_hz=4500
            ),
            Layer("bass", GUITAR, 0.7, 2, steps=2, density=0.95, high_hz=900, drive=3),
            Layer("melody", GUITAR, 0.5, 5, steps=2, density=0.5, drive=25, high_hz=5000, pan=0.4),
            Layer(
                "drums",
                level=1.1,
                steps=2,
                decay=1.3,
                pattern=(("kick", "x..xx..."), ("snare", "..x...x."), ("open", "xxxx")),
            ),
        ),
        reverb_mix=0.12,
        drive=1.5,
        compression=0.3,
    ),
    Style(
        "Lo-Fi",
        "Kitchen Cassette",
        (72, 88),
        "dorian",
        ((1, 4, 0, 5), (0, 3, 1, 4)),
        (
            Layer("chords", RHODES, 1.0, 4, steps=1, density=0.7, hold=2),
            Layer("melody", RHODES, 0.5, 5, steps=2, density=0.35, pan=0.3, echo=0.3),
            Layer("bass", FLUTE, 0.8, 2, steps=2, density=0.5, hold=1.2, high_hz=400),
            Layer(
                "drums",
                level=0.8,
                steps=4,
                tune=0.8,
                pattern=(("kick", "x.....x.x......."), ("snare", "....x......."), ("hat", "x.xo")),
            ),
        ),
        swing=0.25,
        high_hz=4200,
        drive=1.0,
        hiss=0.006,
    ),
)
