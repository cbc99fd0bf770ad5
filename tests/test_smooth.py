"""Smooth sequences, against trying every one."""

from __future__ import annotations

from itertools import combinations, pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.smooth import angles, between, progress, smooth_order, smoothest_path
from tests.serving import random_vectors, unit


def sizes_of(count: int, seed: int) -> np.ndarray:
    """Angles between places in few dimensions, where they differ widely."""
    points = np.random.default_rng(seed).standard_normal((count, 3))
    return angles(unit(points))


def steps(sizes: np.ndarray, path: list[int]) -> list[float]:
    return [float(sizes[one, other]) for one, other in pairwise(path)]


def cost(sizes: np.ndarray, path: list[int]) -> float:
    return sum(step**2 for step in steps(sizes, path))


@given(st.integers(2, 9), st.integers(0, 50), st.data())
def test_no_path_has_a_smaller_worst_step_nor_then_a_smaller_cost(
    places: int, seed: int, data: st.DataObject
) -> None:
    sizes = sizes_of(places, seed)
    count = data.draw(st.integers(2, places))
    path = smoothest_path(sizes, count)
    assert path == sorted(set(path))
    assert (len(path), path[0], path[-1]) == (count, 0, places - 1)
    every = [[0, *inner, places - 1] for inner in combinations(range(1, places - 1), count - 2)]
    worst = min(max(steps(sizes, one)) for one in every)
    assert max(steps(sizes, path)) == worst
    best = min(cost(sizes, one) for one in every if max(steps(sizes, one)) == worst)
    assert cost(sizes, path) == pytest.approx(best, rel=1e-6)


@given(st.integers(1, 30), st.integers(0, 50))
def test_an_order_holds_every_place_and_no_turned_stretch_betters_it(
    places: int, seed: int
) -> None:
    sizes = sizes_of(places, seed)
    order = smooth_order(sizes)
    assert order[0] == 0
    assert sorted(order) == list(range(places))
    least = cost(sizes, order) - 1e-5
    for first, last in combinations(range(1, places), 2):
        turned = [*order[:first], *order[first : last + 1][::-1], *order[last + 1 :]]
        assert cost(sizes, turned) > least


def test_orders_of_few_are_near_the_best_there_are() -> None:
    found = []
    for seed in range(20):
        sizes = sizes_of(7, seed)
        best = min(cost(sizes, [0, *rest]) for rest in permutations(range(1, 7)))
        found.append(cost(sizes, smooth_order(sizes)) / best)
    assert np.mean(found) < 1.06
    assert max(found) < 1.3


def test_points_between_are_even_steps_on_the_arc() -> None:
    start, end = random_vectors(2, 9)
    points = between(start, end, 4)
    whole = np.vstack([start, points, end]).astype(float)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)
    found = [np.arccos(one @ other) for one, other in pairwise(whole)]
    np.testing.assert_allclose(found, np.arccos(start.astype(float) @ end) / 5, atol=1e-5)
    assert np.all(np.diff(progress(whole.astype(np.float32), start, end)) > 0)


def test_angles_are_those_of_the_cosines() -> None:
    vectors = unit([[1, 0], [0, 1], [-1, 0], [1, 1]])
    expected = np.degrees([[0, 90, 180, 45], [90, 0, 90, 45], [180, 90, 0, 135], [45, 45, 135, 0]])
    np.testing.assert_allclose(np.degrees(angles(vectors)), np.radians(expected), atol=0.05)
