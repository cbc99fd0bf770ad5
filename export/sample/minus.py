"""How much of "but not …" is heard at which weight, of sample songs that no tower was trained on.

    python -m export.sample.minus --cache CACHE

Asks the shipped text tower for one term less another, wherever at least five songs of a catalogue
are both and five are the first alone, and counts what the five nearest songs are.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Final

import numpy as np

from embed import sample
from embed.contrast import without
from embed.text import TextEncoder
from export.sample.recall import Catalogue, Rows, catalogues
from export.sample.terms import TERMS, Term, Truth
from export.sample.text import HELD_OUT_SEEDS

WEIGHTS: Final = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
NEAREST: Final = 5


def shares(said: dict[Term, Rows], among: Catalogue, weight: float) -> Iterator[list[float]]:
    """For each pair of terms: the shares of the nearest songs that are the first and not the
    other, the first, and the other. ``said`` holds the unit embedding of each term's words."""
    truth = Truth(among.songs)
    for term, other in permutations(said, 2):
        wanted, unwanted = truth.of([term]), truth.of([other])
        right = wanted & ~unwanted
        if min(right.sum(), (wanted & unwanted).sum()) < NEAREST:
            continue
        query = without(said[term], [said[other]], weight)
        near = np.argsort(-(among.embeddings @ query), kind="stable")[:NEAREST]
        yield [float(of[near].mean()) for of in (right, wanted, unwanted)]


def main() -> int:
    """Parses arguments; prints a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m export.sample.minus", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="songs' embeddings, kept")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    held_out = catalogues(args.cache, HELD_OUT_SEEDS, args.workers)
    encoder = TextEncoder(sample.TEXT_PATH, sample.TOKENIZER_PATH)
    said = {term: encoder.embed(term.words[0]) for term in TERMS if term.kind != "without"}
    print("| weight of `minus` | the first, not the other | the first | the other |")
    print("|---|---|---|---|")
    for weight in WEIGHTS:
        rows = [row for one in held_out for row in shares(said, one, weight)]
        print(f"| {weight:g} | {' | '.join(f'{share:.1%}' for share in np.mean(rows, axis=0))} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
