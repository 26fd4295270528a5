"""Ratings by weighted least squares, and what the weights undo."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recsys_batch.errors import InputDataError
from recsys_batch.models.ratings import (
    RatingSettings,
    fit_ratings,
    inverse_propensity_weights,
)


def random_ratings(seed: int, users: int = 40, items: int = 25):
    rng = np.random.default_rng(seed)
    dense = (rng.random((users, items)) < 0.4) * rng.integers(1, 6, (users, items))
    return sparse.csr_matrix(dense.astype(float)), rng


@given(
    st.lists(st.floats(0.01, 1.0), min_size=1, max_size=30),
    st.floats(1.0, 100.0),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_weights_have_mean_one_and_fall_with_the_propensity(propensities, clip, power):
    weights = inverse_propensity_weights(np.array(propensities), clip=clip, power=power)
    assert weights.mean() == pytest.approx(1.0)
    order = np.argsort(propensities)
    assert (np.diff(weights[order]) <= 1e-12).all()
    if power == 0:
        np.testing.assert_allclose(weights, 1.0)


def test_weights_by_hand():
    found = inverse_propensity_weights(np.array([0.5, 0.25]), clip=100.0)
    np.testing.assert_allclose(found, [2 / 3, 4 / 3])
    clipped = inverse_propensity_weights(np.array([0.5, 0.5, 0.02]), clip=1.0)
    np.testing.assert_allclose(clipped, np.array([2, 2, 18]) / 22 * 3)


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.1, np.nan])
def test_a_propensity_that_is_no_probability_is_refused(wrong):
    with pytest.raises(InputDataError, match="rating 1: a propensity of"):
        inverse_propensity_weights(np.array([0.5, wrong]), clip=10.0)


def test_no_items_side_does_better_than_the_fitted_one():
    ratings, rng = random_ratings(1)
    settings = RatingSettings(factors=3, regularization=2.0, bias_regularization=0.5, iterations=3)
    weights = rng.uniform(0.2, 3.0, ratings.nnz)
    fitted = fit_ratings(ratings, weights, settings)
    users = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))

    def loss(items: np.ndarray) -> float:
        moved = type(fitted)(fitted.mean, fitted.users, items).predict()
        error = ratings.data - moved[users, ratings.indices]
        penalties = 0.5 * (items[:, 0] ** 2).sum() + 2.0 * (items[:, 1:] ** 2).sum()
        return float((weights * error**2).sum() + penalties)

    best = loss(fitted.items)
    for size in (0.5, -0.5, 0.05):
        assert loss(fitted.items + size * rng.standard_normal(fitted.items.shape)) > best


def test_debiasing_finds_the_mean_that_self_selection_hides():
    """Of films everybody rates alike, liked ones are rated nine times as often."""
    rng = np.random.default_rng(2)
    truth = np.where(np.arange(200) % 2 == 0, 5.0, 1.0)[None, :].repeat(300, axis=0)
    propensity = np.where(truth == 5.0, 0.45, 0.05)
    seen = rng.random(truth.shape) < propensity
    ratings = sparse.csr_matrix(np.where(seen, truth, 0.0))
    users = np.repeat(np.arange(300), np.diff(ratings.indptr))
    weights = inverse_propensity_weights(propensity[users, ratings.indices], clip=100.0)
    plain, debiased = (
        fit_ratings(ratings, own, RatingSettings(factors=0)).mean
        for own in (np.ones(ratings.nnz), weights)
    )
    assert plain == pytest.approx(4.6, abs=0.05)
    assert debiased == pytest.approx(3.0, abs=0.1)


def test_equal_input_gives_equal_bits_and_is_not_changed():
    ratings, _ = random_ratings(3)
    before, weights = ratings.data.copy(), np.ones(ratings.nnz)
    one, two = (fit_ratings(ratings, weights, RatingSettings()).predict() for _ in range(2))
    assert one.tobytes() == two.tobytes()
    np.testing.assert_array_equal(ratings.data, before)
    assert (weights == 1).all()
