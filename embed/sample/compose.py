"""A style and a seed → a plan (key, tempo, chords) → one layer's samples at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from embed.sample.effects import drive, echo, equalise
from embed.sample.synth import Drum, Timbre, drum, note

Samples = NDArray[np.float32]
Role = Literal["melody", "chords", "arpeggio", "bass", "drone", "drums", "noise"]

SCALES: Final[dict[str, tuple[int, ...]]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "harmonic": (0, 2, 3, 5, 7, 8, 11),
    "pentatonic": (0, 2, 4, 7, 9),
    "blues": (0, 3, 5, 6, 7, 10),
    "pelog": (0, 1, 3, 7, 8),
    "whole": (0, 2, 4, 6, 8, 10),
}
"""Semitones above the root."""

MOTIF_BARS: Final = 2
"""A layer repeats what it plays every two bars, with small changes: it is music, not noise."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One instrument's part. ``steps`` notes a beat, each with chance ``density``.

    ``hold`` is a note's length in steps. Drums have ``pattern``: for each drum a string of
    steps, ``x`` loud, ``o`` soft, any other character a rest.
    """

    role: Role
    timbre: Timbre = field(default_factory=lambda: Timbre((1.0,)))
    level: float = 1.0
    octave: int = 4
    steps: int = 2
    density: float = 0.7
    hold: float = 1.0
    pan: float = 0.0
    drive: float = 0.0
    high_hz: float = 1e9
    low_hz: float = 0.0
    echo: float = 0.0
    pattern: tuple[tuple[Drum, str], ...] = ()
    tune: float = 1.0
    decay: float = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What all layers of one song share. ``chords`` are scale degrees, one a bar."""

    tempo_bpm: float
    root_midi: int
    scale: tuple[int, ...]
    chords: tuple[int, ...]
    beats: int = 4
    swing: float = 0.0

    @property
    def beat_s(self) -> float:
        """Length of a beat in seconds."""
        return 60 / self.tempo_bpm

    def midi(self, degree: int, octave: int) -> int:
        """MIDI pitch of a scale degree, which may lie outside 0 … len(scale) − 1."""
        up, step = divmod(degree, len(self.scale))
        return self.root_midi + 12 * (octave - 4 + up) + self.scale[step]


@dataclass(frozen=True, slots=True)
class Event:
    """A note of a layer: step within the song, scale degree, loudness 0 to 1."""

    step: int
    degree: int
    velocity: float


def render(
    layer: Layer, plan: Plan, duration_s: float, rate_hz: int, rng: np.random.Generator
) -> Samples:
    """One layer, mono float32 ``(duration_s × rate_hz,)``, root mean square 0.1 × level."""
    count = int(duration_s * rate_hz)
    out = np.zeros(count, dtype=np.float32)
    if layer.role == "noise":
        out += rng.standard_normal(count, dtype=np.float32)
        swell_s = np.arange(count, dtype=np.float32) / rate_hz
        out *= 1 + (1 - layer.density) * np.sin(2 * np.pi * layer.tune * swell_s / 8)
    elif layer.role == "drums":
        _hit_drums(out, layer, plan, rate_hz, rng)
    else:
        _play(out, layer, plan, rate_hz, rng)
    out = drive(out, layer.drive)
    out = equalise(out, rate_hz, low_hz=layer.low_hz, high_hz=layer.high_hz)
    if layer.echo:
        out = echo(out, rate_hz, plan.beat_s * 0.75, layer.echo)
    rms = float(np.sqrt(np.square(out).mean()))
    return out * np.float32(0.1 * layer.level / max(rms, 1e-6))


def _play(out: Samples, layer: Layer, plan: Plan, rate_hz: int, rng: np.random.Generator) -> None:
    step_s = plan.beat_s / layer.steps
    cache: dict[tuple[int, float], Samples] = {}
    for event in _events(layer, plan, int(len(out) / rate_hz / step_s) + 1, rng):
        midi = plan.midi(event.degree, layer.octave)
        long_s = layer.hold * step_s
        key = (midi, long_s)
        if key not in cache:
            cache[key] = note(layer.timbre, midi, long_s, rate_hz, rng)
        _place(out, cache[key], _onset_s(event.step, step_s, plan, rng), event.velocity, rate_hz)


def _events(layer: Layer, plan: Plan, steps: int, rng: np.random.Generator) -> list[Event]:
    """The part of one layer, for ``steps`` steps."""
    per_bar = plan.beats * layer.steps
    motif_steps = MOTIF_BARS * per_bar
    plays = rng.random(motif_steps) < layer.density
    plays[0] = True
    walk = np.cumsum(rng.integers(-2, 3, motif_steps))
    walk -= 2 * (walk // 9)
    events = []
    for step in range(steps):
        chord = plan.chords[step // per_bar % len(plan.chords)]
        at = step % motif_steps
        varied = rng.random() < 0.08
        if plays[at] == varied and layer.role not in ("chords", "drone"):
            continue
        velocity = float(rng.uniform(0.6, 0.85) + 0.15 * (step % per_bar == 0))
        if layer.role == "melody":
            events.append(Event(step, chord + int(walk[at]) % 10, velocity))
        elif layer.role == "arpeggio":
            events.append(Event(step, chord + 2 * (step % 4), velocity))
        elif layer.role == "bass":
            fifth = 4 if at % 8 == 6 else 0
            events.append(Event(step, chord + fifth, velocity))
        elif plays[at] and (layer.role == "drone" or step % max(1, layer.steps) == 0):
            tones = (0, 4) if layer.role == "drone" else (0, 2, 4)
            base = 0 if layer.role == "drone" else chord
            events += [Event(step, base + tone, 0.6 * velocity) for tone in tones]
    return events


def _hit_drums(
    out: Samples, layer: Layer, plan: Plan, rate_hz: int, rng: np.random.Generator
) -> None:
    step_s = plan.beat_s / layer.steps
    for kind, pattern in layer.pattern:
        # A few takes of each hit, so that noise does not repeat sample for sample.
        takes = [drum(kind, layer.tune, layer.decay, rate_hz, rng) for _ in range(3)]
        for step in range(int(len(out) / rate_hz / step_s) + 1):
            loud = {"x": 1.0, "o": 0.4}.get(pattern[step % len(pattern)], 0.0)
            if loud and rng.random() < 0.97:
                velocity = loud * float(rng.uniform(0.85, 1.0))
                onset_s = _onset_s(step, step_s, plan, rng)
                _place(out, takes[step % 3], onset_s, velocity, rate_hz)


def _onset_s(step: int, step_s: float, plan: Plan, rng: np.random.Generator) -> float:
    """When a step sounds: odd steps late by the swing, all by a player's few milliseconds."""
    return (step + plan.swing * (step % 2)) * step_s + float(rng.uniform(0, 0.006))


def _place(out: Samples, sound: Samples, onset_s: float, velocity: float, rate_hz: int) -> None:
    start = int(onset_s * rate_hz)
    piece = sound[: max(len(out) - start, 0)]
    out[start : start + len(piece)] += np.float32(velocity) * piece
