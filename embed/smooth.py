"""Sequences of embeddings in which each is close to the one before it.

A step's size is the angle between its two embeddings, its cost the angle's square: of two
sequences with the same ends that with the more even steps is the cheaper one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from embed.index import Vectors

_LEAST_GAIN: Final = 1e-6
"""What a change of order must gain, in square radians, above rounding: else none would end."""

Angles = NDArray[np.float32]


def angles(vectors: Vectors) -> Angles:
    """The angle between each two of unit ``(n, 512)``. Returns float32 ``(n, n)``, 0 to π."""
    cosines = np.clip(vectors @ vectors.T, -1, 1)
    found: Angles = np.arccos(cosines).astype(np.float32)
    return found


def progress(vectors: Vectors, start: Vectors, end: Vectors) -> NDArray[np.float32]:
    """How much nearer to ``end`` than to ``start`` each of ``vectors`` is; it grows steadily on
    the way from one to the other."""
    towards: NDArray[np.float32] = np.vecdot(vectors, end - start)
    return towards


def between(start: Vectors, end: Vectors, steps: int) -> Vectors:
    """``steps`` points on the arc from ``start`` to ``end``, evenly spread, without its ends.

    Spherical linear interpolation (Shoemake, SIGGRAPH 1985). The ends are unit, and neither
    equal nor opposite. Returns float32 ``(steps, 512)``, unit rows.
    """
    one, other = start.astype(np.float64), end.astype(np.float64)
    angle = np.arccos(np.clip(one @ other, -1, 1))
    parts = np.linspace(0, 1, steps + 2)[1:-1, np.newaxis]
    points = np.sin((1 - parts) * angle) * one + np.sin(parts * angle) * other
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    found: Vectors = (points / lengths).astype(np.float32)
    return found


def smoothest_path(sizes: Angles, count: int) -> list[int]:
    """``count`` places from the first to the last, each beyond the one before it.

    ``sizes`` are the angles between places ``(n, n)``, 2 ≤ ``count`` ≤ n. Of all such paths one
    whose largest step is the smallest, and of these the one of least cost: by dynamic
    programming over the number of places passed, in O(count · n²).
    """
    forward = np.where(np.tri(len(sizes), dtype=bool), np.float32(np.inf), sizes)
    largest = np.full(len(sizes), np.inf, np.float32)
    largest[0] = 0
    for _ in range(count - 1):
        largest = np.maximum(largest[:, np.newaxis], forward).min(axis=0)
    costs = np.where(forward <= largest[-1], forward.astype(np.float64) ** 2, np.inf)
    cheapest = np.full(len(sizes), np.inf)
    cheapest[0] = 0
    before: list[NDArray[np.int64]] = []
    for _ in range(count - 1):
        sums = cheapest[:, np.newaxis] + costs
        before.append(sums.argmin(axis=0))
        cheapest = sums[before[-1], np.arange(len(sizes))]
    path = [len(sizes) - 1]
    for places in reversed(before):
        path.append(int(places[path[-1]]))
    return path[::-1]


def smooth_order(sizes: Angles) -> list[int]:
    """An order of all places, the first one first, in which steps cost little.

    ``sizes`` are the angles between places ``(n, n)``. From the nearest neighbour of each the
    order is bettered by turning round one stretch after the other while that makes it cheaper
    (2-opt; Croes, Operations Research 1958).
    """
    costs = sizes.astype(np.float64) ** 2
    order = _by_nearest(costs)
    while True:
        better = _turned(order, costs)
        if better is None:
            return [int(place) for place in order]
        order = better


def _by_nearest(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    order = [0]
    left = np.ones(len(costs), bool)
    for _ in range(len(costs) - 1):
        left[order[-1]] = False
        order.append(int(np.argmin(np.where(left, costs[order[-1]], np.inf))))
    return np.array(order)


def _turned(order: NDArray[np.int64], costs: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """``order`` with that stretch turned round which gains most; None when none gains."""
    count = len(order)
    if count < 3:
        return None
    along = costs[np.ix_(order, order)]
    steps = np.append(np.diagonal(along, 1), 0)  # from each to its next; nothing after the last
    # The stretch first … last turned: its first place follows on its last, and so on.
    to_next = np.hstack([along[:, 1:], np.zeros((count, 1))])
    first, last = np.triu_indices(count - 1, 1)
    first, last = first + 1, last + 1
    gain = steps[first - 1] + steps[last] - along[first - 1, last] - to_next[first, last]
    best = int(np.argmax(gain))
    if gain[best] <= _LEAST_GAIN:
        return None
    here, there = int(first[best]), int(last[best])
    return np.concatenate([order[:here], order[here : there + 1][::-1], order[there + 1 :]])
