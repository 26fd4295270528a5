"""ALS: the same bits whatever the threads, a known answer, and no factors that are no numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from recsys_batch.errors import InputDataError
from recsys_batch.models.als import fit_als, require_finite


def fit(weights: sparse.csr_matrix, **changed):
    settings = {"factors": 8, "regularization": 1.0, "alpha": 10.0, "iterations": 10, "seed": 3}
    return fit_als(weights, **{**settings, **changed})


@pytest.fixture(scope="module")
def sparse_weights() -> sparse.csr_matrix:
    random = sparse.random(300, 120, density=0.05, format="csr", dtype=np.float32, rng=1)
    random.sort_indices()
    return random


def test_one_and_two_threads_and_a_repeat_give_equal_bits(sparse_weights):
    (users, items), *others = (fit(sparse_weights, threads=threads) for threads in (1, 2, 2))
    assert users.dtype == items.dtype == np.float32
    assert users.shape == (300, 8)
    assert items.shape == (120, 8)
    for other in others:
        assert (users.tobytes(), items.tobytes()) == tuple(each.tobytes() for each in other)


def test_another_seed_gives_other_factors(sparse_weights):
    _, one = fit(sparse_weights)
    _, other = fit(sparse_weights, seed=4)
    assert one.tobytes() != other.tobytes()


def test_the_input_is_not_changed_and_progress_counts_the_sweeps(sparse_weights):
    before, seen = sparse_weights.data.copy(), []
    fit(sparse_weights, iterations=3, progress=lambda done, steps: seen.append((done, steps)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    np.testing.assert_array_equal(sparse_weights.data, before)


def test_a_checkerboard_is_learnt():
    """Even users like even items, odd users odd ones; one of each is held back and must return."""
    board = (np.add.outer(np.arange(20), np.arange(20)) % 2 == 0).astype(np.float32)
    held = np.zeros_like(board, dtype=bool)
    for user in range(20):
        held[user, (user + 2 * (user // 2)) % 20] = True
    assert (board[held] == 1).all()
    train = sparse.csr_matrix(np.where(held, 0, board))
    users, items = fit(train, factors=2, iterations=15)
    scores = users @ items.T
    assert scores[held].min() > 3 * scores[board == 0].max()


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("alpha", [1e38, 3e38])
def test_factors_that_are_no_numbers_are_refused(alpha):
    weights = sparse.csr_matrix(np.full((4, 4), 1e30, dtype=np.float32))
    with pytest.raises(InputDataError, match=r"source als, .*alpha .*not finite.*; raise the"):
        fit(weights, alpha=alpha)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_a_factor_that_is_no_number_is_refused_whoever_fitted_it(wrong, side):
    factors = [np.ones((2, 3), dtype=np.float32), np.ones((4, 3), dtype=np.float32)]
    require_finite(*factors, where="here")
    factors[side][1, 2] = wrong
    with pytest.raises(InputDataError, match=r"^source als, here: training gave factors that are"):
        require_finite(*factors, where="here")
