"""Random timbres, layers and plans: far more than the sample songs' eight styles.

The model has to hear music it was never shown, so training music spreads over everything
the synthesiser can do rather than over what sounds good.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from embed.sample.compose import SCALES, Layer, Plan, Role
from embed.sample.synth import DRUMS, Drum, Timbre, formants, harmonic

ROLES: Final[tuple[Role, ...]] = (
    "melody",
    "chords",
    "arpeggio",
    "bass",
    "drone",
    "drums",
    "noise",
)
ROLE_SHARES: Final = (0.2, 0.19, 0.13, 0.13, 0.08, 0.22, 0.05)


def random_timbre(rng: np.random.Generator) -> Timbre:
    """Any instrument: saw to sine, voices and reeds, bells, plucked, blown or bowed."""
    struck = rng.random() < 0.4
    shape = rng.random()
    ratios: tuple[float, ...] = ()
    if shape < 0.45:
        partials = harmonic(int(rng.integers(1, 60)), rng.uniform(0.5, 2.5), rng.random() < 0.3)
    elif shape < 0.75:
        peaks = tuple(float(p) for p in rng.uniform(1, 25, int(rng.integers(1, 4))))
        partials = formants(40, peaks, rng.uniform(0.7, 4))
    else:
        count = int(rng.integers(2, 7))
        ratios = (1.0, *(float(r) for r in np.sort(rng.uniform(1.5, 9, count - 1))))
        partials = tuple(float(a) for a in rng.uniform(0.1, 1, count))
    return Timbre(
        partials=partials,
        ratios=ratios,
        attack_s=float(rng.choice([0.002, 0.01, 0.05, 0.2, 0.6], p=[0.4, 0.25, 0.15, 0.12, 0.08])),
        decay_s=float(np.exp(rng.uniform(np.log(0.05), np.log(2.0)))),
        sustain=0.0 if struck else float(rng.uniform(0.3, 1)),
        release_s=float(np.exp(rng.uniform(np.log(0.02), np.log(0.8)))),
        dulling_s=float(np.exp(rng.uniform(np.log(0.05), np.log(20.0)))),
        vibrato_hz=float(rng.uniform(3, 7)),
        vibrato_semitones=float(rng.uniform(0.05, 0.5)) if rng.random() < 0.3 else 0.0,
        voices=int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])),
        detune_cents=float(rng.uniform(3, 25)),
        breath=float(rng.uniform(0.005, 0.15)) if rng.random() < 0.25 else 0.0,
    )


def random_pattern(rng: np.random.Generator, steps: int) -> tuple[tuple[Drum, str], ...]:
    """One to five drums, each with its own grid and density."""
    chosen = rng.permutation(len(DRUMS))[: int(rng.integers(1, 6))]
    pattern = []
    for index in chosen:
        every = int(rng.choice([1, 2, 4, 8]))
        density = rng.uniform(0.15, 0.6)
        shift = int(rng.integers(0, every))
        loud = (np.arange(steps) - shift) % every == 0
        soft = rng.random(steps) < density * 0.4
        marks = np.where(loud, "x", np.where(soft, "o", "."))
        pattern.append((DRUMS[index], "".join(marks)))
    return tuple(pattern)


def random_layer(rng: np.random.Generator) -> Layer:
    """Any part for any instrument."""
    role = ROLES[int(rng.choice(len(ROLES), p=ROLE_SHARES))]
    low, high = {"bass": (1, 3), "drone": (2, 4), "melody": (3, 7)}.get(role, (2, 6))
    return Layer(
        role=role,
        timbre=random_timbre(rng),
        octave=int(rng.integers(low, high)),
        steps=int(rng.choice([1, 2, 4], p=[0.25, 0.45, 0.3])) if role != "drums" else 4,
        density=float(rng.uniform(0.2, 1)),
        hold=float(rng.choice([0.5, 1.0, 2.0, 4.0], p=[0.2, 0.5, 0.2, 0.1])),
        drive=float(rng.uniform(1, 25)) if rng.random() < 0.25 else 0.0,
        high_hz=float(np.exp(rng.uniform(np.log(400), np.log(9000)))) if _chance(rng) else 1e9,
        low_hz=float(np.exp(rng.uniform(np.log(60), np.log(1500)))) if _chance(rng) else 0.0,
        echo=float(rng.uniform(0.2, 0.6)) if rng.random() < 0.15 else 0.0,
        pattern=random_pattern(rng, int(rng.choice([8, 12, 16, 32]))) if role == "drums" else (),
        tune=float(np.exp(rng.normal(0, 0.35))),
        decay=float(np.exp(rng.normal(0, 0.4))),
    )


def random_plan(rng: np.random.Generator) -> Plan:
    """Any key, tempo from 55 to 185, any chords, three or four beats."""
    scale = SCALES[str(rng.choice(list(SCALES)))]
    chords = tuple(int(c) for c in rng.integers(0, len(scale), int(rng.choice([2, 4, 8]))))
    return Plan(
        tempo_bpm=float(np.exp(rng.uniform(np.log(55), np.log(185)))),
        root_midi=int(rng.integers(54, 66)),
        scale=scale,
        chords=chords,
        beats=int(rng.choice([3, 4], p=[0.25, 0.75])),
        swing=float(rng.uniform(0.1, 0.35)) if rng.random() < 0.2 else 0.0,
    )


def _chance(rng: np.random.Generator) -> bool:
    return bool(rng.random() < 0.3)
