"""The oracle itself, against arithmetic done by hand and by exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.testing import assert_array_equal

from recsys_batch.topn import reference


def test_scores_of_small_integers_are_exact() -> None:
    users = np.array([[1, 2, 3], [0, -1, 4]], np.float32)
    items = np.array([[1, 1, 1], [2, 0, -1]], np.float32)
    assert_array_equal(reference.scores(users, items), [[6, -1], [3, -4]])


def test_scores_are_the_nearest_float32_to_the_exact_sum() -> None:
    rng = np.random.default_rng(5)
    users = rng.normal(size=(4, 21)).astype(np.float32)
    items = rng.normal(size=(6, 21)).astype(np.float32)
    got = reference.scores(users, items)
    for u in range(4):
        for i in range(6):
            exact = sum(
                Fraction(float(a)) * Fraction(float(b))
                for a, b in zip(users[u], items[i], strict=True)
            )
            assert got[u, i] == np.float32(float(exact))


def test_cancellation_that_float32_would_lose_is_kept() -> None:
    users = np.array([[1e8, 1, -1e8]], np.float32)
    items = np.ones((1, 3), np.float32)
    assert_array_equal(reference.scores(users, items), [[1]])


def test_ties_go_to_the_lower_row_and_minus_zero_equals_zero() -> None:
    users = np.array([[1]], np.float32)
    items = np.array([[-0.0], [1], [0.0], [1]], np.float32)
    rows, scores = reference.top_n(users, items, n=4)
    assert_array_equal(rows, [[1, 3, 0, 2]])
    assert not np.signbit(scores).any()
