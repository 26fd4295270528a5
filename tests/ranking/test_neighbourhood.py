"""Ties of candidates to the user's items and to users alike: by hand, and written once more."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import sparse

from recsys_batch.ranking.neighbourhood import NEIGHBOURHOOD_NAMES, make_neighbourhood
from recsys_batch.ranking.ties import add_item_ties, add_user_ties

# Item 0: users 0, 1, 2. Item 1: users 0, 1. Item 2: user 1. Item 3: user 3, as nobody else.
DENSE = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=np.float32)


def described(dense: np.ndarray, user: int, item: int) -> dict[str, float]:
    made = make_neighbourhood(sparse.csr_matrix(dense.astype(np.float32)))
    found = made.features(np.array([user]), np.array([[item]], dtype=np.int32))
    return dict(zip(NEIGHBOURHOOD_NAMES, found[0, 0].tolist(), strict=True))


def test_ties_by_hand():
    """User 0 has items 0 and 1; user 1 shares both and has item 2."""
    found = described(DENSE, 0, 2)
    assert found["own items tied"] == 2
    assert found["share of own items tied"] == 1
    assert found["users tied"] == 1
    cosines = np.array([1 / np.sqrt(3), 1 / np.sqrt(2)])
    expected = {
        "sum of cosine of items": cosines.sum(),
        "sum of squares of cosine of items": 1 / 3 + 1 / 2,
        "greatest of cosine of items": cosines[1],
        "mean of 3 greatest of cosine of items": cosines.sum() / 3,
        "greatest of jaccard of items": 1 / 2,
        "sum of conditional probability of items": 1 / 3 + 1 / 2,
        "greatest of damped cosine of items": cosines[1] / np.sqrt(3),
        "sum of cosine of users": 2 / np.sqrt(2 * 3),
        "greatest of damped cosine of users": cosines.sum() / np.sqrt(3),
        "greatest of jaccard of users": 2 / 3,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, err_msg=name)


def test_what_is_tied_to_nothing_and_what_is_no_candidate_are_zeros():
    made = make_neighbourhood(sparse.csr_matrix(DENSE))
    found = made.features(np.array([0, 3]), np.array([[3, -1], [0, -1]], dtype=np.int32))
    assert (found == 0).all()


matrices = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).random((9, 7)) < 0.35
)


@given(matrices)
@hypothesis_settings(max_examples=25, deadline=None)
def test_ties_as_they_are_defined(dense):
    made = make_neighbourhood(sparse.csr_matrix(dense.astype(np.float32)))
    items = np.tile(np.arange(7, dtype=np.int32), (9, 1))
    found = made.features(np.arange(9), items)
    degrees, activity = dense.sum(axis=0), dense.sum(axis=1)
    for user, item in np.ndindex(9, 7):
        own = [i for i in np.flatnonzero(dense[user]) if i != item]
        both = {i: (dense[:, i] & dense[:, item]).sum() for i in own}
        cosines = sorted(both[i] / np.sqrt(degrees[i] * degrees[item]) for i in own if both[i])
        others = [v for v in np.flatnonzero(dense[:, item]) if v != user]
        alike = {v: (dense[v] & dense[user]).sum() for v in others}
        jaccards = sorted(
            alike[v] / (activity[v] + activity[user] - alike[v]) for v in others if alike[v]
        )
        told = dict(zip(NEIGHBOURHOOD_NAMES, found[user, item].tolist(), strict=True))
        expected = {
            "own items tied": len(cosines),
            "users tied": len(jaccards),
            "sum of cosine of items": sum(cosines),
            "mean of 3 greatest of cosine of items": sum(cosines[-3:]) / 3,
            "sum of jaccard of users": sum(jaccards),
            "mean of 3 greatest of jaccard of users": sum(jaccards[-3:]) / 3,
        }
        for name, value in expected.items():
            np.testing.assert_allclose(told[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_blocks_of_users_change_nothing_and_the_input_is_left_alone():
    rng = np.random.default_rng(1)
    weights = sparse.random_array((30, 20), density=0.3, rng=rng, format="csr", dtype=np.float32)
    before = weights.data.copy()
    made = make_neighbourhood(sparse.csr_matrix(weights))
    items = np.argsort(rng.random((30, 20)), axis=1).astype(np.int32)[:, :8]
    whole = made.features(np.arange(30), items)
    parts = [made.features(np.arange(a, a + 10), items[a : a + 10]) for a in (0, 10, 20)]
    assert whole.tobytes() == np.concatenate(parts).tobytes()
    np.testing.assert_array_equal(weights.data, before)


def test_a_history_from_a_mapped_file_compiles_nothing_anew():
    weights = sparse.csr_matrix(np.eye(4, dtype=np.float32) + np.ones((4, 4), dtype=np.float32))
    mapped = weights.copy()
    for array in (mapped.data, mapped.indices, mapped.indptr):
        array.flags.writeable = False
    items = np.array([[0, 1]], dtype=np.int32)
    for each in (weights, mapped):
        make_neighbourhood(each).features(np.array([2]), items)
    assert [len(loop.signatures) for loop in (add_item_ties, add_user_ties)] == [1, 1]
