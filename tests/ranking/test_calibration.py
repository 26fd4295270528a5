"""Scores as probabilities: what was planted is found, no order changes, few data say nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from recsys_batch.evaluation.calibration import expected_calibration_error
from recsys_batch.models.recipes import Calibration
from recsys_batch.ranking.calibration import FEWEST, Scored, fit_calibration, probabilities


def scored(truth, *, users: int, seed: int = 1, depth: int = 50) -> Scored:
    """Normal scores, and hits drawn by the probability that `truth` gives each."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal(users * depth)
    hits = rng.random(len(scores)) < truth(scores)
    return Scored(scores, hits, np.repeat(np.arange(users), depth))


def steps(scores: np.ndarray) -> np.ndarray:
    """No sigmoid: flat, then a step."""
    return np.where(scores > 1.0, 0.4, 0.02)


def test_a_sigmoid_is_found_and_of_few_data_it_is_chosen():
    few = fit_calibration(scored(lambda each: expit(2 * each - 4), users=40), seed=1)
    assert few.calibration.kind == "platt"
    many = fit_calibration(scored(lambda each: expit(2 * each - 4), users=4000), seed=1)
    asked = np.array([-1.0, 0.0, 1.0, 2.0])
    told = probabilities(many.calibration, asked)
    np.testing.assert_allclose(told, expit(2 * asked - 4), rtol=0.15)
    assert min(many.losses.values()) < many.base_loss


def test_where_no_sigmoid_fits_and_data_are_many_isotonic_is_chosen():
    found = fit_calibration(scored(steps, users=2000), seed=1)
    assert found.calibration.kind == "isotonic"
    assert found.losses["isotonic"] < found.losses["platt"] < found.base_loss
    told = probabilities(found.calibration, np.array([-2.0, 0.5, 1.5]))
    np.testing.assert_allclose(told, [0.02, 0.02, 0.4], atol=0.03)


@pytest.mark.parametrize("truth", [steps, lambda each: expit(each - 3)])
def test_others_are_told_what_comes_true(truth):
    found = fit_calibration(scored(truth, users=1000), seed=1).calibration
    other = scored(truth, users=1000, seed=2)
    told = probabilities(found, other.scores)
    assert expected_calibration_error(told, other.hits) < 0.01
    wrong = expected_calibration_error(np.sqrt(told), other.hits)
    assert wrong > 0.1


def test_scores_that_tell_nothing_or_the_opposite_give_one_probability():
    found = fit_calibration(scored(lambda each: expit(-2 * each - 3), users=300), seed=1)
    told = probabilities(found.calibration, np.array([-3.0, 0.0, 3.0]))
    assert np.ptp(told) < 0.02
    assert told[0] == pytest.approx(0.1, abs=0.05)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    slope=st.floats(0, 5),
    asked=st.lists(st.floats(-50, 50), min_size=2, max_size=20),
)
def test_no_order_changes_and_probabilities_are_such(seed, slope, asked):
    found = fit_calibration(
        scored(lambda each: expit(slope * each - 2), users=30, seed=seed), seed=1
    )
    if found is not None:
        told = probabilities(found.calibration, np.sort(asked))
        assert (np.diff(told) >= 0).all()
        assert ((told >= 0) & (told <= 1)).all()


def test_by_few_wanted_candidates_nothing_is_calibrated():
    made = scored(lambda each: np.zeros(len(each)), users=50)
    made.hits[: FEWEST - 1] = True
    assert fit_calibration(made, seed=1) is None
    alone = scored(lambda each: np.zeros(len(each)), users=50)
    alone.hits[:50] = True  # all by one user: nobody else can judge
    assert fit_calibration(alone, seed=1) is None


def test_no_score_has_no_probability():
    either = (
        Calibration(kind="platt", slope=1.0),
        Calibration(kind="isotonic", scores=(0.0, 1.0), probabilities=(0.0, 1.0)),
    )
    for each in either:
        told = probabilities(each, np.array([[np.nan, -np.inf], [0.5, 9.0]]))
        assert np.isnan(told[0]).all()
    np.testing.assert_array_equal(told[1], [0.5, 1.0])
