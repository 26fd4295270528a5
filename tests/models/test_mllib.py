"""ALS by MLlib: as good as on one machine on tastes that are known, with the same promises."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from recsys_batch.evaluation.accuracy import ndcg
from recsys_batch.models.als import fit_als
from recsys_batch.models.mllib import fit_mllib, mean_regularization, write_ratings

SETTINGS = {"factors": 8, "regularization": 20.0, "alpha": 2.0, "iterations": 10, "seed": 3}
USERS, ITEMS, KINDS, NO_HISTORY = 4000, 200, 8, 17


@pytest.fixture(scope="module")
def planted() -> tuple[sparse.csr_matrix, np.ndarray]:
    """What users of a few mixed tastes took, by when it was weighed, and what they took next."""
    rng = np.random.default_rng(1)
    tastes, kinds = (rng.dirichlet(np.full(KINDS, 0.2), size) for size in (USERS, ITEMS))
    wanted = (tastes @ kinds.T) * rng.lognormal(0, 0.8, ITEMS)
    weights = np.zeros((USERS, ITEMS), dtype=np.float32)
    later = np.zeros((USERS, ITEMS), dtype=bool)
    for user in range(USERS):
        chance = wanted[user] / wanted[user].sum()
        taken = rng.choice(ITEMS, int(rng.integers(12, 32)), replace=False, p=chance)
        later[user, taken[:6]] = True
        weights[user, taken[6:]] = rng.choice([0.5, 1.0, 3.0], len(taken) - 6)
    weights[NO_HISTORY] = 0
    return sparse.csr_matrix(weights), later


def quality(users: np.ndarray, items: np.ndarray, planted) -> float:
    """NDCG@10 of what was taken next, over items not taken before."""
    weights, later = planted
    scores = users @ items.T
    scores[weights.nonzero()] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    hits = np.take_along_axis(later, best, axis=1)
    return float(np.mean(ndcg(hits, later.sum(axis=1), k=10)))


@pytest.fixture(scope="module")
def fitted(spark, planted, tmp_path_factory):
    folder, told = tmp_path_factory.mktemp("fitted"), []
    found = fit_mllib(
        spark,
        planted[0],
        **SETTINGS,
        folder=folder,
        progress=lambda done, steps: told.append((done, steps)),
    )
    return found, told, folder


@pytest.mark.spark
def test_it_is_as_good_as_on_one_machine_to_a_few_per_cent_and_better_than_popularity(
    fitted, planted
):
    (users, items), _, _ = fitted
    theirs = quality(*fit_als(planted[0], **SETTINGS), planted)
    popular = np.bincount(planted[0].indices, minlength=ITEMS)[:, None].astype(np.float64)
    assert quality(users, items, planted) == pytest.approx(theirs, rel=0.05)
    assert theirs > 1.2 * quality(np.ones((USERS, 1)), popular, planted)


@pytest.mark.spark
def test_factors_are_in_the_matrix_order_and_zero_without_history(fitted):
    (users, items), _, _ = fitted
    assert users.dtype == items.dtype == np.float32
    assert (users.shape, items.shape) == ((USERS, 8), (ITEMS, 8))
    assert not users[NO_HISTORY].any()
    assert users.any(axis=1).sum() == USERS - 1


@pytest.mark.spark
def test_progress_counts_the_sweeps_and_no_file_is_left(fitted):
    _, told, folder = fitted
    assert told == sorted(told)
    assert told[-1] == (10, 10)
    assert {steps for _, steps in told} == {10}
    assert list(folder.iterdir()) == []


@pytest.mark.spark
def test_a_repeat_gives_equal_bits_and_another_seed_other_ones(spark, fitted, planted, tmp_path):
    (users, items), _, _ = fitted
    again = fit_mllib(spark, planted[0], **SETTINGS, folder=tmp_path)
    assert [each.tobytes() for each in again] == [users.tobytes(), items.tobytes()]
    other = fit_mllib(spark, planted[0], **{**SETTINGS, "seed": 4}, folder=tmp_path)
    assert other[1].tobytes() != items.tobytes()


def test_ratings_are_weights_less_one_over_alpha_and_never_dislikes(tmp_path):
    weights = sparse.csr_matrix(np.array([[0, 2, 0], [0, 0, 0], [0.5, 0, 0.25]], dtype=np.float32))
    write_ratings(weights, tmp_path / "pairs.parquet", alpha=2.0)
    rows = pq.read_table(tmp_path / "pairs.parquet").to_pylist()
    assert [(row["user"], row["item"]) for row in rows] == [(0, 1), (2, 0), (2, 2)]
    assert rows[0]["rating"] == 1.5
    assert all(0 < row["rating"] < 1e-37 for row in rows[1:])


def test_regularization_is_shared_out_by_the_interactions_of_a_row():
    """Two users and two items of two each have a penalty of 3 * 4 rows; 8 in all, so 1.5 each."""
    weights = sparse.csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=np.float32))
    assert mean_regularization(weights, 3.0, 0.0) == 1.5
    assert mean_regularization(weights, 3.0, 1.0) == 3.0
