from __future__ import annotations

import numpy as np
import pytest

from recsys_batch.errors import ContractError
from recsys_batch.evaluation import intervals as room
from recsys_batch.evaluation.intervals import mean_intervals, paired

HOW = {"resamples": 1000, "confidence": 0.95, "seed": 3}


def test_close_to_the_normal_interval_of_a_large_sample() -> None:
    values = np.random.default_rng(1).normal(5.0, 2.0, size=4000)
    (found,) = mean_intervals(values[:, None], resamples=10_000, confidence=0.95, seed=3)
    margin = 1.96 * values.std() / np.sqrt(4000)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - margin, abs=0.05 * margin)
    assert found.high == pytest.approx(values.mean() + margin, abs=0.05 * margin)


def test_two_users_by_hand() -> None:
    # Draws are (0,0), (0,1), (1,0), (1,1): the mean is 0, 0.5 or 1 with 1/4, 1/2, 1/4.
    (found,) = mean_intervals(np.array([[0.0], [1.0]]), **HOW)
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)


@pytest.mark.parametrize(("draw", "mean"), [("exponential", 1.0), ("hits", 0.2)])
def test_coverage_on_known_distributions(draw: str, mean: float) -> None:
    rng = np.random.default_rng(17)
    inside = 0
    for seed in range(400):
        values = rng.exponential(size=150) if draw == "exponential" else rng.random(150) < 0.2
        (found,) = mean_intervals(
            values.astype(float)[:, None], resamples=400, confidence=0.9, seed=seed
        )
        inside += found.low <= mean <= found.high
    # 400 trials: a true 90 % lies between 85.5 and 94.5 % with three standard errors.
    assert 0.855 <= inside / 400 <= 0.945


def test_paired_coverage_and_false_alarms() -> None:
    rng = np.random.default_rng(23)
    inside = alarms = 0
    for seed in range(400):
        user = rng.exponential(size=100)
        noise = rng.normal(scale=0.2, size=(2, 100))
        found = paired(user + noise[0], user + noise[1], resamples=400, confidence=0.95, seed=seed)
        inside += found.difference.low <= 0 <= found.difference.high
        alarms += found.p_value < 0.05
    assert 0.915 <= inside / 400 <= 0.983
    assert alarms / 400 <= 0.085


def test_pairing_sees_a_small_difference_between_very_different_users() -> None:
    user = np.random.default_rng(2).exponential(size=500)
    found = paired(user + 0.01, user, **HOW)
    assert found.holds
    assert found.difference.value == pytest.approx(0.01)
    assert found.p_value == pytest.approx(2 / 1001)
    assert found.ratio.value == pytest.approx((user.mean() + 0.01) / user.mean())
    assert found.ratio.low > 1


def test_equal_models() -> None:
    values = np.random.default_rng(4).random(50)
    found = paired(values, values, **HOW)
    assert (found.difference.low, found.difference.high, found.p_value) == (0, 0, 1)
    assert found.ratio == room.Interval(1.0, 1.0, 1.0)
    assert not found.holds


def test_swapping_models_mirrors_the_difference() -> None:
    a, b = np.random.default_rng(5).random((2, 80))
    one, other = paired(a, b, **HOW), paired(b, a, **HOW)
    assert one.difference.low == pytest.approx(-other.difference.high)
    assert one.p_value == pytest.approx(other.p_value)


def test_ratio_to_a_model_that_finds_nothing_is_infinite() -> None:
    found = paired(np.array([1.0, 0.5, 1.0]), np.zeros(3), **HOW)
    assert found.ratio.value == np.inf
    assert found.ratio.low == np.inf
    assert found.difference.low >= 0.5


def test_users_without_a_value_are_left_out() -> None:
    values = np.array([[1.0, 1.0], [np.nan, 0.0], [3.0, 2.0]])
    first, second = mean_intervals(values, **HOW)
    assert (first.value, second.value) == (2.0, 1.0)
    assert 1.0 <= first.low <= first.high <= 3.0
    found = paired(values[:, 0], values[:, 1], **HOW)
    assert (found.users, found.difference.value) == (2, 0.5)


def test_one_user_has_no_interval_and_none_no_mean() -> None:
    one, none = mean_intervals(np.array([[0.4, np.nan], [np.nan, np.nan]]), **HOW)
    assert one.value == 0.4
    assert np.isnan([one.low, one.high, none.value, none.low, none.high]).all()
    assert np.isnan(paired(np.ones(1), np.zeros(1), **HOW).p_value)
    assert paired(np.ones(0), np.ones(0), **HOW).users == 0
    (empty,) = mean_intervals(np.empty((0, 1)), **HOW)
    assert np.isnan(empty.value)


def test_seeded_and_independent_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(6).random((40, 2))
    before = values.copy()
    one = mean_intervals(values, **HOW)
    monkeypatch.setattr(room, "_WEIGHTS", 40 * 7)
    other = mean_intervals(values, **HOW)
    for a, b in zip(one, other, strict=True):
        assert (a.low, a.high) == pytest.approx((b.low, b.high), abs=1e-12)
    assert mean_intervals(values, **(HOW | {"seed": 4})) != one
    np.testing.assert_array_equal(values, before)


def test_different_users_cannot_be_paired() -> None:
    with pytest.raises(ContractError, match="same users"):
        paired(np.ones(3), np.ones(4), **HOW)
