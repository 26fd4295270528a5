"""ALS: the same bits whatever the threads, a known answer, and no factors that are no numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from recsys_batch.errors import InputDataError
from recsys_batch.models.als import AlsState, fit_als, require_finite


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


def states(weights: sparse.csr_matrix, **changed) -> list[AlsState]:
    """Copies of the states after the sweeps of a fit."""
    found: list[AlsState] = []
    fit(
        weights,
        after_sweep=lambda now: found.append(
            AlsState(now.sweeps, now.users.copy(), now.items.copy())
        ),
        **changed,
    )
    return found


def test_the_input_is_not_changed_and_the_sweeps_are_counted(sparse_weights):
    before = sparse_weights.data.copy()
    assert [each.sweeps for each in states(sparse_weights, iterations=3)] == [1, 2, 3]
    np.testing.assert_array_equal(sparse_weights.data, before)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("sweeps", range(1, 7))
def test_behind_any_sweep_a_fit_goes_on_to_the_bits_of_one_that_was_not_stopped(
    sparse_weights, sweeps, threads
):
    """Conjugate gradients stop early: users that began elsewhere would be others."""
    whole = fit(sparse_weights, iterations=6, threads=3 - threads)
    stopped = states(sparse_weights, iterations=sweeps)[-1]
    told: list[int] = []
    found = fit(
        sparse_weights,
        iterations=6,
        threads=threads,
        start=stopped,
        after_sweep=lambda now: told.append(now.sweeps),
    )
    assert told == list(range(sweeps + 1, 7))
    assert [each.tobytes() for each in found] == [each.tobytes() for each in whole]


def test_without_its_users_a_state_leads_to_other_bits(sparse_weights):
    whole = fit(sparse_weights, iterations=3)
    stopped = states(sparse_weights, iterations=2)[-1]
    found = fit(sparse_weights, iterations=1, start=stopped.items)
    assert found[0].tobytes() != whole[0].tobytes()


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


def loss(weights: sparse.csr_matrix, users, items, *, regularization: float, alpha: float) -> float:
    """The objective, over all pairs, in double precision."""
    dense, left, right = (np.asarray(each, float) for each in (weights.toarray(), users, items))
    confidence = np.where(dense == 0, 1.0, alpha * np.abs(dense))
    squares = confidence * ((dense > 0) - left @ right.T) ** 2
    return float(squares.sum() + regularization * ((left**2).sum() + (right**2).sum()))


def solved_in_full(
    weights: sparse.csr_matrix,
    others,
    *,
    regularization: float,
    alpha: float,
    frequency_exponent: float = 0.0,
):
    """The normal equations of every row, in double precision."""
    dense, others = weights.toarray().astype(float), np.asarray(others, float)
    rows = np.zeros((len(dense), others.shape[1]))
    for row, given in enumerate(dense):
        confidence = np.where(given == 0, 1.0, alpha * np.abs(given))
        penalty = regularization * np.count_nonzero(given) ** frequency_exponent
        system = (others.T * confidence) @ others + penalty * np.eye(others.shape[1])
        rows[row] = np.linalg.solve(system, others.T @ (confidence * (given > 0)))
    return rows


@pytest.mark.parametrize("factors", [1, 8, 16, 70])
@pytest.mark.parametrize(("regularization", "alpha"), [(1.0, 10.0), (0.1, 300.0), (20.0, 0.5)])
def test_every_row_solves_its_normal_equations(sparse_weights, factors, regularization, alpha):
    objective = {"regularization": regularization, "alpha": alpha}
    users, items = fit(sparse_weights, factors=factors, iterations=1, **objective)
    expected = solved_in_full(sparse_weights.T.tocsr(), users, **objective)
    apart = np.linalg.norm(items - expected, axis=1)
    assert (apart <= 2e-3 * np.linalg.norm(expected, axis=1)).all()


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_a_penalty_grows_with_a_rows_interactions(sparse_weights, exponent):
    objective = {"regularization": 0.5, "alpha": 10.0, "frequency_exponent": exponent}
    users, items = fit(sparse_weights, iterations=1, **objective)
    expected = solved_in_full(sparse_weights.T.tocsr(), users, **objective)
    apart = np.linalg.norm(items - expected, axis=1)
    assert (apart <= 2e-3 * np.linalg.norm(expected, axis=1)).all()
    alike = solved_in_full(
        sparse_weights.T.tocsr(), users, **{**objective, "frequency_exponent": 0.0}
    )
    assert np.linalg.norm(items - alike) > 0.05 * np.linalg.norm(alike)


def test_rows_longer_than_what_is_gathered_and_pairs_that_are_not_liked_are_solved_too():
    """Rows of 700 columns with 256 factors are solved where the columns' factors stand."""
    dense = np.random.default_rng(0).choice(
        [-1, 0, 0.02, 1], p=[0.2, 0.1, 0.2, 0.5], size=(30, 700)
    )
    dense[4] = 0
    weights = sparse.csr_matrix(dense.astype(np.float32))
    objective = {"regularization": 2.0, "alpha": 5.0}
    users, items = fit(weights, factors=256, iterations=2, **objective)
    again, _ = fit(weights, factors=256, iterations=1, start=items, **objective)
    expected = solved_in_full(weights, items, **objective)
    np.testing.assert_allclose(again, expected, atol=2e-3 * np.abs(expected).max())
    assert not users[4].any()


def test_no_penalty_and_more_factors_than_items_leave_factors_that_are_numbers():
    weights = sparse.csr_matrix(np.eye(6, dtype=np.float32))
    users, items = fit(weights, factors=9, regularization=0.0)
    np.testing.assert_allclose(users @ items.T, np.eye(6), atol=1e-2)


@pytest.mark.parametrize("scale", [1.0, 0.05])
def test_the_loss_is_that_of_the_library_implicit_or_lower(sparse_weights, scale):
    """With small weights, too, whose confidence is below that of other pairs."""
    from implicit.cpu.als import AlternatingLeastSquares

    weights = sparse_weights * np.float32(scale)
    objective = {"regularization": 0.5, "alpha": 4.0}
    peer = AlternatingLeastSquares(factors=8, iterations=60, random_state=1, **objective)
    peer.fit(weights, show_progress=False)
    theirs = loss(weights, peer.user_factors, peer.item_factors, **objective)
    ours = [
        loss(weights, *fit(weights, iterations=60, seed=seed, **objective), **objective)
        for seed in range(5)
    ]
    assert min(ours) <= theirs * 1.0005
    assert max(ours) <= theirs * 1.02


def test_from_given_factors_fewer_sweeps_reach_the_same_loss(sparse_weights):
    """Those of nine tenths of the interactions, as of the day before."""
    objective = {"regularization": 1.0, "alpha": 10.0}
    before = sparse_weights.copy()
    before.data[::10] = 0
    before.eliminate_zeros()
    _, items = fit(before, iterations=15, **objective)
    kept = items.copy()
    cold, warm = (
        [
            loss(
                sparse_weights,
                *fit(sparse_weights, iterations=n, start=s, **objective),
                **objective,
            )
            for n in range(1, 9)
        ]
        for s in (None, items)
    )
    assert warm[1] < cold[5]
    assert all(one < other for one, other in zip(warm, cold, strict=True))
    np.testing.assert_array_equal(items, kept)


def test_factors_to_begin_with_of_another_shape_are_refused(sparse_weights):
    with pytest.raises(InputDataError, match=r"fit_als start: .*\(119, 8\) where \(120, 8\)"):
        fit(sparse_weights, start=np.zeros((119, 8), dtype=np.float32))
    users, items = fit(sparse_weights, iterations=1)
    with pytest.raises(InputDataError, match=r"fit_als start: .*\(299, 8\) where \(300, 8\)"):
        fit(sparse_weights, start=AlsState(1, users[1:], items))
    with pytest.raises(InputDataError, match=r"fit_als start: .*\(120, 7\) where \(120, 8\)"):
        fit(sparse_weights, start=AlsState(1, users, items[:, 1:]))


def test_rows_without_interactions_are_zero():
    weights = sparse.csr_matrix(([1.0, 1.0], ([0, 2], [1, 1])), shape=(4, 3), dtype=np.float32)
    users, items = fit(weights)
    assert users.any(axis=1).tolist() == [True, False, True, False]
    assert items.any(axis=1).tolist() == [False, True, False]
