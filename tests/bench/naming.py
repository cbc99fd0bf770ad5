"""Made-up names of any number of songs, and how people get them wrong.

Words of one to three syllables, drawn as words are in any language: the k-th most frequent one
1/k^0.9 times as often as the first (Zipf). An artist has a dozen songs; names come in no order.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tests.bench.clusters import SONGS_PER_ARTIST

_STARTS: Final = (*"bcdfghjklmnprstvwz", "br", "ch", "st", "th", "sh", "tr")
_VOWELS: Final = (*"aeiou", "ai", "ea", "ou")
_ENDS: Final = ("", *"nrstl")
_WORDS: Final = 60_000


def names(count: int, seed: int = 0) -> list[str]:
    """``Artist - Title``, so many."""
    rng = np.random.default_rng(seed)
    syllables = [start + vowel for start in _STARTS for vowel in _VOWELS]
    words = [
        "".join(rng.choice(syllables, length)) + rng.choice(_ENDS)
        for length in rng.integers(1, 4, _WORDS)
    ]
    frequency = 1 / np.arange(1, _WORDS + 1) ** 0.9
    frequency /= frequency.sum()

    def phrases(many: int, longest: int) -> list[str]:
        lengths = rng.integers(1, longest + 1, many)
        drawn = iter(rng.choice(_WORDS, lengths.sum(), p=frequency).tolist())
        return [" ".join(words[next(drawn)].capitalize() for _ in range(n)) for n in lengths]

    artists = phrases(max(20, count // SONGS_PER_ARTIST), 3)
    of = np.sort(rng.integers(len(artists), size=count)).tolist()
    titles = phrases(count, 5)
    return [f"{artists[who]} - {title}" for who, title in zip(of, titles, strict=True)]


def part_of(name: str, rng: np.random.Generator) -> str:
    """Three to twelve letters of it."""
    start = int(rng.integers(0, max(1, len(name) - 8)))
    return name[start : start + int(rng.integers(3, 13))]


def misspelt(name: str, rng: np.random.Generator) -> str:
    """With two letters swapped, or one missing, added or wrong."""
    at = int(rng.integers(1, len(name) - 2))
    before, here, after = name[:at], name[at], name[at + 1 :]
    slips = (f"{before}{after[0]}{here}{after[1:]}", before + after, f"{before}q{here}{after}")
    return (*slips, f"{before}x{after}")[int(rng.integers(4))]
