"""What the table of weights counts: songs as the generator knows them, answered by directions."""

from __future__ import annotations

import numpy as np
import pytest

from export.sample.minus import shares
from export.sample.recall import Catalogue
from export.sample.terms import TERMS, Described

ELECTRONIC = next(term for term in TERMS if "electronic" in term.words)
HOUSE = next(term for term in TERMS if "house" in term.words)
ACOUSTIC = next(term for term in TERMS if "acoustic" in term.words)


def axis(*of: int) -> np.ndarray:
    row = np.zeros(512, np.float32)
    row[[*of]] = 1 / np.sqrt(len(of))
    return row


@pytest.mark.parametrize(
    ("weight", "expected"),
    [(0, [0, 1, 1]), (0.5, [0, 1, 1]), (0.9, [1, 1, 0]), (2, [0, 0, 0])],
)
def test_the_nearest_are_counted_by_what_is_true_of_them(
    weight: float, expected: list[float]
) -> None:
    """House lies nearer to "electronic" than drum and bass does; waltzes lie away from "house"."""
    styles = ("House", "Drum and Bass", "Waltz")
    songs = [Described(style, 120) for style in styles for _ in range(5)]
    rows = [axis(0, 1)] * 5 + [axis(0, 2, 3)] * 5 + [-axis(1)] * 5
    among = Catalogue(songs, np.stack(rows))
    said = {ELECTRONIC: axis(0, 1), HOUSE: axis(1), ACOUSTIC: axis(4)}
    # Only one pair has five songs of both kinds.
    assert [*shares(said, among, weight)] == [expected]


def test_a_pair_without_songs_to_tell_it_by_is_left_out() -> None:
    among = Catalogue([Described("House", 120)] * 9, np.stack([axis(0)] * 9))
    assert [*shares({ELECTRONIC: axis(0), HOUSE: axis(1)}, among, 1)] == []
