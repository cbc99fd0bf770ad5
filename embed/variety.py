"""Answers that are not all alike: maximal marginal relevance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embed.index import Vectors


def varied(
    vectors: Vectors, relevance: NDArray[np.float32], diversity: float, count: int
) -> list[int]:
    """Places of ``count`` of the candidates, in the order they were chosen.

    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): each next one has the
    largest (1 − diversity) · relevance − diversity · its likeness to the most alike of those
    already chosen; of equals the first. ``vectors`` is float32 ``(candidates, 512)``, unit rows,
    ``relevance`` float32 ``(candidates,)``, both cosines' measure. With ``diversity`` 0 these are
    the ``count`` most relevant; with 1 relevance only decides where to begin.
    """
    left = np.ones(len(vectors), bool)
    most_alike = np.zeros(len(vectors), np.float32)
    chosen: list[int] = []
    for _ in range(min(count, len(vectors))):
        # The first is the most relevant whatever the weights: nothing is there to differ from.
        weight = diversity if chosen else 0.0
        scores = (1 - weight) * relevance - weight * most_alike
        place = int(np.argmax(np.where(left, scores, -np.inf)))
        left[place] = False
        alike = np.vecdot(vectors, vectors[place])
        most_alike = np.maximum(most_alike, alike) if chosen else alike
        chosen.append(place)
    return chosen
